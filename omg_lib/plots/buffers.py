"""The replay buffer in pictures: its rings, the masks of a sample, and the memory that a run needs."""

from __future__ import annotations

from collections.abc import Sequence

from tensordict import TensorDictBase

from omg_lib.buffer import ReplayBuffer
from omg_lib.lessons.table import Table
from omg_lib.memory.need import Need, gives_up_at
from omg_lib.plots.page import svg_box, svg_frame, svg_text
from omg_lib.plots.units import bytes_text
from omg_lib.words import N_, _, listing

Number = int | float
REAL, LAST, NEED = (
    "#1f9a68",
    "#dd7011",
    (
        (N_("buffer"), "#3b82d6"),
        (N_("sample"), "#dd7011"),
        (N_("regrouped"), "#9166d6"),
    ),
)
"""Colours with a contrast of 3 on white and on black."""
HALO = {"paint_order": "stroke", "stroke": "var(--jp-layout-color0, white)", "stroke_width": 4}
"""Keeps text readable on top of a line: an outline in the page's background colour."""


def ring_table(buffer: ReplayBuffer, most: int = 8) -> Table:
    """Show which episode is where: one row per ring, one column for each of its first places.

    #3 is the fourth episode ever inserted into this ring. The star marks the one that is replaced next.
    """
    places = min(most, buffer.rings[0].capacity)
    lines, strong = [], set()
    for seat, ring in enumerate(buffer.rings):
        held, capacity = len(ring.episodes), ring.capacity
        newest = [ring.inserted - 1 - (ring.inserted - 1 - place) % capacity for place in range(places)]
        cells = [
            _("#{number} ({rows} rows)").format(number=newest[place], rows=len(ring.episodes[place]["reward"]))
            if place < held
            else _("empty")
            for place in range(places)
        ]
        lines.append((_("ring {seat}").format(seat=seat), str(ring.inserted), *cells))
        if held == capacity and ring.inserted % capacity < places:
            strong.add((seat, 2 + ring.inserted % capacity))
    heads = ("", _("inserted"), *(_("place {place}").format(place=place) for place in range(places)))
    more = buffer.rings[0].capacity - places
    caption = _("* replaced next; {more} more places are not shown") if more else _("* replaced next")
    return Table(heads, tuple(lines), frozenset(strong), caption.format(more=more))


def mask_svg(batch: TensorDictBase, most: int = 12) -> str:
    """Draw the first episodes of a batch as bars over time: real transitions, last row, padding, how each ended."""
    filled, terminated = batch["filled"][:most, :, 0], batch["terminated"][:most, :, 0]
    episodes, length = filled.shape
    step, left = min(12.0, 560 / length), 78
    parts, said = [], []
    for e in range(episodes):
        rows, y = int(filled[e].sum()), 8 + e * 20
        end = _("ended") if bool(terminated[e].any()) else _("cut off by the limit")
        said.append(
            _("episode {e}: {rows} rows filled, {transitions} transitions, {end}").format(
                e=e, rows=rows, transitions=rows - 1, end=end
            )
        )
        parts += [
            svg_text(left - 8, y + 12, _("episode {e}").format(e=e), text_anchor="end"),
            svg_box(left, y, length * step, 15, "#888888", 0.15),
            svg_box(left, y, (rows - 1) * step, 15, REAL, 0.7),
            svg_box(left + (rows - 1) * step, y, step, 15, LAST, 1),
            svg_text(left + length * step + 6, y + 12, _("{rows} rows, {end}").format(rows=rows, end=end)),
        ]
    y, width = 8 + episodes * 20 + 8, left + length * step + 190
    for x, colour, opacity, words in (
        (left, REAL, 0.7, _("real transitions: filled[t + 1]")),
        (left + 210, LAST, 1, _("last row: observed only")),
        (left + 380, "#888888", 0.15, _("padding")),
    ):
        parts += [svg_box(x, y, 14, 14, colour, opacity), svg_text(x + 20, y + 12, words)]
    return svg_frame(width, y + 20, ". ".join(said) + ".", parts)


def memory_svg(found: Sequence[Need], limit: int | float) -> str:
    """Draw the bytes each n_agents needs as bars, with a line at the limit; a bar above it is marked."""
    top = max([limit, *(one.total for one in found)]) * 1.05
    left, height, wide = 66, 190, 40
    refused = gives_up_at(found, limit)

    def y(count: Number) -> float:
        return 22 + height * (1 - count / top)

    right = left + len(found) * wide
    bars, limited = [], dict(text_anchor="end", fill="#e0484d", font_weight="bold")
    texts = [
        f'<path d="M{left} {y(limit):g}H{right}" stroke="#e0484d" stroke-width="2" stroke-dasharray="6 3"/>',
        svg_text(left - 4, y(limit) + 4, bytes_text(int(limit)), **limited),
        svg_text(left - 4, height + 38, "n_agents", text_anchor="end"),
    ]
    for index, one in enumerate(found):
        x, base = left + index * wide, 0
        over = one.total > limit
        for name, colour in NEED:
            part = getattr(one, name)
            bars.append(svg_box(x + 4, y(base + part), wide - 8, y(base) - y(base + part), colour, 0.85))
            base += part
        size = bytes_text(one.total)
        texts += [
            svg_text(x + wide / 2, y(base) - 4, size.replace(" ", ""), 9, text_anchor="middle", **HALO),
            svg_text(x + wide / 2, height + 38, f"{one.n_agents}{' ×' if over else ''}", 12, text_anchor="middle"),
        ]
    for index, (name, colour) in enumerate(NEED):
        x = left + 110 * index
        texts += [svg_box(x, height + 50, 14, 14, colour, 0.85), svg_text(x + 20, height + 62, _(name))]
    texts.append(svg_text(left + 330, height + 62, _("×: above the limit")))
    said = [
        _("n_agents {n_agents} needs {total}").format(n_agents=one.n_agents, total=bytes_text(one.total))
        for one in found
    ]
    end = _("all fit") if refused is None else _("n_agents {refused} and above do not fit").format(refused=refused)
    said_so = _("{said}; the limit is {limit}: {end}.").format(
        said=listing(said), limit=bytes_text(int(limit)), end=end
    )
    return svg_frame(max(right, 560) + 10, height + 70, said_so, bars + texts)
