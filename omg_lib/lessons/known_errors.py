"""Common wrong answers: each gets its own explanation at the first try, which says what was mixed up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from omg_lib.checks import Verdict
from omg_lib.words import N_, _

Known = Mapping[tuple[str, int], str]
"""(question, answer) -> what that answer mixes up."""

TARGET: Known = {
    ("all available", 5): N_("the online network chooses the action, but whose value counts?"),
    ("all available", 4): N_("the target network evaluates the action, but which network chooses it?"),
    ("without the second", 3): N_("choose among the actions that are left, then ask the network that evaluates"),
    ("without the second", 5): N_("an action that is not available cannot be chosen"),
    ("ended", 3): N_("what comes after the end of the game?"),
    ("ended", 4): N_("what comes after the end of the game?"),
    ("ended", 0): N_("the reward of this step was still earned"),
}
"""For the target by hand in notebook 7."""
WINDOW: Known = {
    ("t+1", 5): N_("the present is no candidate"),
    ("t+3", 8): N_("does the unit live that long?"),
    ("t+4", 9): N_("does the unit live that long?"),
    ("t+5", 10): N_("does the unit live that long?"),
    ("t+3", 0): N_("a window holds no padding"),
    ("t+4", 0): N_("a window holds no padding"),
    ("t+5", 0): N_("a window holds no padding"),
}
"""For the window at the end of a life in notebook 6."""


def explained(verdict: Verdict, known: Known) -> Verdict:
    """Return the verdict of `check_values`, with an explanation after each known error in its first hint."""
    if not verdict.hints:
        return verdict
    words = {
        _("{label}: you answered {guess}").format(label=_(asked), guess=answer): _(word)
        for (asked, answer), word in known.items()
    }
    first = tuple(f"{line}: {words[line]}" if line in words else line for line in verdict.hints[0])
    return replace(verdict, hints=(first, *verdict.hints[1:]))
