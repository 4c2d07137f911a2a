"""Joins: the label of elements that are combined.

Elements are grouped by how their two labels relate. Each group is judged once, in plain Python, by `policy.meet`; its
result is then written to all of its elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from omg_lib.provenance.journal import Journal
from omg_lib.provenance.kinds import COORDINATES, GETS, NOTHING, SEES, Kind, Kinds
from omg_lib.provenance.labels import KIND_BITS, STEP_BITS, TEAM, episode_of, kind_of, pack, seat_of, step_of
from omg_lib.provenance.policy import READ, RECUR, VALUE, Pair, Policy, meet
from omg_lib.words import _

MOST_BLOCKS = 32
"""Up to this many different blocks along a summed axis are joined one by one; with more, neighbours are joined
first."""
MOST_MOVES = 4
"""So many lines that moved the same coordinate are remembered."""
FLAGS = 5
SEAT_CODES = {"both": 0, "a": 1, "b": 2, "team": 3}


class Joiner:
    """Joins labels under one policy, and records in the journal what met."""

    def __init__(self, policy: Policy, kinds: Kinds, journal: Journal) -> None:
        self.policy, self.kinds, self.journal = policy, kinds, journal
        self._met = {}

    def join(self, a: Tensor | None, b: Tensor | None, context: str = VALUE) -> Tensor | None:
        """Return the label of two operands combined; labels broadcast like their elements."""
        if a is None or b is None:
            return b if a is None else a
        if context != RECUR and a.shape == b.shape and torch.equal(a, b):
            self.journal.met("same place", a.numel())
            return a
        a, b = torch.broadcast_tensors(a, b)
        ka, kb, ta, tb = kind_of(a), kind_of(b), step_of(a), step_of(b)
        ea, eb, sa, sb = episode_of(a), episode_of(b), seat_of(a), seat_of(b)
        both = (ka > 0) & (kb > 0)
        distance = torch.where(both, tb - ta, 0)
        flags = ((ea != eb) & (ea > 0) & (eb > 0)).long()
        single = (sa > 0) & (sb > 0) & (sa != TEAM) & (sb != TEAM)
        flags |= ((sa != sb) & single).long() << 1
        flags |= ((sa == 0) | (sb == 0)).long() << 2
        flags |= ((sa == TEAM) & both).long() << 3
        flags |= ((sb == TEAM) & both).long() << 4
        key = ((((ka << KIND_BITS) | kb) << (STEP_BITS + 1)) + distance + 2**STEP_BITS << FLAGS) | flags
        groups, inverse = torch.unique(key, return_inverse=True)
        one_step = bool(distance.any()) and _alone(ta[both]) and _alone(tb[both])
        sizes = torch.bincount(inverse.flatten(), minlength=len(groups)).tolist()
        results, numbers = [(0, 0, 0)] * len(sizes), groups.tolist()
        for i in sorted(range(len(sizes)), key=lambda i: -(numbers[i] & 3)):  # other seats and episodes first
            results[i] = self._judge(numbers[i], context, one_step, sizes[i], (a, b, inverse, i))
        kind, shift, seat = torch.tensor(results, device=a.device).T[:, inverse]
        step = torch.where(ka > 0, ta + shift, tb)
        whose = torch.where(seat == 1, sa, torch.where(seat == 2, sb, torch.maximum(sa, sb)))
        whose = torch.where(seat == 3, TEAM, whose)
        return pack(torch.where(ea > 0, ea, eb), whose, step, kind)

    def _judge(self, group: int, context: str, one_step: bool, size: int, example: tuple) -> tuple[int, int, int]:
        """Return the kind, the step's shift and the seat of one group."""
        flags, rest = group & (2**FLAGS - 1), group >> FLAGS
        distance = (rest & (2 ** (STEP_BITS + 1) - 1)) - 2**STEP_BITS
        b, a = (rest >> (STEP_BITS + 1)) & (2**KIND_BITS - 1), rest >> (STEP_BITS + 1 + KIND_BITS)
        if not a or not b:
            kind = self.kinds[a or b]
            return self.kinds.number(kind._replace(history=kind.history or context == RECUR) if a or b else kind), 0, 0
        key = (group, context, one_step)
        if key not in self._met:
            bits = [bool(flags & 1 << bit) for bit in range(FLAGS)]
            self._met[key] = meet(Pair(self.kinds[a], self.kinds[b], distance, context, *bits, one_step), self.policy)
        kind, shift, seat, join, fault, summary = self._met[key]
        self.journal.met(join, size)
        if fault is None and summary and self._beyond(summary, self.kinds[a if summary == "a" else b], *example):
            fault = "padding", _("a mean or deviation of an episode holds steps that do not exist")
        if fault is not None:
            cause = self.journal.suspect((*fault, join), self.kinds[a], self.kinds[b], *example)
            kind = kind._replace(cause=min(kind.cause or cause, cause))
        return self.kinds.number(kind), shift, SEAT_CODES[seat]

    def _beyond(self, summary: str, kind: Kind, a: Tensor, b: Tensor, groups: Tensor, group: int) -> bool:
        """Return whether sums of an episode's rewards hold steps that do not exist."""
        if self.journal.real is None:
            return False
        label, (first, last) = (a if summary == "a" else b)[groups == group], kind.times[GETS]
        steps = step_of(label)[:, None] + torch.arange(first, last + 1, device=label.device)
        real = self.journal.real.to(label.device)
        return not bool(real[episode_of(label)[:, None] - 1, steps].all())

    def fold(self, label: Tensor | None, axes: Sequence[int], context: str = READ) -> Tensor | None:
        """Return the label of a weighted sum over axes: whatever differs along them is joined. Keeps the axes."""
        for axis in axes:
            if label is None or label.shape[axis] == 1:
                continue
            blocks = label.movedim(axis, 0)
            fresh = (blocks[1:] != blocks[:-1]).reshape(len(blocks) - 1, -1).any(1).nonzero().flatten() + 1
            blocks = blocks[[0, *fresh.tolist()]]
            while len(blocks) > MOST_BLOCKS:
                even = len(blocks) // 2 * 2
                blocks = torch.cat([self.join(blocks[:even:2], blocks[1:even:2], context), blocks[even:]])
            parts = list(blocks)
            # the team's actions first: whose they are together differs from whose each is
            parts.sort(key=lambda part: not all(kind.action for kind in self.kinds_in(part)))
            label = parts[0]
            for part in parts[1:]:
                label = self.join(label, part, context)
            label = label.unsqueeze(axis)
        return label

    def summarise(self, label: Tensor | None, axes: Sequence[int], strict: bool = False) -> Tensor | None:
        """Return the label of a sum, mean or extreme over axes: exact over seats, otherwise a summary of many places.

        `strict`: values that have not met a reward yet are not a statistic and must come from one place; windows of
        steps that are summed separately are returns.
        """
        axes = [axis for axis in axes if label is not None and label.shape[axis] > 1]
        if not axes:
            return label
        kinds = self.kinds_in(label)
        if all(kind.mask for kind in kinds):
            return None  # the number of steps that count: a plain number without a place
        mixed = self.varying(label, axes)
        finished = any(kind.finished for kind in kinds)
        values = strict and not finished and all(kind.times[SEES] for kind in kinds)
        kept = [axis for axis in range(label.ndim) if axis not in axes]
        windows = strict and not finished and mixed == ["time"] and bool(kept) and "time" in self.varying(label, kept)
        exact = windows if self.policy.returns else values
        if not mixed or (mixed == ["seat"] and not finished) or exact:
            return self.fold(label, axes, VALUE)
        self.journal.met("everything", label.numel())
        cause = min((kind.cause for kind in kinds if kind.cause), default=0)
        chief = label.amax(dim=axes, keepdim=True)
        chief = self.changed(
            chief,
            lambda kind: kind._replace(mixed=tuple(sorted({*kind.mixed, *mixed})), cause=cause),
        )
        none = torch.zeros_like(chief)
        episode = none if "episode" in mixed else episode_of(chief)
        return pack(episode, none if "seat" in mixed else seat_of(chief), step_of(chief), kind_of(chief))

    def varying(self, label: Tensor, axes: Sequence[int]) -> list[str]:
        """Return the coordinates that differ along axes."""
        known = kind_of(label) > 0
        found = []
        for name, part in zip(COORDINATES, (episode_of, seat_of, step_of), strict=True):
            value = part(label)
            present = known if name == "time" else value > 0
            most = torch.where(present, value, -1).amax(dim=axes)
            least = torch.where(present, value, 2**20).amin(dim=axes)
            if bool((least < most).any()):
                found.append(name)
        return found

    def lost(self, operation: str, why: str = "") -> Tensor:
        """Return the label of the result of an operation without a rule: it says only that origins were lost there."""
        return torch.tensor(self.kinds.number(Kind(NOTHING, cause=self.journal.lost(operation, why))))

    def suspected(self, label: Tensor, cause: int) -> Tensor:
        """Return the same places, under a suspicion."""
        return self.changed(label, lambda kind: kind._replace(cause=min(kind.cause or cause, cause)))

    def kinds_in(self, label: Tensor) -> list[Kind]:
        """Return all kinds that occur in a label; none if it has no origin."""
        return [self.kinds[k] for k in numbers_in(label) if k]

    def changed(self, label: Tensor, change: Callable[[Kind], Kind]) -> Tensor:
        """Return the same places with other kinds."""
        numbers = numbers_in(label)
        by = torch.zeros(numbers[-1] + 1, dtype=torch.int64)
        for k in numbers:
            by[k] = self.kinds.number(change(self.kinds[k])) - k if k else 0
        return label + by.to(label.device)[kind_of(label)] if bool(by.any()) else label

    def moved(self, label: Tensor, line: int, coordinates: Sequence[str], turned: bool, again: bool = True) -> Tensor:
        """Note that a line moved these elements; without `again`, only where none has before. Line 0 is not noted."""
        if not line:
            return label
        slots = [2 * COORDINATES.index(c) + turned for c in coordinates]

        def change(kind: Kind) -> Kind:
            chains = enumerate(kind.moved)
            moved = (_pushed(line, old) if i in slots and (again or not old) else old for i, old in chains)
            return kind._replace(moved=tuple(moved))

        return self.changed(label, change)


def numbers_in(label: Tensor) -> list[int]:
    """Return the numbers of the kinds in a label, ascending."""
    return torch.bincount(kind_of(label).flatten()).nonzero().flatten().tolist()


def _pushed(line: int, old: tuple[int, ...]) -> tuple[int, ...]:
    return (line, *(n for n in old if n != line))[:MOST_MOVES]


def _alone(steps: Tensor) -> bool:
    return steps.numel() > 0 and bool(steps.min() == steps.max())
