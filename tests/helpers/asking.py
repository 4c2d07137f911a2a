"""Runs code where answers run: with the jail, and with only what a machine without one offers."""

import sys

import pytest
from grader import jail
from grader.child import can_shut
from grader.process import Question, ask

SECONDS = 3
"""Of processor time that an answer has, and three times as many by the clock: enough on a busy machine too."""
JAIL = [sys.executable]
WITHOUT_JAIL = ["env", sys.executable]
"""A different command, so our own jail does not apply."""
UNSAFE = not can_shut()
"""Elsewhere, tests of what an answer may do (not of what it may not) run without a fence."""
needs_fence = pytest.mark.skipif(UNSAFE, reason="this kernel has no Landlock, or the processor is unknown")
PLACES = [
    pytest.param(JAIL, id="jail", marks=pytest.mark.skipif(not jail.works(), reason="no bubblewrap jail here")),
    pytest.param(WITHOUT_JAIL, id="without-jail", marks=needs_fence),
]


def asked(python: list[str] = JAIL, before: str = "", **bodies: str) -> dict[str, object]:
    """Return the results of function bodies without arguments, by name; all run in one call."""
    indented = {name: "".join(f"    {line}\n" for line in body.splitlines()) for name, body in bodies.items()}
    questions = [Question([f"{before}\ndef answer():\n{body}"], "answer", [()]) for body in indented.values()]
    return dict(zip(bodies, (one for (one,) in ask(questions, python, SECONDS, UNSAFE)), strict=True))
