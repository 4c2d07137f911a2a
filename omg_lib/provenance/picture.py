"""A tensor as cells, coloured by where each element comes from: SVG for a page, a table elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice, product

from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.provenance.kinds import Kinds
from omg_lib.provenance.labels import TEAM, episode_of, kind_of, seat_of, step_of
from omg_lib.words import _, listing

PARTS = ("episode", "step", "seat")
COLOURS = (
    ("#e69f00", "#000"), ("#56b4e9", "#000"), ("#009e73", "#000"), ("#f0e442", "#000"), ("#0072b2", "#fff"),
    ("#d55e00", "#000"), ("#cc79a7", "#000"), ("#bbbbbb", "#000"),
)  # fmt: skip
"""Fill and text. Colour-blind readers can tell them apart (Okabe and Ito), and the numbers repeat what they say."""
PANELS, ROWS, COLUMNS = 6, 16, 12
"""Of a larger tensor, at most this many are drawn."""
WIDTH, HEIGHT, LEFT, TOP, GAP, WIDEST = 58, 20, 34, 40, 16, 760
NONE, MANY, SUSPECT = "-", "*", "!"


@dataclass(frozen=True)
class Cell:
    """`places`: episode, step and seat as text; empty if the cell contains nothing followed."""

    places: tuple[str, str, str] | None
    suspect: bool

    def __str__(self) -> str:
        return "." if self.places is None else ".".join(self.places) + SUSPECT * self.suspect


@dataclass(frozen=True)
class Panel:
    """Cells in rows and columns; `name` is its index, as "[2, :, :, 0]"."""

    name: str
    cells: tuple[tuple[Cell, ...], ...]


class Picture:
    """Shows as SVG in a notebook, and prints as a table. `svg` and `said` (its text alternative) are its parts."""

    def __init__(self, label: Tensor, shape: Sequence[int], kinds: Kinds, said: str, by: str = "episode") -> None:
        if by not in PARTS:
            raise ConfigError("by", by, listing(PARTS))
        self.shape, self.by = list(shape), by
        self.panels, self.left_out = panels_of(label, self.shape, kinds)
        suspects = sum(cell.suspect for panel in self.panels for row in panel.cells for cell in row)
        warned = _("; {suspects} of the cells shown are suspect").format(suspects=suspects) if suspects else ""
        self.said = f"{self.shape}: {said}{warned}{self.left_out}"

    @property
    def svg(self) -> str:
        return _draw(self)

    def _repr_html_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        lines = [self.said, _("each cell: episode.step.seat")]
        for panel in self.panels:
            lines += [panel.name, *("  ".join(map(str, row)) for row in panel.cells)]
        return "\n".join(lines)


def cropped(label: Tensor) -> Tensor:
    """Return the part of a label that a picture needs: size 1 along axes that only repeat, and no more than is drawn.
    """
    label = label[tuple(slice(0, 64) for _ in label.shape)]
    for axis, size in enumerate(label.shape):
        if size > 1 and bool((label.narrow(axis, 1, size - 1) == label.narrow(axis, 0, 1)).all()):
            label = label.narrow(axis, 0, 1)
    most = max(PANELS, ROWS, COLUMNS)
    return label[tuple(slice(0, most) for _ in label.shape)].clone()


def panels_of(label: Tensor, shape: Sequence[int], kinds: Kinds) -> tuple[list[Panel], str]:
    """Return the panels to draw, and what is left out. The last axis that differs runs to the right, the one before it
    down.
    """
    label = cropped(label).cpu()
    axes = [axis for axis, size in enumerate(label.shape) if size > 1]
    across, down = ([None, None, *axes][-1], [None, None, *axes][-2])
    others = axes[:-2]
    columns, rows = (1 if axis is None else min(label.shape[axis], most) for axis, most in
                     ((across, COLUMNS), (down, ROWS)))  # fmt: skip
    panels = []
    for index in islice(product(*(range(label.shape[axis]) for axis in others)), PANELS):
        at = dict(zip(others, index, strict=True))
        name = "[" + ", ".join(str(at.get(axis, ":")) for axis in range(label.ndim)) + "]"
        place = [at.get(axis, 0) for axis in range(label.ndim)]
        cells = []
        for row in range(rows):
            line = []
            for column in range(columns):
                for axis, i in ((down, row), (across, column)):
                    if axis is not None:
                        place[axis] = i
                line.append(_cell(label[tuple(place)], kinds))
            cells.append(tuple(line))
        panels.append(Panel(name, tuple(cells)))
    many = 1
    for axis in others:
        many *= shape[axis]
    full = ((many, len(panels), "panels"), (shape[down] if down is not None else 1, rows, "rows"),
            (shape[across] if across is not None else 1, columns, "columns"))  # fmt: skip
    left_out = [
        _("{shown} of {total} {what}").format(shown=shown, total=total, what=what)
        for total, shown, what in full
        if total > shown
    ]
    return panels, _("; shown are the first {left_out}").format(left_out=listing(left_out)) if left_out else ""


def _cell(label: Tensor, kinds: Kinds) -> Cell:
    kind = kinds[int(kind_of(label))]
    if not any(kind.times):
        return Cell(None, bool(kind.cause))
    episode, seat = int(episode_of(label)), int(seat_of(label))
    places = (
        MANY if "episode" in kind.mixed else str(episode - 1) if episode else NONE,
        MANY if "time" in kind.mixed else str(int(step_of(label))),
        MANY if seat == TEAM or "seat" in kind.mixed else str(seat - 1) if seat else NONE,
    )
    return Cell(places, bool(kind.cause))


def look(cell: Cell, by: str) -> tuple[str, str]:
    """Return the fill and the colour of the text."""
    place = NONE if cell.places is None else cell.places[PARTS.index(by)]
    return COLOURS[int(place) % len(COLOURS)] if place.isdigit() else ("none", "currentColor")


def _draw(picture: Picture) -> str:
    parts, x, y, tallest, widest = [], 0, TOP, 0, 430
    for panel in picture.panels:
        width = LEFT + len(panel.cells[0]) * WIDTH + GAP
        height = 2 * HEIGHT + len(panel.cells) * HEIGHT + GAP
        if x and x + width > WIDEST:
            x, y, tallest = 0, y + tallest, 0
        parts.append(_panel(panel, picture.by, x, y))
        x, tallest, widest = x + width, max(tallest, height), max(widest, x + width)
    key = _("each cell: episode.step.seat, coloured by {by}; {many} several, {suspect} suspect").format(
        by=picture.by, many=MANY, suspect=SUSPECT
    )
    head = [_text(0, 12, f"{picture.shape}{picture.left_out}", "start"), _text(0, 28, key, "start")]
    size = f'viewBox="0 0 {widest} {y + tallest}" style="width:100%;max-width:{widest}px;height:auto;display:block;'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="omg-origins" role="img" aria-label="{escape(picture.said)}"'
        f' fill="currentColor" font-size="11" text-anchor="middle" font-family="system-ui, sans-serif" {size}'
        f'color:var(--jp-content-font-color1, inherit)">{"".join(head + parts)}</svg>'
    )


def _panel(panel: Panel, by: str, x: int, y: int) -> str:
    columns, left = range(len(panel.cells[0])), x + LEFT
    looks: dict[tuple, tuple[list[str], list[str]]] = {}
    out = [_text(left, y + 12, panel.name, "start")]
    out += [_text(left + (c + 0.5) * WIDTH, y + HEIGHT + 12, str(c)) for c in columns]
    for r, row in enumerate(panel.cells):
        top = y + (r + 2) * HEIGHT - 4
        out.append(_text(left - 6, top + 14, str(r), "end"))
        for c, cell in enumerate(row):
            boxes, words = looks.setdefault((*look(cell, by), cell.suspect), ([], []))
            boxes.append(f"M{left + c * WIDTH + 1:g} {top + 1:g}h{WIDTH - 2}v{HEIGHT - 2}h{2 - WIDTH}z")
            words.append(_text(left + (c + 0.5) * WIDTH, top + 14, str(cell)))
    for (fill, ink, suspect), (boxes, words) in looks.items():
        edge = 'stroke-width="2.5"' if suspect else 'stroke-opacity=".3"'
        out.append(f'<path fill="{fill}" stroke="currentColor" {edge} d="{"".join(boxes)}"/>')
        out.append(f'<g fill="{ink}">{"".join(words)}</g>')
    return "".join(out)


def _text(x: float | int, y: int, text: str, anchor: str = "") -> str:
    """Return text centred at x, unless an anchor is given."""
    where = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:g}" y="{y:g}"{where}>{escape(text)}</text>'
