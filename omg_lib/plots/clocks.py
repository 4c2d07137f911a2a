"""The two clocks of the runner as bars: one lockstep of R episodes, and one step of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omg_lib.lessons.clocks import Tick
from omg_lib.plots.page import svg_frame, svg_text
from omg_lib.plots.units import seconds_text
from omg_lib.words import N_, _, listing

LEFT, PANEL, ROW, TOP = 150, 290, 20, 40
CLOCKS = (("lockstep", N_("one lockstep"), "#dd7011"), ("step", N_("one step of one episode"), "#3b82d6"))
"""Field of a tick, its title, its colour (a contrast of 3 on white and on black)."""


def clocks_svg(measured: Mapping[int, Sequence[Tick]]) -> str:
    """Return the text of an `<svg>` element: for each measured n_agents, one bar per R and clock.

    Each clock has its own scale, from 0 to its longest time.
    """
    lines = [(agents, tick) for agents, ticks in measured.items() for tick in ticks]
    devices = {tick.device for __, tick in lines}
    parts, said = [], []
    for row, (agents, tick) in enumerate(lines):
        y = TOP + row * ROW + 8 * list(measured).index(agents)
        where = f", {tick.device}" if len(devices) > 1 else ""
        parts.append(svg_text(LEFT - 8, y + 13, f"n_agents {agents}, R {tick.width}{where}", text_anchor="end"))
        times = [getattr(tick, name) for name, *__ in CLOCKS]
        said.append(f"n_agents {agents}, R {tick.width}{where}: " + _(" and ").join(map(seconds_text, times)))
        for number, ((name, __, colour), time) in enumerate(zip(CLOCKS, times, strict=True)):
            x, longest = LEFT + number * (PANEL + 20), max(getattr(other, name) for __, other in lines)
            width = (PANEL - 70) * time / longest
            parts.append(f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{ROW - 3}" fill="{colour}"/>')
            parts.append(svg_text(x + width + 6, y + 13, seconds_text(time)))
    heads = [
        svg_text(LEFT + number * (PANEL + 20), TOP - 12, _(title), 13, font_weight="bold")
        for number, (__, title, __) in enumerate(CLOCKS)
    ]
    height = TOP + len(lines) * ROW + 8 * len(measured)
    name = _("One lockstep, and one step of one episode. {said}.").format(
        said=listing(said, "; ") or _("nothing measured yet")
    )
    return svg_frame(LEFT + 2 * PANEL + 20, height, name, heads + parts)
