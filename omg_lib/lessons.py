"""What the notebooks need beside the library: look at shapes, check a predicted shape, label every seat's data.

Every result shows as HTML in a notebook and prints as text elsewhere. No Jupyter is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import torch
from jaxtyping import Shaped
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from omg_lib.config import OMGConfig
from omg_lib.predict import predict
from omg_lib.trace import Stage

WHY = {
    "R": "the episodes that the runner steps at once (batch_size_run)",
    "L+1": "an episode has at most L steps, and one row more for what is seen after the last step",
    "T": "the longest filled length in this sample, read off the data",
    "T-1": "one less than T: the last row has nothing after it",
    "G*A": "the episodes of one sample: G groups of A episodes, one for each seat",
    "G": "the groups of one update, or its episodes where all seats learn (batch_size)",
    "A": "the seats of a team (n_agents)",
    "O": "the numbers that one seat observes",
    "S": "the numbers of the state",
    "C": "the actions that a seat can choose from",
    "H": "the future steps that are candidate subgoals (horizon)",
    "Z": "the numbers of one subgoal (subgoal_dim)",
    "rows": "the sequences that the network steps side by side: one for each slot of each group",
}
"""What an axis counts, for feedback on a guess."""


# --- predict a shape, then look --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What a check says about a guess: one sentence, and one more for each axis that is wrong."""

    state: str
    said: str
    axes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        return "\n".join([self.said, *(f"  - {line}" for line in self.axes)])

    def _repr_html_(self) -> str:
        colour = {"right": "#1f9a68", "wrong": "#e0484d"}.get(self.state, "#888888")
        lines = "".join(f"<li>{escape(line)}</li>" for line in self.axes)
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 2px 10px"><b>{escape(self.said)}</b>'
            + (f"<ul>{lines}</ul>" if lines else "")
            + "</div>"
        )


def check_shape(guess: object, tensor: Tensor | Sequence[int], axes: str | Sequence[str]) -> Verdict:
    """Hold a guessed shape against a tensor (or a shape) whose axes have names; it says which axis is wrong, and why.

    An unanswered guess contains `...`. A wrong guess never raises.

    >>> check_shape((32, 8, 80), (32, 8, 14), "G A C")
    Not yet: 1 of 3 numbers is wrong.
      - axis 2 (C): you said 80, it is 14: the actions that a seat can choose from
    >>> check_shape((...,), (32, 8, 14), "G A C")
    Not answered yet: put one number for each axis in place of the dots, and run this cell again.
    """
    shape = tuple(getattr(tensor, "shape", tensor))
    names = tuple(axes.split() if isinstance(axes, str) else axes)
    labels = [f"axis {i}" + ("" if name.isdigit() else f" ({name})") for i, name in enumerate(names)]
    guess = _numbers(guess)
    if ... not in guess and len(guess) != len(shape):
        named = f"{len(guess)} {'axis' if len(guess) == 1 else 'axes'}"
        lines = tuple(_line(label, name, n) for label, name, n in zip(labels, names, shape, strict=True))
        return Verdict("wrong", f"Not yet: you named {named}, it has {len(shape)}: {_shape(names)}.", lines)
    return _check(guess, shape, names, labels, "one number for each axis")


def check_numbers(guess: object, config: OMGConfig) -> Verdict:
    """Hold four guessed numbers against `four_numbers` of a configuration; it says which one is wrong, and why.

    >>> check_numbers((1, 32, 32, 256), OMGConfig(n_agents=8, batch_size=32))
    Not yet: 1 of 4 numbers is wrong.
      - the sample: you said 32, it is 256: the episodes of one sample: G groups of A episodes, one for each seat
    """
    sample = "G*A" if config.has_teammates else "G"
    who = ("the runner", "the sample", "the learner", "the network")
    return _check(_numbers(guess), four_numbers(config), ("R", sample, "G", "rows"), who, "your four numbers")


def _numbers(guess: object) -> tuple[object, ...]:
    return tuple(guess) if isinstance(guess, Sequence) and not isinstance(guess, str) else (guess,)


def _check(
    guess: tuple[object, ...], truth: tuple[int, ...], names: Sequence[str], labels: Sequence[str], wanted: str
) -> Verdict:
    if ... in guess:
        return Verdict("open", f"Not answered yet: put {wanted} in place of the dots, and run this cell again.")
    if guess == truth:
        return Verdict("right", f"Right: {_shape(truth)}, that is {_shape(names)}.")
    if len(guess) != len(truth):
        return Verdict("wrong", f"Not yet: {len(truth)} numbers are asked for, you gave {len(guess)}.")
    wrong = [i for i, n in enumerate(truth) if guess[i] != n]
    said = f"Not yet: {len(wrong)} of {len(truth)} numbers {'is' if len(wrong) == 1 else 'are'} wrong."
    if sorted(map(str, guess)) == sorted(map(str, truth)):
        said = "Not yet: the numbers are right, their order is not."
    return Verdict("wrong", said, tuple(_line(labels[i], names[i], truth[i], guess[i]) for i in wrong))


def _line(label: str, name: str, size: int, guessed: object = None) -> str:
    yours = "" if guessed is None else f"you said {guessed}, "
    why = WHY.get(name, "a fixed width of the network" if name.isdigit() else "")
    return f"{label}: {yours}it is {size}" + (f": {why}" if why else "")


def _shape(parts: Sequence[object]) -> str:
    return "[" + ", ".join(map(str, parts)) + "]"


def four_numbers(config: OMGConfig) -> tuple[int, int, int, int]:
    """Predicted: what the runner steps at once, what a sample holds, what the learner and what the network see.

    >>> four_numbers(OMGConfig(n_agents=8, batch_size=32))
    (1, 256, 32, 256)
    """
    plan = predict(config)
    groups, seats = plan["controller.init_hidden"].fields["hidden"].shape[:2]
    return plan["runner.run"].leading, plan["buffer.sample"].leading, groups, groups * seats


# --- tables ----------------------------------------------------------------------------------------------------------


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

        lines = [self.heads, *([cell + star(i, j) for j, cell in enumerate(row)] for i, row in enumerate(self.rows))]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*text, *filter(None, [self.caption])])

    def _repr_html_(self) -> str:
        def cell(i: int, j: int, text: str) -> str:
            if (i, j) not in self.strong:
                return f'<td style="text-align: left; white-space: nowrap">{escape(text)}</td>'
            style = "text-align: left; white-space: nowrap; background: #b8500d; color: #fff"
            return f'<td style="{style}"><b>{escape(text)}*</b></td>'

        heads = "".join(f'<th scope="col" style="text-align: left">{escape(head)}</th>' for head in self.heads)
        cells = ["".join(cell(i, j, text) for j, text in enumerate(row)) for i, row in enumerate(self.rows)]
        rows = "".join(f"<tr>{row}</tr>" for row in cells)
        caption = f'<caption style="caption-side: bottom; text-align: left">{escape(self.caption)}</caption>'
        return f"<table>{caption if self.caption else ''}<tr>{heads}</tr>{rows}</table>"


def shape_table(batch: TensorDictBase, stage: Stage) -> Table:
    """Every field of a batch: the names of its axes (from the stage of a plan), its real shape and its dtype."""
    rows = []
    for name, x in batch.items():
        axes = _shape(stage.fields[name].axes) if name in stage.fields else ""
        rows.append((name, axes, _shape(x.shape), str(x.dtype).removeprefix("torch.")))
    order = list(stage.fields)
    rows.sort(key=lambda row: order.index(row[0]) if row[0] in order else len(order))
    return Table(("field", "axes", "shape", "dtype"), tuple(rows))


# --- whose data is this? ---------------------------------------------------------------------------------------------


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
