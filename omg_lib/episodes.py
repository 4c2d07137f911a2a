"""EpisodeBatch: episodes padded to one length. PackedRows: the same data without padding. PaddedRows: with padding, for
a GPU.

An episode of n steps fills rows 0..n. Row n holds only the last observation. Transition t is real iff `filled[t+1]`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int, Shaped
from tensordict import TensorDict
from torch import Tensor

from omg_lib.config import OMGConfig
from omg_lib.envs import EnvInfo
from omg_lib.trace import stage


def sizes_of(config: OMGConfig, info: EnvInfo) -> dict[str, int]:
    """Return every size in the contract except T: A, G, R, L, O, S, C, Z, H."""
    return {
        "A": config.n_agents,
        "G": config.batch_size,
        "R": config.batch_size_run,
        "L": info.episode_limit,
        "O": info.obs_dim,
        "S": info.state_dim,
        "C": info.n_actions,
        "Z": config.subgoal_dim,
        "H": config.horizon,
    }


class EpisodeBatch(TensorDict):
    """Episodes of one team; batch_size [E, T].

    | field | shape | dtype | meaning |
    |---|---|---|---|
    | obs | [E, T, A, O] | float32 | what each seat sees |
    | state | [E, T, S] | float32 | the global state, which no seat sees |
    | actions | [E, T, A, 1] | int64 | each seat's action |
    | avail_actions | [E, T, A, C] | bool | the actions available to each seat |
    | reward | [E, T, 1] | float32 | the team's reward |
    | terminated | [E, T, 1] | bool | the game ended after this step (not by reaching the limit) |
    | filled | [E, T, 1] | bool | this row was played |
    | alive | [E, T, A, 1] | bool | the seat is in the game; only if `EnvInfo.records_alive` |
    | seat | [E, T, 1] | int64 | the learner's seat, the same at every t; absent without teammates |
    | team | [E, T, 1] | int64 | number of the teammate set, the same at every filled t; only for the oracle |
    """

    def max_t_filled(self) -> int:
        """Return how many rows the longest episode fills, including its last observation."""
        return int(self["filled"].sum(dim=1).max())

    def lengths(self) -> list[int]:
        """Return the number of steps of each episode; its last observation does not count."""
        return (self["filled"].sum(dim=1).flatten() - 1).tolist()


ALIGNED = 64
"""In the copy that goes to a device, each field begins at a multiple of this many bytes."""


@stage("truncate")
def truncate(batch: EpisodeBatch) -> EpisodeBatch:
    """Cut [E, L+1] to [E, T], where T is the longest filled length in the batch. Returns a view; copies nothing."""
    return batch[:, : batch.max_t_filled()]


@stage("to_device")
def to_device(batch: EpisodeBatch, device: torch.device) -> EpisodeBatch:
    """Move a batch to the learner's device, in one copy; does nothing if it is there already."""
    return batch if batch["obs"].device == device else upload(batch, device)


def upload(batch: EpisodeBatch, device: torch.device) -> EpisodeBatch:
    """Copy a batch to a device, all fields in one copy."""
    sizes = [-(-x.numel() * x.element_size() // ALIGNED) * ALIGNED for x in batch.values()]
    here = page_locked(sum(sizes), device)
    for x, piece in zip(batch.values(), here.split(sizes), strict=True):
        _as(piece, x).copy_(x)  # type: ignore[arg-type]
    pieces = here.to(device, non_blocking=True).split(sizes)
    fields = {key: _as(piece, x) for (key, x), piece in zip(batch.items(), pieces, strict=True)}
    return EpisodeBatch(fields, batch_size=batch.batch_size)


def _as(memory: Tensor, x: Any) -> Tensor:
    """Return the first bytes as a tensor with the shape and dtype of x."""
    return memory[: x.numel() * x.element_size()].view(x.dtype).view(x.shape)


def page_locked(size: int, device: torch.device) -> Tensor:
    """Return this many bytes of pinned host memory, which CUDA reads while the host continues. torch keeps it until the
    copy is done, then reuses it.
    """
    return torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")


class PackedRows:
    """The filled steps of B x A sequences, packed longest first, so step t is a prefix of the rows.

    A recurrent network walks `steps(x)` one by one and never reads padding.

    | symbol | meaning |
    |---|---|
    | B, T, A | the padded block: groups (or episodes), steps, seats |
    | N = B * A | rows |
    | P | filled steps of all rows, ordered by t, then by row |
    """

    def __init__(self, filled: Bool[Tensor, "B T A"]) -> None:
        self.shape = filled.shape
        lengths = rearrange(filled.sum(dim=1), "b a -> (b a)")
        order = lengths.argsort(descending=True, stable=True)
        steps = torch.arange(filled.shape[1], device=filled.device)
        active = rearrange(lengths[order], "n -> 1 n") > rearrange(steps, "t -> t 1")
        self.t, self.n = active.nonzero(as_tuple=True)
        seats = filled.shape[2]
        self.b, self.a = order[self.n] // seats, order[self.n] % seats
        self.counts: list[int] = active.sum(dim=1).tolist()
        self.active = active

    def pack(self, x: Shaped[Tensor, " B T A *F"]) -> Shaped[Tensor, " P *F"]:
        """Convert padded to packed."""
        return x.flatten(0, 2).index_select(0, self._places)

    def pack_shared(self, x: Shaped[Tensor, " B T *F"]) -> Shaped[Tensor, " P *F"]:
        """Convert padded to packed, where all seats of an episode share one value."""
        return x.flatten(0, 1).index_select(0, self._shared_places)

    def at(self, t: Int[Tensor, " P *F"]) -> Int[Tensor, " P *F"]:
        """Return the position of step t of the same sequence among the packed steps; that step must be filled."""
        return self._starts[t] + self.n.reshape(self.n.shape + (1,) * (t.ndim - 1))

    def unpack(self, x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " B T A *F"]:
        """Convert packed to padded, with zeros as padding."""
        batch, steps, seats = self.shape
        out = x.new_zeros(batch * steps * seats, *x.shape[1:])
        return out.index_copy_(0, self._places, x).unflatten(0, self.shape)

    def steps(self, x: Shaped[Tensor, " P *F"]) -> tuple[Tensor, ...]:
        """Split packed data into one piece per step; each is a prefix of the rows before it."""
        return x.split(self.counts)

    def whole(self, x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " T N *F"]:
        """Convert packed to zero-padded, time-major sequences, for networks that read whole sequences."""
        out = x.new_zeros(*self.active.shape, *x.shape[1:])
        return out.index_put((self.t, self.n), x)

    def from_whole(self, x: Shaped[Tensor, " T N *F"]) -> Shaped[Tensor, " P *F"]:
        """Invert `whole`."""
        return x[self.t, self.n]

    # `index_select` and `index_copy_` take rows in a third of the time of indexing with a tensor.
    @cached_property
    def _shared_places(self) -> Int[Tensor, " P"]:
        return self.b * self.shape[1] + self.t

    @cached_property
    def _places(self) -> Int[Tensor, " P"]:
        return self._shared_places * self.shape[2] + self.a

    @cached_property
    def _starts(self) -> Int[Tensor, " ends"]:
        return torch.tensor([0, *self.counts], device=self.t.device).cumsum(0)

    @cached_property
    def _before(self) -> Int[Tensor, " P"]:
        return self._starts[self.t - 1] + self.n

    @cached_property
    def has_next(self) -> Bool[Tensor, " P"]:
        """Whether the same row has a filled step after this one."""
        following = self.t + 1
        padded = torch.tensor([*self.counts, 0], device=self.t.device)
        return self.n < padded[following]

    @cached_property
    def _after(self) -> Int[Tensor, " P"]:
        return torch.where(self.has_next, self._starts[self.t + 1] + self.n, 0)

    def first(self, x: Shaped[Tensor, " B A *F"]) -> Shaped[Tensor, " N *F"]:
        """Reorder one value per sequence to match the rows at t = 0."""
        rows = self.counts[0]
        return x[self.b[:rows], self.a[:rows]]

    def previous(self, x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " P *F"]:
        """Return the same row's value one step earlier; zero at t = 0."""
        rows = self.counts[0]
        return torch.cat([torch.zeros_like(x[:rows]), x.index_select(0, self._before[rows:])])

    def following(self, x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " P *F"]:
        """Return the same row's value one step later; zero at its last step."""
        later = x.index_select(0, self._after)
        later[~self.has_next] = 0
        return later


class PaddedRows(PackedRows):
    """The same interface over all T * N steps, including padding: the form for a GPU.

    No shape depends on the data, so the host never waits for a number, and a recurrent network takes one call. A
    padding step, which `PackedRows` lacks, reads the first step of its sequence: it stays finite whatever the padding
    holds, and the masks `has_next` and `scored` exclude it from every loss. Unpacking sets it to zero.
    """

    def __init__(self, filled: Bool[Tensor, "B T A"]) -> None:
        self.shape = filled.shape
        groups, steps, seats = filled.shape
        self.rows = groups * seats
        self.counts = [self.rows] * steps
        self.filled = rearrange(filled, "b t a -> (t b a)")
        place = torch.arange(steps * self.rows, device=filled.device)
        self.t, self.n = place // self.rows, place % self.rows
        self.b, self.a = self.n // seats, self.n % seats
        self._read = self.t * self.filled  # the step that each position reads: padding reads the first

    def pack(self, x: Shaped[Tensor, " B T A *F"]) -> Shaped[Tensor, " P *F"]:
        return x[self.b, self._read, self.a]

    def pack_shared(self, x: Shaped[Tensor, " B T *F"]) -> Shaped[Tensor, " P *F"]:
        return x[self.b, self._read]

    def at(self, t: Int[Tensor, " P *F"]) -> Int[Tensor, " P *F"]:
        return t * self.rows + self.n.reshape(self.n.shape + (1,) * (t.ndim - 1))

    def unpack(self, x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " B T A *F"]:
        groups, _, seats = self.shape
        return rearrange(_where(self.filled, x), "(t b a) ... -> b t a ...", b=groups, a=seats)

    def whole(self, x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " T N *F"]:
        return x.unflatten(0, (self.shape[1], self.rows))

    def from_whole(self, x: Shaped[Tensor, " T N *F"]) -> Shaped[Tensor, " P *F"]:
        return x.flatten(0, 1)

    @cached_property
    def has_next(self) -> Bool[Tensor, " P"]:
        return self.filled.roll(-self.rows) & (self.t < self.shape[1] - 1)

    @cached_property
    def _has_previous(self) -> Bool[Tensor, " P"]:
        return self.t > 0

    def first(self, x: Shaped[Tensor, " B A *F"]) -> Shaped[Tensor, " N *F"]:
        return x.flatten(0, 1)

    def previous(self, x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " P *F"]:
        return _where(self._has_previous, x.roll(self.rows, 0))

    def following(self, x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " P *F"]:
        return _where(self.has_next, x.roll(-self.rows, 0))


def _where(mask: Bool[Tensor, " P"], x: Shaped[Tensor, " P *F"]) -> Shaped[Tensor, " P *F"]:
    """Return x where the mask is true, else zero. This is a product, which takes one launch on a GPU."""
    return x * mask.reshape(mask.shape + (1,) * (x.ndim - 1))


def rows_of(filled: Bool[Tensor, "B T A"]) -> PackedRows:
    """Return the filled steps in the form that is faster on their device; both forms give the same numbers."""
    return PackedRows(filled) if filled.device.type == "cpu" else PaddedRows(filled)


def filled_per_seat(batch: TensorDict) -> Bool[Tensor, "B T A"]:
    """Return `filled` per sequence, from [B, T, 1] (all seats learn) or regrouped [B, T, A, 1]."""
    return per_seat(batch["filled"], batch["obs"].shape[2])


def living(batch: TensorDict, info: EnvInfo) -> Bool[Tensor, "B T A"]:
    """Return the steps at which each seat is alive, by its environment's rule (`EnvInfo.deaths`); regrouped or not."""
    filled = filled_per_seat(batch)
    if info.records_alive:
        return filled & batch["alive"][..., 0]
    return filled & (batch["obs"] != 0).any(dim=-1) if info.deaths == "zeros" else filled


def per_seat(x: Shaped[Tensor, "B T *A 1"], n_agents: int) -> Shaped[Tensor, "B T A"]:
    """Repeat a per-episode field for every seat, or keep a regrouped one; drops the last axis of length 1."""
    x = x[..., 0]
    return x if x.ndim == 3 else x.unsqueeze(2).expand(*x.shape, n_agents)


def masked_mean(x: Float[Tensor, "*dims"], mask: Bool[Tensor, "*dims"]) -> Float[Tensor, ""]:
    """Return the mean where the mask is true. Masked values, NaN included, affect neither the mean nor the gradient."""
    return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)
