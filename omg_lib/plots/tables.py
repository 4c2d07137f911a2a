"""Tables for notebooks: the shapes of a batch, and whose data ended up where.

Every table shows as HTML in a notebook and prints as text elsewhere. No Jupyter is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import zip_longest

import torch
from jaxtyping import Shaped
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from omg_lib.trace import Stage

WIDE = 60
"""Most characters of a cell that stay in one line."""
LONG = f"white-space: pre-wrap; overflow-wrap: anywhere; min-width: {WIDE / 2:g}ch"
"""How a longer cell looks, or one of several lines: it is wrapped, so that nothing of it is cut off."""


@dataclass(frozen=True)
class Table:
    """Rows of text under heads. Cells in `strong` (row, column) stand out, by colour and by a star."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[tuple[int, int]] = frozenset()
    caption: str = ""

    def __repr__(self) -> str:
        def star(i: int, j: int) -> str:
            return "*" if (i, j) in self.strong else ""

        rows = [self.heads, *([cell + star(i, j) for j, cell in enumerate(row)] for i, row in enumerate(self.rows))]
        lines = [line for row in rows for line in zip_longest(*(cell.split("\n") for cell in row), fillvalue="")]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*text, *filter(None, [self.caption])])

    def _repr_html_(self) -> str:
        def cell(i: int, j: int, text: str) -> str:
            style = "text-align: left; " + (LONG if len(text) > WIDE or "\n" in text else "white-space: nowrap")
            if (i, j) not in self.strong:
                return f'<td style="{style}">{escape(text)}</td>'
            return f'<td style="{style}; background: #b8500d; color: #fff"><b>{escape(text)}*</b></td>'

        heads = "".join(f'<th scope="col" style="text-align: left">{escape(head)}</th>' for head in self.heads)
        cells = ["".join(cell(i, j, text) for j, text in enumerate(row)) for i, row in enumerate(self.rows)]
        rows = "".join(f"<tr>{row}</tr>" for row in cells)
        look = "caption-side: bottom; text-align: left; white-space: nowrap"
        caption = f'<caption style="{look}">{escape(self.caption)}</caption>'
        return f"<table>{caption if self.caption else ''}<tr>{heads}</tr>{rows}</table>"


def shape_table(batch: TensorDictBase, stage: Stage) -> Table:
    """Every field of a batch: the names of its axes (from the stage of a plan), its real shape and its dtype."""
    rows = []
    for name, x in batch.items():
        axes = _listed(stage.fields[name].axes) if name in stage.fields else ""
        rows.append((name, axes, _listed(x.shape), str(x.dtype).removeprefix("torch.")))
    order = list(stage.fields)
    rows.sort(key=lambda row: order.index(row[0]) if row[0] in order else len(order))
    return Table(("field", "axes", "shape", "dtype"), tuple(rows))


def _listed(parts: tuple[object, ...]) -> str:
    return "[" + ", ".join(map(str, parts)) + "]"


def label_seats(sample: TensorDictBase) -> TensorDict:
    """The sample with a label in place of each observation: (episode, seat, 1 if the learner sat there).

    obs becomes int64 [E, 1, A, 3], seat stays: what is done to the sample can be done to the labels, and then they tell
    whose data ended up where.
    """
    agents, seat = sample["obs"].shape[2], sample["seat"][:, :1]
    episode = torch.arange(len(seat), device=seat.device).reshape(-1, 1, 1).expand(-1, 1, agents)
    seats = torch.arange(agents, device=seat.device).expand_as(episode)
    labels = torch.stack([episode, seats, (seats == seat).long()], dim=-1)
    return TensorDict({"obs": labels, "seat": seat}, batch_size=[len(seat), 1])


def label_table(labels: Shaped[Tensor, "N A 3"], row: str = "group", column: str = "slot") -> Table:
    """Labels of `label_seats` as a table; the learner's own data stands out."""
    cells = labels.tolist()
    rows = tuple((f"{row} {i}", *(f"e{e} seat {a}" for e, a, _ in line)) for i, line in enumerate(cells))
    strong = frozenset((i, a + 1) for i, line in enumerate(cells) for a, (_, _, own) in enumerate(line) if own)
    heads = ("", *(f"{column} {a}" for a in range(labels.shape[1])))
    caption = (
        f"e0: episode 0 of the sample. * the learner's own data: {len(strong)} of {labels.shape[0] * labels.shape[1]}"
    )
    return Table(heads, rows, strong, caption)
