"""Ask submitted code: send inputs to the process where answers run, and read back answers without trusting them.

The expected values stay here, in the grader's process: submitted code sees neither them nor the code that counts
points.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grader.child import MOST_BYTES, decode, encode
from grader.feedback import SILENT, failure
from grader.host import STARTING, protection, started
from omg_lib.words import _

MEMORY = 1 << 30
"""Bytes that a task may use, beyond those of Python and torch."""


@dataclass(frozen=True)
class Failed:
    """A missing answer, and why it is missing: one line."""

    why: str


@dataclass(frozen=True)
class Question:
    """The calls of one task: the function that the answer cells define, and the arguments of every call."""

    sources: Sequence[str]
    function: str
    calls: Sequence[tuple]


def ask(
    questions: Sequence[Question], python: Sequence[str], seconds: int, unsafe: bool = False
) -> list[list[object]]:
    """Return the answer to every call of every question, `Failed` where there is none. `python` is the command that
    starts Python, `seconds` the computing time of each question. Raise what `protection` raises; nothing that a
    submission does raises here.
    """
    tasks = [
        {"sources": list(q.sources), "function": q.function, "calls": [encode(list(args)) for args in q.calls]}
        for q in questions
    ]
    protection(python, unsafe)
    host = started(tuple(python), unsafe)
    job = {"limits": {"seconds": seconds, "bytes": MEMORY}, "tasks": tasks}
    lines = host.answers(job, len(tasks), STARTING + 4 * seconds * len(tasks))
    return [_read(line, question, seconds) for line, question in zip(lines, questions, strict=True)]


def _read(line: bytes, question: Question, seconds: int) -> list[object]:
    """Read one line from the child. Any part of it may be forged."""

    def failed(told: object) -> Failed:
        return Failed(failure(told, question.sources, question.function, seconds))

    def value(one: dict) -> object:
        try:
            return failed(one["error"]) if "error" in one else decode(one["value"])
        except (ValueError, TypeError, KeyError, RuntimeError, OverflowError, RecursionError):
            return Failed(_("the answer cannot be read"))

    calls = len(question.calls)
    try:
        found = json.loads(line) if len(line) < 2 * MOST_BYTES else {}
        given = found.get("answers", [])
        return [value(one) for one in given] if len(given) == calls else [failed(found.get("error", SILENT))] * calls
    except (ValueError, TypeError, AttributeError, RecursionError):
        return [Failed(_(SILENT))] * calls
