"""The standard streams of a command, whatever it was started with."""

import os
import sys


def open_streams() -> None:
    r"""Let a command print every text anywhere.

    A character that a stream's encoding lacks becomes its \u escape: a name in Chinese ends no command on a Windows
    console. What was closed before the start leads nowhere: else print would take stdout for a stderr that is not
    there, and the next file that is opened would take its number.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))
        elif name != "stdin" and hasattr(stream, "reconfigure"):  # a test's or a notebook's stream has its own ways
            stream.reconfigure(errors="backslashreplace")
