"""The paper's small game as pictures: one episode on the grid as SVG, and learning curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from omg_lib.envs.drawing import GLOW, INK, TEAM_LOOKS
from omg_lib.experiment.gridworld import BEST_RETURN, REWARDS, SIZE, Episode, Learned, band
from omg_lib.plots.curves import LOSS, TEST
from omg_lib.plots.page import svg_frame
from omg_lib.system.fonts import drawn, new_figure
from omg_lib.words import N_, _

CELL, MARGIN = 32, 22
"""Width of a cell and of the margin for the numbers, in the picture's own units."""
SIDE, HEIGHT = MARGIN + SIZE * CELL + 4, MARGIN + SIZE * CELL + 40
LOOKS = {
    "none": (INK, ":", N_("told nothing: Q(s, a)")),
    "action": (LOSS, "--", N_("told the opponent's action: Q(s, a_opp, a)")),
    "subgoal": (TEST, "-", N_("told its subgoal: Q(s, g, a)")),
}
"""Condition -> colour, line and label."""
PLAYERS = {"agent": (TEAM_LOOKS[0][0], -4), "opponent": (TEAM_LOOKS[1][0], 4)}
"""Player -> colour, and the offset of its path, which keeps both paths visible in a shared cell."""


def gridworld_svg(episode: Episode, values: Float[np.ndarray, "11 11"] | None = None) -> str:
    """Return the text of an `<svg>` element: the grid, the rewards, both players' starts, paths and ends.

    `values` (from `gridworld.value_map`) shade the cells as in Fig. 3, from clear at 0 to full at 1. The players' paths
    have the classes `agent` and `opponent`.
    """
    parts = [] if values is None else [_shade(cell, value) for cell, value in np.ndenumerate(values)]
    lines = "".join(f"M{MARGIN} {_edge(i)}h{SIZE * CELL}M{_edge(i)} {MARGIN}v{SIZE * CELL}" for i in range(SIZE + 1))
    parts.append(f'<path d="{lines}" stroke="{INK}" stroke-opacity="0.5" fill="none"/>')
    for i in range(SIZE):
        parts += [_number(_edge(i) + CELL / 2, MARGIN - 6, i), _number(MARGIN - 10, _edge(i) + CELL / 2 + 4, i)]
    for reward in REWARDS:
        x, y = _middle(divmod(reward, SIZE))
        parts.append(f'<path d="M{x:g} {y - 11:g}l11 11l-11 11l-11 -11z" fill="{GLOW}"/>')
    parts += [_path("opponent", episode.opponent), _path("agent", episode.agent)]
    said = _said(episode)
    for y, line in zip((HEIGHT - 22, HEIGHT - 6), said, strict=True):
        parts.append(f'<text x="{MARGIN}" y="{y}" font-size="12" fill="currentColor">{line}</text>')
    return svg_frame(SIDE, HEIGHT, f"{said[0]} {said[1]}", parts, widest=SIDE + 40)


def gridworld_figure(curves: Sequence[Learned]) -> Figure:
    """Plot the discounted return of the greedy policy against steps: means over learners, 95 % bootstrap bands.

    One panel per `state` in the curves (at least one), with a line at the return that no policy exceeds.
    """
    states = list(dict.fromkeys(curve.state for curve in curves))
    figure = new_figure(1 + 4 * len(states), 3.2)
    panels = figure.subplots(1, len(states), sharey=True, squeeze=False)[0]
    for ax, state in zip(panels, states, strict=True):
        ax.axhline(BEST_RETURN, color=INK, linewidth=0.8)
        for curve in curves:
            if curve.state == state:
                colour, line, label = LOOKS[curve.condition]
                mean, low, high = band(curve.returns)
                ax.fill_between(curve.steps, low, high, color=colour, alpha=0.25, linewidth=0)
                ax.plot(curve.steps, mean, color=colour, linestyle=line, label=drawn(label))
        ax.set_title(
            {"both": drawn("s: cells of both players"), "own": drawn("s: own cell alone")}[state],
            color=INK,
            fontsize=10,
        )
        ax.set_xlabel(drawn("environment steps of each learner"), color=INK, fontsize=9)
        ax.set(facecolor="none", ylim=(0, 1.05 * BEST_RETURN))
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        ax.tick_params(colors=INK, labelsize=8)
        ax.spines[:].set_color(INK)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    panels[0].set_ylabel(drawn("discounted return"), color=INK, fontsize=9)
    lines = {line.get_label(): line for ax in panels for line in ax.lines[1:]}
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=3, fontsize=8, frameon=False, labelcolor=INK)
    return figure


# --- pieces ------------------------------------------------------------------------------------------------


def _said(episode: Episode) -> tuple[str, str]:
    """Describe the episode in two sentences."""
    goals = _("The opponent heads for the upper reward."), _("The opponent heads for the lower reward.")
    won, none = _("The agent gets the other one at step {steps}."), _("The agent gets none in {steps} steps.")
    return goals[episode.goal], (won if episode.won else none).format(steps=len(episode.agent) - 1)


def _edge(index: int) -> int:
    """Return where a row or column begins."""
    return MARGIN + CELL * index


def _middle(cell: Sequence[int], aside: int = 0) -> tuple[float, float]:
    """Return x and y of the centre of a cell (row, column)."""
    return _edge(cell[1]) + CELL / 2 + aside, _edge(cell[0]) + CELL / 2 + aside


def _number(x: int | float, y: int | float, number: int) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="10" text-anchor="middle" fill="{INK}">{number}</text>'


def _shade(cell: tuple[int, ...], value: float) -> str:
    x, y = _edge(cell[1]), _edge(cell[0])
    return f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="{TEST}" fill-opacity="{value:.3f}"/>'


def _path(name: str, cells: Int[np.ndarray, "T1 2"]) -> str:
    """Draw a player's path: a ring at the start, a disc (agent) or a triangle (opponent) at the end."""
    colour, aside = PLAYERS[name]
    points = [_middle(cell, aside) for cell in cells.tolist()]
    (x0, y0), (x, y) = points[0], points[-1]
    end = (
        f'<circle cx="{x:g}" cy="{y:g}" r="7" fill="{colour}"/>'
        if name == "agent"
        else f'<path d="M{x:g} {y - 8:g}l8 14h-16z" fill="{colour}"/>'
    )
    way = " ".join(f"{px:g},{py:g}" for px, py in points)
    return (
        f'<g class="{name}"><polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        f'<circle cx="{x0:g}" cy="{y0:g}" r="7" fill="none" stroke="{colour}" stroke-width="2.5"/>{end}</g>'
    )
