"""Regrouping: the A episodes of a group, one per seat, become one row. Slot a holds seat a's own episode."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Int, Shaped
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from omg_lib.trace import stage
from omg_lib.words import _


@stage("learner.regroup")
def regroup(batch: TensorDictBase) -> TensorDict:
    """Turn [G*A, T, ...] into [G, T, A, ...]: each seat's slice of its own episode.

    | field | before | after |
    |---|---|---|
    | with an agent axis | [G*A, T, A, F] | [G, T, A, F]: slot a of group g is agent a in the g-th episode of seat a |
    | without | [G*A, T, F] | [G, T, A, F]: slot a is that episode's value |
    | actions | [G*A, T, A, 1] | as above; adds last_actions int64 [G, T, A, A] |
    | seat | [G*A, T, 1] | dropped |

    Rows may come in any order: they are sorted by seat. `last_actions` [g, t, a, j] is player j's action at t-1 in slot
    a's own episode, -1 at t = 0. Raises ValueError naming the first seat whose number of episodes is zero or differs
    from the others. Source: the released code's `_refine_batch`, except that the seat is read from the data, not
    assumed from the row order, and co-players' actions come from the same episode.
    """
    rows = rows_of_seats(batch["seat"], batch["obs"].shape[2])
    groups, agents = rows.shape
    own = torch.arange(agents, device=rows.device)
    out = {}
    for key, x in batch.items():
        if key == "seat":
            continue
        # x[rows] is [G, A, T, ...]; the learner expects time before the seats
        picked = x[rows, :, own] if x.ndim == 4 else x[rows]
        out[key] = rearrange(picked, "g a t f -> g t a f")
    if "actions" in batch.keys():
        played = rearrange(batch["actions"][rows].long(), "g slot t player 1 -> g t slot player")
        out["last_actions"] = last_actions(played)
    return TensorDict(out, batch_size=[groups, batch.batch_size[1]])


def co_players(batch: TensorDictBase, key: str) -> Shaped[Tensor, "G T A A F"]:
    """Return a field of every player in slot a's own episode: [G*A, T, A, F] to [G, T, slot, player, F]."""
    rows = rows_of_seats(batch["seat"], batch["obs"].shape[2])
    return rearrange(batch[key][rows], "g slot t player f -> g t slot player f")


def last_actions(played: Int[Tensor, "G T *A A"]) -> Int[Tensor, "G T *A A"]:
    """Shift actions by one step: row t holds the action at t-1, -1 at t = 0."""
    return torch.cat([torch.full_like(played[:, :1], -1), played[:, :-1]], dim=1)


def rows_of_seats(seat: Shaped[Tensor, "E T 1"], agents: int) -> Int[Tensor, "G A"]:
    """Return row numbers of the sample: [g, a] is the g-th row whose seat is a. Checking them waits once for a GPU."""
    seats = seat[:, 0, 0]
    counts = (seats.unsqueeze(1) == torch.arange(agents, device=seats.device)).sum(dim=0).tolist()
    if sum(counts) < len(seats):
        outside = seats[(seats < 0) | (seats >= agents)]
        raise ValueError(
            _("seat {seat} is not one of this team's seats, 0 to {last}").format(seat=int(outside[0]), last=agents - 1)
        )
    for a, count in enumerate(counts):
        if count != counts[0] or count == 0:
            expected = _("{n} like seat 0").format(n=counts[0]) if a else _("at least 1")
            raise ValueError(
                _("seat {a} has {count} episodes in this sample, expected {expected}; counts are {counts}").format(
                    a=a, count=count, expected=expected, counts=counts
                )
            )
    order = seats.argsort(stable=True)
    return rearrange(order, "(a g) -> g a", a=agents)
