"""Tables for notebooks: the shapes of a batch, and where each seat's data ended up."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from omg_lib.lessons.table import Table
from omg_lib.trace import Stage
from omg_lib.words import N_, _


def shape_table(batch: TensorDictBase, stage: Stage) -> Table:
    """List every field of a batch: axis names (from the stage of a plan), real shape and dtype."""
    rows = []
    for name, x in batch.items():
        axes = _listed(stage.fields[name].axes) if name in stage.fields else ""
        rows.append((name, axes, _listed(x.shape), str(x.dtype).removeprefix("torch.")))
    order = list(stage.fields)
    rows.sort(key=lambda row: order.index(row[0]) if row[0] in order else len(order))
    return Table((_("field"), _("axes"), _("shape"), "dtype"), tuple(rows))


def _listed(parts: tuple[object, ...]) -> str:
    return "[" + ", ".join(map(str, parts)) + "]"


def label_seats(sample: TensorDictBase) -> TensorDict:
    """Return the sample with a label instead of each observation: (episode, seat, 1 if the learner sat there).

    obs becomes int64 [E, 1, A, 3]; seat stays. Do to the labels what you do to the sample, and they show whose data
    ended up where.
    """
    agents, seat = sample["obs"].shape[2], sample["seat"][:, :1]
    episode = torch.arange(len(seat), device=seat.device).reshape(-1, 1, 1).expand(-1, 1, agents)
    seats = torch.arange(agents, device=seat.device).expand_as(episode)
    labels = torch.stack([episode, seats, (seats == seat).long()], dim=-1)
    return TensorDict({"obs": labels, "seat": seat}, batch_size=[len(seat), 1])


def label_table(labels: Shaped[Tensor, "N A 3"], row: str = N_("group"), column: str = N_("slot")) -> Table:
    """Show labels from `label_seats` as a table; the learner's own data is highlighted."""
    cells = labels.tolist()
    rows = tuple(
        (f"{_(row)} {i}", *(_("e{e} seat {a}").format(e=e, a=a) for e, a, __ in line)) for i, line in enumerate(cells)
    )
    strong = frozenset((i, a + 1) for i, line in enumerate(cells) for a, (__, __, own) in enumerate(line) if own)
    heads = ("", *(f"{_(column)} {a}" for a in range(labels.shape[1])))
    caption = _("e0: episode 0 of the sample. * the learner's own data: {own} of {all}").format(
        own=len(strong), all=labels.shape[0] * labels.shape[1]
    )
    return Table(heads, rows, strong, caption)
