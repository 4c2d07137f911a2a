"""Asks submitted code: starts `child` as a fresh process, sends it inputs, takes back answers that it does not trust.

The expected values stay here, in the grader's process: submitted code never sees them, nor the code that counts points.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.child import MOST_BYTES, decode, encode
from grader.feedback import SILENT, failure

CHILD = (Path(__file__).parent / "child.py").read_text(encoding="utf-8")
MEMORY = 1 << 30
"""Bytes that a task may take, beyond what Python and torch take."""
STARTING = 120
"""Seconds that a fresh process, or a container, may take until it is ready."""
KEPT = ("HOME", "LANG", "TMPDIR", "SYSTEMROOT", "DOCKER_HOST", "LD_LIBRARY_PATH")
"""All that the process inherits: no token, no password."""


@dataclass(frozen=True)
class Failed:
    """An answer that did not come, and why: one line."""

    why: str


@dataclass(frozen=True)
class Question:
    """What is asked of one task: the function that the answer cells define, and the arguments of every call."""

    sources: Sequence[str]
    function: str
    calls: Sequence[tuple]


def ask(questions: Sequence[Question], python: Sequence[str], seconds: int) -> list[list[object]]:
    """The answer to every call of every question, `Failed` where there is none. `python` is a command that starts it,
    `seconds` the computing time of each question. Raises nothing that a submission could bring about; RuntimeError if
    not even an honest process could be started.
    """
    tasks = [
        {"sources": list(q.sources), "function": q.function, "calls": [encode(list(args)) for args in q.calls]}
        for q in questions
    ]
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.run(
            [shutil.which(python[0]) or python[0], *python[1:], "-I", "-c", CHILD],
            input=json.dumps({"limits": {"seconds": seconds, "bytes": MEMORY}, "tasks": tasks}).encode(),
            capture_output=True,
            cwd=folder,
            env=environment,
            timeout=STARTING + 4 * seconds * len(tasks),
        )
    ready, *lines = process.stdout.splitlines() or [b""]
    if ready == b"ready, without a fence":
        warnings.warn("submitted code can read files here; GUIDE.md says what to do about it", stacklevel=2)
    elif ready != b"ready":
        last = process.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"{' '.join(python)} cannot run submissions: {''.join(last)}")
    lines += [b"{}"] * (len(tasks) - len(lines))
    return [_read(line, question, seconds) for line, question in zip(lines, questions, strict=True)]


def _read(line: bytes, question: Question, seconds: int) -> list[object]:
    """One line of the child, of which every part may be forged."""

    def failed(told: object) -> Failed:
        return Failed(failure(told, question.sources, question.function, seconds))

    def value(one: dict) -> object:
        try:
            return failed(one["error"]) if "error" in one else decode(one["value"])
        except (ValueError, TypeError, KeyError, RuntimeError, OverflowError, RecursionError):
            return Failed("the answer cannot be read")

    calls = len(question.calls)
    try:
        found = json.loads(line) if len(line) < 2 * MOST_BYTES else {}
        given = found.get("answers", [])
        return [value(one) for one in given] if len(given) == calls else [failed(found.get("error", SILENT))] * calls
    except (ValueError, TypeError, AttributeError, RecursionError):
        return [Failed(SILENT)] * calls
