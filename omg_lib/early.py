"""Ctrl-C in the seconds in which `python -m omg_lib` loads torch: one word, and the exit code of an interrupt.

Imported first of all. It does nothing where omg_lib is imported as a library.
"""

import os
import signal
import sys


def interrupted(*_: object) -> None:
    """Leave at once: nothing has begun, and nobody is there yet to catch an exception."""
    os.write(2, b"interrupted\n")
    os._exit(130)


if sys.argv[:1] == ["-m"]:  # what Python puts there until the module that -m names is found and run
    signal.signal(signal.SIGINT, interrupted)
