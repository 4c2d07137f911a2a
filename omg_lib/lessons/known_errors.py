"""Wrong answers that many give: each gets a word of its own at the first try, which says what was mixed up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from omg_lib.checks import Verdict

Known = Mapping[tuple[str, int], str]
"""(What was asked for, the answer) -> what whoever says so has mixed up."""

TARGET: Known = {
    ("all available", 5): "the online network chooses, but whose value counts?",
    ("all available", 4): "the target network values, but who chooses?",
    ("without the second", 3): "choose among what is left, then ask the network that values",
    ("without the second", 5): "an action that is not available cannot be chosen",
    ("ended", 3): "what comes after the end of the game?",
    ("ended", 4): "what comes after the end of the game?",
    ("ended", 0): "the reward of this step was still earned",
}
"""Of notebook 7's target by hand."""
WINDOW: Known = {
    ("t+1", 5): "the present is no candidate",
    ("t+3", 8): "does the unit live that long?",
    ("t+4", 9): "does the unit live that long?",
    ("t+5", 10): "does the unit live that long?",
    ("t+3", 0): "a window holds no padding",
    ("t+4", 0): "a window holds no padding",
    ("t+5", 0): "a window holds no padding",
}
"""Of notebook 6's window at the end of a life."""


def explained(verdict: Verdict, known: Known) -> Verdict:
    """The verdict of `check_values`, with a word behind each known error in its first hint."""
    if not verdict.hints:
        return verdict
    words = {f"{asked}: you said {answer}": word for (asked, answer), word in known.items()}
    first = tuple(f"{line}: {words[line]}" if line in words else line for line in verdict.hints[0])
    return replace(verdict, hints=(first, *verdict.hints[1:]))
