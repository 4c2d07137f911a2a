"""Asks what code does where answers run: with the jail, and with as little as a machine without one has."""

import sys

import pytest
from grader import jail
from grader.child import can_shut
from grader.process import Question, ask

SECONDS = 3
"""Of processor time that an answer has, and three times as many by the clock: enough on a busy machine too."""
JAIL = [sys.executable]
WITHOUT_JAIL = ["env", sys.executable]
"""Another command, so no jail of ours."""
UNSAFE = not can_shut()
"""Elsewhere the tests of what an answer may do, not of what it may not, run without a fence."""
needs_fence = pytest.mark.skipif(UNSAFE, reason="this kernel has no Landlock, or the processor is unknown")
PLACES = [
    pytest.param(JAIL, id="jail", marks=pytest.mark.skipif(not jail.works(), reason="no bubblewrap jail here")),
    pytest.param(WITHOUT_JAIL, id="without-jail", marks=needs_fence),
]


def asked(python: list[str] = JAIL, before: str = "", **bodies: str) -> dict[str, object]:
    """What the body of a function without arguments gives, by name; all asked at once."""
    indented = {name: "".join(f"    {line}\n" for line in body.splitlines()) for name, body in bodies.items()}
    questions = [Question([f"{before}\ndef answer():\n{body}"], "answer", [()]) for body in indented.values()]
    return dict(zip(bodies, (one for (one,) in ask(questions, python, SECONDS, UNSAFE)), strict=True))
