"""The failure museum in pictures: two tensors compared axis by axis from the right, and places where data moved."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest

from omg_lib.lessons.museum.exhibit import Operands, Outcome, Places
from omg_lib.plots.axes import KINDS, axis_kind
from omg_lib.plots.page import svg_box, svg_frame, svg_hatches, svg_text
from omg_lib.plots.seats import LOOKS, ROW, Number, place
from omg_lib.words import N_, _, listing, width

LOOK_OF = {"right": "right", "wrong": "teammate", "missed": "slot"}
"""Kind of a place -> colour and hatch; a plain place is grey."""
CLASH = "#e0484d"
NAME, AXIS, CELL, HEAD = 110, 88, 82, 92
"""Width of a name, an axis, a place and a row heading, in the picture's own units."""


def museum_svg(outcome: Outcome) -> str:
    """Return the text of an `<svg>` element: what an exhibit shows of a run, broken or repaired."""
    look = outcome.exhibit.look(outcome.names)
    return operands_svg(look) if isinstance(look, Operands) else places_svg(look)


def operands_svg(look: Operands) -> str:
    """Draw two tensors one above the other as torch broadcasts them: right-aligned, dimensions counted from the left.

    Each column has `data-meets`: equal, stretched (one of the two has length 1 or lacks the axis) or different. torch
    compares from the right, so its message names the rightmost difference.
    """
    shapes = list(look.tensors.values())
    dims = max(map(len, shapes))
    columns = list(zip_longest(*(reversed(shape) for shape in shapes)))[::-1]
    parts = [svg_hatches("omg-axis", KINDS)]
    parts.append(svg_text(NAME - 10, 16, _("dimension"), text_anchor="end", opacity="0.75"))
    for row, name in enumerate(look.tensors):
        parts.append(svg_text(NAME - 10, 54 + 54 * row, name, 12, text_anchor="end", font_weight="bold"))
    met, said = [_meets([axis[1] if axis else 1 for axis in column]) for column in columns], []
    for d, (column, meets) in enumerate(zip(columns, met, strict=True)):
        x, stops = NAME + d * AXIS, meets == "different" and "different" not in met[d + 1 :]
        drawn = [_axis(x, 26 + 54 * row, *axis) for row, axis in enumerate(column) if axis]
        drawn.append(svg_text(x + AXIS / 2, 16, str(d), text_anchor="middle", opacity="0.75"))
        if stops:
            drawn.append(svg_box(x + 1, 22, AXIS - 2, 108, "none", 1, stroke=CLASH, stroke_width="3"))
        words = {"equal": "=", "stretched": _("stretched"), "different": _("≠ stops here") if stops else "≠"}[meets]
        bold = {"fill": CLASH, "font_weight": "bold"} if stops else {}
        drawn.append(svg_text(x + AXIS / 2, 148, words, 12, text_anchor="middle", **bold))
        parts.append(f'<g data-meets="{meets}">{"".join(drawn)}</g>')
        sizes = _(" and ").join(f"{axis[0]} {axis[1]}" if axis else _("nothing") for axis in column)
        told = _("dimension {d}: {sizes}, {meets}, where it stops") if stops else _("dimension {d}: {sizes}, {meets}")
        said.append(told.format(d=d, sizes=sizes, meets=_(meets)))
    names = _(" meets ").join(look.tensors)
    return svg_frame(max(NAME + dims * AXIS + 6, 420), 158, f"{names}. {'; '.join(said)}.", parts)


def places_svg(look: Places) -> str:
    """Draw a table of places; each has `data-kind`: right, wrong, missed or plain."""
    parts = [svg_hatches("omg-moved", LOOKS), svg_text(4, 14, look.title, 12)]
    for c, name in enumerate(look.columns):
        parts.append(svg_text(HEAD + (c + 0.5) * CELL, 38, name, text_anchor="middle"))
    for r, (name, line) in enumerate(zip(look.rows, look.cells, strict=True)):
        y = 46 + r * ROW
        parts.append(svg_text(HEAD - 8, y + 15, name, text_anchor="end"))
        for c, (words, kind) in enumerate(line):
            text = svg_text(HEAD + (c + 0.5) * CELL + 5, y + 15, words, text_anchor="middle") if words else ""
            parts.append(f'<g data-kind="{kind}">{_place(HEAD + c * CELL + 1, y + 1, CELL - 2, kind)}{text}</g>')
    bottom, x = 46 + len(look.rows) * ROW + 12, 4
    for kind, words in look.words.items():
        parts += [_place(x, bottom, 18, kind), svg_text(x + 25, bottom + 14, words)]
        x += 55 + 6 * width(words)
    counts = Counter(kind for line in look.cells for __, kind in line)
    said = listing(
        _("{count} places: {words}").format(count=counts[kind], words=words) for kind, words in look.words.items()
    )
    wide = max(HEAD + len(look.columns) * CELL + 6, x, 420)
    return svg_frame(wide, bottom + 26, f"{look.title}. {said}.", parts)


def _meets(sizes: list[int]) -> str:
    if len(set(sizes)) == 1:
        return N_("equal")
    return N_("stretched") if 1 in sizes else N_("different")


def _axis(x: Number, y: Number, name: str, size: int) -> str:
    """Draw one axis of a tensor: its name, its size, and its kind as colour and hatch."""
    kind = axis_kind(name, grouped=True)
    colour = KINDS[kind][0]
    middle = x + AXIS / 2
    return "".join(
        [
            svg_box(x + 4, y, AXIS - 8, 46, colour, 0.15, stroke=colour),
            svg_box(x + 5, y + 38, AXIS - 10, 7, f"url(#omg-axis-{kind})", 1),
            svg_text(middle, y + 14, name, 11, text_anchor="middle", opacity="0.8"),
            svg_text(middle, y + 33, str(size), 17, text_anchor="middle", font_weight="bold"),
        ]
    )


def _place(x: Number, y: Number, width: Number, kind: str) -> str:
    return place(x, y, width, LOOK_OF[kind]) if kind in LOOK_OF else svg_box(x, y, width, ROW - 2, "#888888", 0.15)
