"""Common wrong answers: each gets its own explanation at the first try, which says what was mixed up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from omg_lib.checks import Verdict

Known = Mapping[tuple[str, int], str]
"""(question, answer) -> what that answer mixes up."""

TARGET: Known = {
    ("all available", 5): "the online network chooses the action, but whose value counts?",
    ("all available", 4): "the target network evaluates the action, but which network chooses it?",
    ("without the second", 3): "choose among the actions that are left, then ask the network that evaluates",
    ("without the second", 5): "an action that is not available cannot be chosen",
    ("ended", 3): "what comes after the end of the game?",
    ("ended", 4): "what comes after the end of the game?",
    ("ended", 0): "the reward of this step was still earned",
}
"""For the target by hand in notebook 7."""
WINDOW: Known = {
    ("t+1", 5): "the present is no candidate",
    ("t+3", 8): "does the unit live that long?",
    ("t+4", 9): "does the unit live that long?",
    ("t+5", 10): "does the unit live that long?",
    ("t+3", 0): "a window holds no padding",
    ("t+4", 0): "a window holds no padding",
    ("t+5", 0): "a window holds no padding",
}
"""For the window at the end of a life in notebook 6."""


def explained(verdict: Verdict, known: Known) -> Verdict:
    """Return the verdict of `check_values`, with an explanation after each known error in its first hint."""
    if not verdict.hints:
        return verdict
    words = {f"{asked}: you answered {answer}": word for (asked, answer), word in known.items()}
    first = tuple(f"{line}: {words[line]}" if line in words else line for line in verdict.hints[0])
    return replace(verdict, hints=(first, *verdict.hints[1:]))
