"""The inputs that are followed: their axes, their roles, and the labels they start with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.provenance.kinds import ENDS, FILLED, GETS, NOTHING, ROLES, Kind, Kinds
from omg_lib.provenance.labels import MAX_EPISODES, MAX_SEATS, MAX_STEPS, pack
from omg_lib.words import _, listing

AXES = {"e": MAX_EPISODES, "t": MAX_STEPS, "a": MAX_SEATS, "_": None}
KNOWN = {
    "obs": ("sees", 0), "state": ("sees", 0), "avail_actions": ("sees", 0), "next_obs": ("sees", 1),
    "actions": ("acts", 0), "actions_onehot": ("acts", 0), "last_actions": ("acts", -1),
    "reward": ("gets", 0), "rewards": ("gets", 0),
    "terminated": ("ends", 0), "done": ("ends", 0), "dones": ("ends", 0),
    "filled": ("filled", 0),
}  # fmt: skip
"""Name -> its role, and how many steps later than its row it belongs. Other names have the role `sees` unless you give
one."""


@dataclass(frozen=True)
class Input:
    """One named tensor; `shift` as in `KNOWN`."""

    name: str
    tensor: Tensor
    axes: tuple[str, ...]
    role: int
    shift: int

    def along(self, letter: str) -> int | None:
        return self.axes.index(letter) if letter in self.axes else None

    def size(self, letter: str) -> int | None:
        axis = self.along(letter)
        return None if axis is None else self.tensor.shape[axis]


def read_input(name: str, given: object) -> Input:
    """Read `(tensor, axes)` or `(tensor, axes, role)`; ConfigError says what is wrong with it."""
    if not isinstance(given, tuple) or len(given) not in (2, 3) or not isinstance(given[0], Tensor):
        raise ConfigError(name, type(given).__name__, _('(tensor, axes), as (obs, "e t a _"), or (tensor, axes, role)'))
    tensor, words = given[0], str(given[1])
    axes = tuple(words.split())
    letters = [axis for axis in axes if axis != "_"]
    if not set(axes) <= AXES.keys() or len(axes) != tensor.ndim or len(set(letters)) < len(letters):
        allowed = _("{n} words, of e (episode), t (step), a (seat), each once, and _").format(n=tensor.ndim)
        raise ConfigError(_("axes of {name}").format(name=name), words, allowed)
    if "e" not in axes or "t" not in axes:
        raise ConfigError(_("axes of {name}").format(name=name), words, _("e and t among them"))
    for axis, size in zip(axes, tensor.shape, strict=True):
        if AXES[axis] is not None and size > AXES[axis]:
            raise ConfigError(
                _("axis {axis} of {name}").format(axis=axis, name=name),
                size,
                _("at most {most}").format(most=AXES[axis]),
            )
    role, shift = KNOWN.get(name, ("sees", 0))
    if len(given) == 3:
        role, shift = given[2], 0
    if role not in ROLES:
        raise ConfigError(_("role of {name}").format(name=name), role, listing(ROLES))
    return Input(name, tensor, axes, ROLES.index(role), shift)


def read_inputs(inputs: dict) -> list[Input]:
    """Read all inputs; ConfigError if two differ in the number of episodes, steps or seats."""
    if not inputs:
        raise ConfigError("inputs", inputs, _('at least one, as {"obs": (obs, "e t a _")}'))
    found = [read_input(name, given) for name, given in inputs.items()]
    for letter in ("e", "t", "a"):
        sizes = {one.size(letter): one.name for one in found if one.size(letter) is not None}
        if len(sizes) > 1:
            (first, other), (size, __) = list(sizes.values())[:2], list(sizes)[:2]
            raise ConfigError(
                _("axis {letter} of {other}").format(letter=letter, other=other),
                list(sizes)[1],
                _("{size}, as {first} has").format(size=size, first=first),
            )
    return found


def read_seat(seat: Tensor | None, episodes: int) -> Tensor | None:
    """Return [E] from [E], [E, 1], or [E, T, 1] that is the same at every step."""
    if seat is None:
        return None
    if not isinstance(seat, Tensor) or seat.ndim == 0 or seat.shape[0] != episodes or seat.is_floating_point():
        shape = list(seat.shape) if isinstance(seat, Tensor) else type(seat).__name__
        raise ConfigError(
            "seat",
            shape,
            _("whole numbers [{episodes}], [{episodes}, 1] or [{episodes}, T, 1]").format(episodes=episodes),
        )
    return seat.reshape(episodes, -1)[:, 0].long()


def read_real(real: Tensor | None, found: list[Input]) -> Tensor | None:
    """Return [E, T], which transitions exist: as given, else by `filled` (t is real iff step t + 1 is filled)."""
    size = [found[0].size("e"), found[0].size("t")]
    if real is not None:
        if not isinstance(real, Tensor) or list(real.shape[:2]) != size or real.numel() != size[0] * size[1]:
            shape = list(real.shape) if isinstance(real, Tensor) else type(real).__name__
            raise ConfigError("real", shape, _("a mask {size}").format(size=size))
        return real.reshape(size).bool()
    for one in found:
        if one.role == FILLED:
            order = [one.along("e"), one.along("t")]
            filled = one.tensor.permute(*order, *[d for d in range(one.tensor.ndim) if d not in order])
            filled = filled.reshape(*size, -1)[..., 0].bool()
            real = torch.zeros_like(filled)
            real[:, :-1] = filled[:, 1:]
            return real
    return None


def first_label(one: Input, kinds: Kinds, seat: Tensor | None) -> Tensor:
    """Return the label of an input. A reward or end belongs to the learner's seat, if that is known."""
    device = one.tensor.device

    def along(letter: str, start: int) -> Tensor:
        axis = one.along(letter)
        if axis is None:
            return torch.zeros([1] * one.tensor.ndim, dtype=torch.int64, device=device)
        numbers = torch.arange(start, start + one.tensor.shape[axis], device=device)
        return numbers.reshape([-1 if d == axis else 1 for d in range(one.tensor.ndim)])

    whose = along("a", 1)
    if one.along("a") is None and seat is not None and one.role in (GETS, ENDS, FILLED):
        whose = (seat.to(device) + 1).reshape([-1 if d == one.along("e") else 1 for d in range(one.tensor.ndim)])
    times = tuple((0, 0) if role == one.role else None for role in range(len(NOTHING)))
    kind = torch.full([1] * one.tensor.ndim, kinds.number(Kind(times)), device=device)
    step = along("t", one.shift)
    label = pack(along("e", 1), whose, step.clamp(min=0), kind)
    return torch.where(step < 0, 0, label)
