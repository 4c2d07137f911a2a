"""What `follow` found: the verdict, all joins by line, and the origin of any tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from omg_lib.provenance.journal import Journal, Suspicion
from omg_lib.provenance.kinds import ROLES, Kinds
from omg_lib.provenance.labels import TEAM, Shadow, episode_of, kind_of, seat_of, step_of
from omg_lib.provenance.lines import Line, code, where
from omg_lib.provenance.picture import Picture
from omg_lib.provenance.replay import Recorder, Replay, frames_of
from omg_lib.words import N_, _, listing


@dataclass(frozen=True)
class Verdict:
    """The first place where something met that must not, and then reached a loss.

    | field | meaning |
    |---|---|
    | kind | seat, episode, time, padding, teammate, or unclear |
    | message | one sentence |
    | lines | (file, line): where the origins met, which lines last moved each of them, which called those |
    """

    kind: str
    message: str
    lines: tuple[Line, ...]

    @property
    def code(self) -> tuple[str, ...]:
        """The source code of those lines."""
        return tuple(code(line) for line in self.lines)

    def __str__(self) -> str:
        places = [f"  {name}:{number}  {text}" for (name, number), text in zip(self.lines, self.code, strict=True)]
        return "\n".join([f"{self.kind}: {self.message}", *places])


@dataclass(frozen=True)
class Join:
    """What met on one line: `count` is the number of elements, `example` the first that must not meet in a loss."""

    kind: str
    file: str
    line: int
    code: str
    count: int
    example: str = ""


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the elements of a tensor come from. Each array has the tensor's shape; -1 means none, or more than one.

    `roles` are what went into it: sees, acts, gets, ends, filled. `step` is the value's step: that of its reward, else
    the first step that it saw. `mixed` lists the coordinates that it sums up.
    """

    episode: Tensor
    seat: Tensor
    step: Tensor
    roles: tuple[str, ...]
    mixed: tuple[str, ...]

    def __str__(self) -> str:
        if not self.roles:
            return _("no origin: made of nothing that is followed")
        parts = [f"{name} {_listed(getattr(self, name))}" for name in ("episode", "step", "seat")]
        mixed = _("; only a summary over {mixed}").format(mixed=listing(self.mixed)) if self.mixed else ""
        return _("{parts}; made of {roles}{mixed}").format(
            parts=listing(parts, "; "), roles=listing(self.roles), mixed=mixed
        )


def _listed(x: Tensor) -> str:
    numbers = [n for n in torch.unique(x).tolist() if n >= 0]
    if not numbers:
        return _("none")
    text = listing(numbers[:8])
    return (
        text
        if len(numbers) <= 8
        else _("{text}, ... {last} ({all} in all)").format(text=text, last=numbers[-1], all=len(numbers))
    )


class Found:
    """Filled while code is followed; read it inside the block or after it. `str(found)` is a table of lines."""

    def __init__(
        self,
        shadow: Shadow,
        kinds: Kinds,
        journal: Journal,
        recorder: Recorder,
        real: Tensor | None,
        roles: set[str],
    ) -> None:
        self._shadow, self._kinds, self._journal, self._roles = shadow, kinds, journal, roles
        self._recorder = recorder
        self._real = None if real is None else real.cpu()

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None if nothing met that must not."""
        suspicion = self._guilty() or self._padding() or self._unclear()
        if suspicion is None:
            return None
        lines = self._journal.lines
        numbers = [line for line in suspicion.lines if line]
        places = [lines.known[line] for line in numbers]
        callers = [lines.callers[line] for line in numbers]
        places = tuple(dict.fromkeys([*places, *(line for line in callers if line)]))
        return Verdict(suspicion.kind, suspicion.message, places)

    @property
    def joins(self) -> list[Join]:
        """Everything that met, in order of first occurrence."""
        counts: Counter[tuple[Line, str]] = Counter()
        for (line, kind), count in self._journal.joins.items():
            counts[self._journal.lines.known[line], kind] += count
        examples = {
            (self._journal.lines.known[one.lines[0]], one.join): one.example for one in reversed(self._suspicions())
        }
        return [
            Join(kind, *line, code(line), count, examples.get((line, kind), ""))
            for (line, kind), count in counts.items()
        ]

    @property
    def unknown(self) -> list[str]:
        """Operations on followed inputs for which there is no rule."""
        return list(self._journal.unknown)

    @property
    def label_bytes(self) -> int:
        """The peak memory of the labels, in bytes."""
        return self._shadow.peak

    def explain(self, tensor: Tensor) -> Origin:
        """Return which episodes, steps and seats the elements of a tensor came from, if it was made inside the block.
        """
        label = self._shadow.read(tensor)
        if label is None:
            nothing = torch.full(tensor.shape, -1, device=tensor.device)
            return Origin(nothing, nothing, nothing, (), ())
        return self._origin(label, tensor.shape)

    def _origin(self, label: Tensor, shape: Sequence[int]) -> Origin:
        kinds = [self._kinds[k] for k in torch.unique(kind_of(label)).tolist() if k]
        roles = tuple(role for i, role in enumerate(ROLES) if any(kind.times[i] for kind in kinds))
        mixed = tuple(sorted({name for kind in kinds for name in kind.mixed}))
        step = torch.where(kind_of(label) > 0, step_of(label), -1)
        seat = torch.where(seat_of(label) == TEAM, -1, seat_of(label) - 1)
        parts = (episode_of(label) - 1, seat, step)
        return Origin(*(part.expand(shape) for part in parts), roles, mixed)

    def picture(self, tensor: Tensor, by: str = "episode") -> Picture:
        """Return a tensor made inside the block as cells, coloured `by` episode, step or seat; ConfigError for another
        word.
        """
        label = self._shadow.read(tensor)
        if label is None:
            label = torch.zeros([1] * tensor.ndim, dtype=torch.int64)
        return self._picture(label, tensor.shape, by)

    def _picture(self, label: Tensor, shape: Sequence[int], by: str) -> Picture:
        said = str(self._origin(label, label.shape))
        return Picture(label, shape, self._kinds, said, by)

    def replay(self, by: str = "episode") -> Replay:
        """Return the lines in order, each with its result: a slider for a notebook, which also works in an exported
        page.
        """
        verdict = self.verdict
        return frames_of(
            self._recorder,
            self._journal,
            verdict.lines if verdict else (),
            lambda step: self._picture(step.label, step.shape, by),
        )

    def __str__(self) -> str:
        verdict = self.verdict
        rows = []
        for join in self.joins:
            text = f"{join.code}  # {join.example}" if join.example else join.code
            rows.append((where((join.file, join.line)), join.kind, join.count, text))
        one, two, three = (max([len(str(row[i])) for row in rows], default=0) for i in range(3))
        table = [f"{at:{one}}  {kind:{two}}  {count:>{three}}  {text}" for at, kind, count, text in rows]
        return "\n".join([*table, _("nothing met that may not") if verdict is None else str(verdict)])

    def _losses(self) -> list:
        """Return the sums whose gradients were computed; if there are none, all sums."""
        sums = self._journal.sums
        return [sums[i] for i in sorted(self._journal.losses)] if self._journal.losses else sums

    def _suspicions(self) -> list[Suspicion]:
        """Return those that reached a loss, in order of occurrence."""
        causes = sorted({cause for one in self._losses() for cause in one.causes})
        return [self._journal.suspicions[cause] for cause in causes]

    def _guilty(self) -> Suspicion | None:
        return next((s for s in self._suspicions() if s.kind != "unclear"), None)

    def _padding(self) -> Suspicion | None:
        if self._real is None:
            return None
        seen = torch.zeros_like(self._real)
        rows = self._real.clone()
        rows[:, 1:] |= self._real[:, :-1]
        for one in self._losses():
            seen |= one.answered
            for extra, what in ((one.answered & ~self._real, N_("transitions")), (one.looked & ~rows, N_("steps"))):
                if extra.any():
                    message = _("{n} {what} that do not exist are in this loss, as {first}").format(
                        n=int(extra.sum()), what=_(what), first=_first(extra)
                    )
                    return Suspicion("padding", message, (one.line, *sorted(one.masks)))
        gone = self._real & ~seen
        if gone.any() and seen.any():
            one = next(one for one in self._losses() if one.answered.any())
            message = _("{n} real transitions are missing in this loss, as {first}").format(
                n=int(gone.sum()), first=_first(gone)
            )
            return Suspicion("padding", message, (one.line, *sorted(one.masks)))
        return None

    def _unclear(self) -> Suspicion | None:
        suspicions, losses = self._suspicions(), self._losses()
        if suspicions:
            return suspicions[0]
        if not losses:
            return Suspicion("unclear", _("too mixed to tell: no loss of what is followed was seen in this block"), ())
        reached = set().union(*(one.roles for one in losses))
        for role in ("gets", "sees", "acts"):
            if role in self._roles - reached:
                message = _("too mixed to tell: no loss holds anything of the inputs that have the role {role}").format(
                    role=role
                )
                return Suspicion("unclear", message, (losses[0].line,))
        return None


def _first(mask: Tensor) -> str:
    episode, step = mask.nonzero()[0].tolist()
    return _("episode {episode} t={step}").format(episode=episode, step=step)
