"""The process in which answers run: started once, in a jail where that works, and asked by `process`.

It is `child`, and stays for all submissions of a run: Python and torch take longer to start than answers take to run.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from traitlets.config.loader import PyFileConfigLoader

from grader import jail
from grader.protection import REFUSED, Protection

TEXTS = {f"grader.{name}": (Path(__file__).parent / f"{name}.py").read_text() for name in ("seccomp", "fence", "child")}
PROGRAM = f"""
import sys, types
sys.modules["grader"] = types.ModuleType("grader")
for name, text in {TEXTS!r}.items():
    module = sys.modules[name] = types.ModuleType(name)
    setattr(sys.modules["grader"], name.split(".")[1], module)
    exec(compile(text, name, "exec"), module.__dict__)
module.main()
"""
"""`child` and what it imports, as one text: nothing of the course need be where Python is."""
STARTING = 120
"""Seconds that a fresh process, or a container, may take until it is ready."""
SECRET_FREE = ("LANG", "LD_LIBRARY_PATH")
"""All that the process inherits: no token, no password, no path of yours."""
COMMANDS_NEED = ("PATH", "HOME", "TMPDIR", "DOCKER_HOST")
"""What it inherits besides if it is a command of the teacher's own, which has to find its parts; Python forgets it."""


class UnprotectedError(RuntimeError):
    """Nothing keeps answers from the teacher's files, and the teacher has not said `--unsafe`."""


class Host:
    """A process that runs answers, in a jail if it is this Python. RuntimeError if it cannot start."""

    def __init__(self, python: tuple[str, ...], unsafe: bool):
        own = python == (sys.executable,)
        jailed = own and jail.works()
        kept = SECRET_FREE if own else SECRET_FREE + COMMANDS_NEED
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        self.python, self.said = python, tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(
                [*(jail.command() if jailed else ()), *python, "-I", "-B", "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.said,
                cwd="/",
                env=environment,
            )
        except OSError as error:
            raise RuntimeError(f"{' '.join(python)} cannot run submissions: {error}") from None
        atexit.register(self.stop)
        [ready] = self.answers({"unsafe": unsafe, "witness": __file__, "forget": COMMANDS_NEED}, 1, STARTING)
        self.protection = Protection(jail=jailed, **json.loads(ready))

    def answers(self, message: dict, count: int, seconds: int) -> list[bytes]:
        """Its lines in reply to a message. RuntimeError, and it is no more, if they do not all come in time."""
        clock = threading.Timer(seconds, self.process.kill)
        clock.start()
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
            lines = [self.process.stdout.readline() for _ in range(count)]
        except BrokenPipeError:
            lines = [b""]
        except BaseException:
            self.stop()  # or its next reply would be the rest of this one
            raise
        finally:
            clock.cancel()
        if not all(lines):
            self.stop()
            self.said.seek(0)
            last = self.said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"{' '.join(self.python)} cannot run submissions: {''.join(last)}"[:300])
        return lines

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        atexit.unregister(self.stop)


HOSTS: dict[tuple, Host] = {}
"""Those that were started, by what `started` was asked for."""


def started(python: tuple[str, ...], unsafe: bool) -> Host:
    """The process that this command starts, the same one again while it lives."""
    key = python, unsafe
    if key not in HOSTS or HOSTS[key].process.poll() is not None:
        HOSTS[key] = Host(python, unsafe)
    return HOSTS[key]


def protection_of(course: Path, unsafe: bool) -> Protection:
    """What keeps answers from this machine in a course, by its nbgrader_config.py; raises what `protection` raises."""
    said = PyFileConfigLoader("nbgrader_config.py", str(course)).load_config().GradeAnswers
    python, unsafe = tuple(said.get("python", [sys.executable])), unsafe or said.get("unsafe", False)
    found = protection(python, unsafe)
    started(python, unsafe).stop()  # nbgrader starts its own
    return found


def protection(python: Sequence[str], unsafe: bool = False) -> Protection:
    """What keeps answers from this machine where `python` runs them. UnprotectedError if nothing does and `unsafe` is
    not said; RuntimeError if not even an honest process could be started.
    """
    found = started(tuple(python), unsafe).protection
    if not (found.enough or unsafe):
        raise UnprotectedError(REFUSED)
    return found
