"""The process in which answers run: started once, in a jail if that works, and asked by `process`.

It runs `child` for all submissions of a run, because Python and torch take longer to start than answers take to run.
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
from omg_lib.words import _

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
"""`child` and what it imports, as one text: the Python that runs it needs no file of the course."""
STARTING = 120
"""Seconds that a new process or container may take to start."""
SECRET_FREE = ("LANG", "LD_LIBRARY_PATH")
"""All the variables that the process inherits: no token, no password, none of your paths."""
COMMANDS_NEED = ("PATH", "HOME", "TMPDIR", "DOCKER_HOST")
"""Further variables for a teacher's own command, which has to find its parts; Python then removes them."""


class UnprotectedError(RuntimeError):
    """Nothing keeps answers from the teacher's files, and `--unsafe` was not given."""


class Host:
    """A process that runs answers, in a jail if it is this Python. Raises RuntimeError if it cannot start."""

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
            raise RuntimeError(_cannot_run(python, str(error))) from None
        atexit.register(self.stop)
        [ready] = self.answers({"unsafe": unsafe, "witness": __file__, "forget": COMMANDS_NEED}, 1, STARTING)
        self.protection = Protection(jail=jailed, **json.loads(ready))

    def answers(self, message: dict, count: int, seconds: int) -> list[bytes]:
        """Return its reply to a message, `count` lines. Stop it and raise RuntimeError if they do not come in time."""
        clock = threading.Timer(seconds, self.process.kill)
        clock.start()
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
            lines = [self.process.stdout.readline() for __ in range(count)]
        except BrokenPipeError:
            lines = [b""]
        except BaseException:
            self.stop()  # otherwise its next reply would be the rest of this one
            raise
        finally:
            clock.cancel()
        if not all(lines):
            self.stop()
            self.said.seek(0)
            last = self.said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(_cannot_run(self.python, "".join(last))[:300])
        return lines

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        atexit.unregister(self.stop)


def _cannot_run(python: Sequence[str], why: str) -> str:
    return _("{command} cannot run submissions: {why}").format(command=" ".join(python), why=why)


HOSTS: dict[tuple, Host] = {}
"""Started processes, by the arguments of `started`."""


def started(python: tuple[str, ...], unsafe: bool) -> Host:
    """Return the process for this command; start it if it does not run yet."""
    key = python, unsafe
    if key not in HOSTS or HOSTS[key].process.poll() is not None:
        HOSTS[key] = Host(python, unsafe)
    return HOSTS[key]


def protection_of(course: Path, unsafe: bool) -> Protection:
    """Return a course's protection, by its nbgrader_config.py. Raise what `protection` raises."""
    said = PyFileConfigLoader("nbgrader_config.py", str(course)).load_config().GradeAnswers
    python, unsafe = tuple(said.get("python", [sys.executable])), unsafe or said.get("unsafe", False)
    found = protection(python, unsafe)
    started(python, unsafe).stop()  # nbgrader starts its own
    return found


def protection(python: Sequence[str], unsafe: bool = False) -> Protection:
    """Return what protects this machine from answers that `python` runs. Raise UnprotectedError if nothing does and
    `unsafe` is False, and RuntimeError if not even an honest answer can run.
    """
    found = started(tuple(python), unsafe).protection
    if not (found.enough or unsafe):
        raise UnprotectedError(_(REFUSED))
    return found
