"""Kinds: what a value is made of, and where in the code it was last moved. Labels carry their numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

Span = tuple[int, int]
ROLES = ("sees", "acts", "gets", "ends", "filled")
SEES, ACTS, GETS, ENDS, FILLED = range(5)
NOTHING: tuple[Span | None, ...] = (None,) * len(ROLES)
COORDINATES = ("episode", "seat", "time")


class Kind(NamedTuple):
    """| field | meaning |
    |---|---|
    | times | for each role, the first and last step that went in, relative to the label's step; None: not in it |
    | history | it came out of a recurrence: earlier observations went in as well |
    | mixed | coordinates over which it sums up many places |
    | moved | line numbers: per coordinate those that picked or shifted, and those that rearranged axes; last first |
    | masked | number of the line that last moved the mask behind it |
    | cause | number of the first suspicion behind it; 0: none |
    | running | a sum from the first step up to the last of `times` |
    """

    times: tuple[Span | None, ...]
    history: bool = False
    mixed: tuple[str, ...] = ()
    moved: tuple[tuple[int, ...], ...] = ((),) * (2 * len(COORDINATES))
    masked: int = 0
    cause: int = 0
    running: bool = False

    @property
    def outcome(self) -> bool:
        """Contains the environment's answer: a reward or an end."""
        return self.times[GETS] is not None or self.times[ENDS] is not None

    @property
    def mask(self) -> bool:
        """Only says which steps count: made only of `filled` and ends."""
        sees, acts, gets, ends, filled = self.times
        return sees is None and acts is None and gets is None and (ends is not None or filled is not None)

    @property
    def finished(self) -> bool:
        """A value that has met its reward: an error or a target."""
        return self.times[SEES] is not None and self.times[GETS] is not None

    @property
    def action(self) -> bool:
        """An action and nothing else."""
        return self.times[ACTS] is not None and self.times[SEES] is None and not self.outcome

    def shifted(self, by: int) -> tuple[Span | None, ...]:
        """`times` relative to a step that is `by` earlier."""
        return tuple(span and (span[0] + by, span[1] + by) for span in self.times)

    def moves(self, coordinate: str, met: int = 0, other: Kind | None = None) -> tuple[int, ...]:
        """Lines that last moved it in this coordinate, before the line `met`; the one that picked or shifted comes
        first. Where a line moved the other as well, the one before that comes too.
        """
        at, found = 2 * COORDINATES.index(coordinate), []
        shared = {line for lines in (other.moved if other else ()) for line in lines}
        for lines in self.moved[at : at + 2]:
            own = [line for line in lines if line != met]
            found += own[:1] + [line for after, line in pairwise(own) if after in shared]
        return tuple(found)


class Kinds:
    """Numbers the kinds, from 1."""

    def __init__(self) -> None:
        self.known: list[Kind] = [Kind(NOTHING)]
        self.numbers: dict[Kind, int] = {self.known[0]: 0}

    def number(self, kind: Kind) -> int:
        if kind not in self.numbers:
            self.numbers[kind] = len(self.known)
            self.known.append(kind)
        return self.numbers[kind]

    def __getitem__(self, number: int) -> Kind:
        return self.known[number]


def union(a: Span | None, b: Span | None) -> Span | None:
    """Return the smallest span that holds both."""
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def holds(a: Span, b: Span, distance: int) -> bool:
    """Return whether some step of b is `distance` after some step of a."""
    return b[0] - a[1] <= distance <= b[1] - a[0]
