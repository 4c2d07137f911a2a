"""The standard streams of a command, however it was started."""

import os
import sys


def open_streams() -> None:
    r"""Make any text printable on any stream.

    A character that a stream's encoding lacks becomes its \u escape, so a Chinese name does not crash a command on a
    Windows console. Streams that were closed before the start go to the null device: otherwise `print` would write to
    stdout instead of the missing stderr, and the next file opened would get its descriptor.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))
        elif name != "stdin" and hasattr(stream, "reconfigure"):  # streams of tests and notebooks may lack it
            stream.reconfigure(errors="backslashreplace")
