"""The journal of what met: all joins by line, suspicions, and what the losses are made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from omg_lib.provenance.kinds import COORDINATES, ROLES, Kind
from omg_lib.provenance.labels import TEAM, episode_of, seat_of, step_of
from omg_lib.provenance.lines import Lines
from omg_lib.words import _


@dataclass(frozen=True)
class Suspicion:
    """Something met that must not. It counts once it reaches a loss. `join` and `example`: its row in the table."""

    kind: str
    message: str
    lines: tuple[int, ...]
    join: str = ""
    example: str = ""


@dataclass
class Sum:
    """A sum over many places, which may turn out to be a loss.

    | field | meaning |
    |---|---|
    | causes | suspicions in it |
    | roles | roles in it |
    | answered | [E, T]: transitions whose reward is in it |
    | looked | [E, T]: steps whose observation is in it without a reward |
    | masks | lines that last moved a mask in it |
    """

    line: int
    causes: set[int]
    roles: set[str]
    masks: set[int]
    answered: Tensor
    looked: Tensor


class Journal:
    """Filled while code is followed."""

    def __init__(self, lines: Lines, seat: Tensor | None, real: Tensor | None) -> None:
        self.lines, self.seat, self.real = lines, seat, real
        self.line = 0  # the line of the running operation
        self.mover = 0  # the same, or 0 where torch sorts sequences and sorts them back
        self.joins: Counter[tuple[int, str]] = Counter()
        self.suspicions: list[Suspicion] = [Suspicion("", "", ())]
        self.numbers: dict[tuple, int] = {}
        self.sums: list[Sum] = []
        self.losses: set[int] = set()
        self.unknown: dict[str, int] = {}

    def met(self, join: str, count: int) -> None:
        self.joins[self.line, join] += count

    def suspect(
        self, fault: tuple[str, str, str], a: Kind, b: Kind, labels_a: Tensor, labels_b: Tensor, groups: Tensor,
        group: int,
    ) -> int:  # fmt: skip
        """Return the number of a suspicion; a line is suspected of the same thing only once."""
        kind, why, join = fault
        key = (self.line, kind)
        if key not in self.numbers:
            at = tuple((groups == group).nonzero()[0].tolist())
            one, two = (labels_a[at], a), (labels_b[at], b)
            if b.outcome and not a.outcome:
                one, two = two, one  # rewards tell what should be there
            kind = self._whose(kind, one, two)
            row, size = list(at), list(labels_a.shape)
            example = _("row {row} of {size} should hold {one}, holds {two}").format(
                row=row, size=size, one=self.place(*one), two=self.place(*two)
            )
            message = _("{example}: {why}").format(example=example, why=why)
            lines = dict.fromkeys([self.line, *self.moves(a, kind, b), *self.moves(b, kind, a)])
            self.numbers[key] = self.add(Suspicion(kind, message, tuple(lines), join, example))
        return self.numbers[key]

    def lost(self, operation: str, why: str = "") -> int:
        """Return the number of the suspicion that an operation without a rule lost origins; `why` replaces that reason.
        """
        if operation not in self.unknown:
            why = why or _("no rule says what {operation} does to the origins of its input").format(operation=operation)
            self.unknown[operation] = self.add(
                Suspicion("unclear", _("too mixed to tell: {why}").format(why=why), (self.line,))
            )
        return self.unknown[operation]

    def carried(self, shape: list[int]) -> int:
        """Return the number of the suspicion that a recurrence continues from an earlier memory."""
        key = (self.line, "carried")
        if key not in self.numbers:
            message = _(
                "a recurrence starts from a memory {shape} that was there before: its rows differ, so it "
                "holds what other episodes left in it"
            ).format(shape=shape)
            self.numbers[key] = self.add(Suspicion("episode", message, (self.line,)))
        return self.numbers[key]

    def add(self, suspicion: Suspicion) -> int:
        self.suspicions.append(suspicion)
        return len(self.suspicions) - 1

    def moves(self, kind: Kind, fault: str, other: Kind) -> tuple[int, ...]:
        """Return the lines that moved a value in the wrong coordinate, else in any."""
        coordinate = {"teammate": "seat"}.get(fault, fault)
        if coordinate in COORDINATES and kind.moves(coordinate):
            return kind.moves(coordinate, self.line, other)
        return tuple(line for name in COORDINATES for line in kind.moves(name, self.line, other))

    def _whose(self, kind: str, one: tuple[Tensor, Kind], two: tuple[Tensor, Kind]) -> str:
        """Call a foreign seat a teammate's slice if the learner's seat is known and should be there."""
        if kind != "seat" or self.seat is None:
            return kind
        label = one[0]
        learner = int(self.seat[max(int(episode_of(label)) - 1, 0)]) + 1
        return "teammate" if learner in (int(seat_of(label)), int(seat_of(two[0]))) else kind

    def place(self, label: Tensor, kind: Kind) -> str:
        """Format as "episode 40 seat 5 (gets t=3)"."""
        episode, seat = int(episode_of(label)), int(seat_of(label))
        whose = _("the team") if seat == TEAM else _("seat {s}").format(s=seat - 1)
        parts = [_("episode {e}").format(e=episode - 1)] * (episode > 0) + [whose] * (seat > 0)
        step, spans = int(step_of(label)), zip(ROLES, kind.times, strict=True)
        seen = [f"{role} {_span(span, step)}" for role, span in spans if span]
        return " ".join(parts) + (" " if parts else "") + f"({', '.join(seen)})"


def _span(span: tuple[int, int], step: int) -> str:
    first, last = span[0] + step, span[1] + step
    return f"t={first}" if first == last else f"t={first}..{last}"


def cells(size: tuple[int, int], episode: Tensor, step: Tensor) -> Tensor:
    """Return [E, T], true at the listed places that exist."""
    seen = torch.zeros(size, dtype=torch.bool, device=episode.device)
    inside = (episode >= 0) & (episode < size[0]) & (step >= 0) & (step < size[1])
    seen[episode[inside], step[inside]] = True
    return seen
