"""Pictures of what OMG infers: the state that a subgoal decodes to, drawn over the battle, and which candidates are
chosen. Drawn with `matplotlib.figure.Figure`, never pyplot: any thread may draw them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs.drawing import INK, TEAM_LOOKS, draw_frame, named_svg, spoken, view_half
from omg_lib.envs.rules import Rules
from omg_lib.envs.styles import RANGE
from omg_lib.experiment.measures import units_of
from omg_lib.system.fonts import drawn, new_figure
from omg_lib.words import _

RUN_LOOKS = (("#3b82d6", ""), ("#dd7011", "////"), ("#1f9a68", "...."), ("#9166d6", "xxxx"))
"""Colour and hatch of each run. The colours have a contrast of 3 or more on white and on black."""
PAPER_SHARES = (0.354, 0.200, 0.228, 0.193, 0.025)
"""The paper's Table 3: how often each of k = 1..5 was chosen, with H = 5, over 100 trajectories."""


def subgoal_figure(
    frame: dict[str, Any],
    seat: int,
    decoded: Float[Tensor, " O"],
    sight: float = Rules.sight,
    what: str = "subgoal",
) -> Figure:
    """Draw one moment of skirmish, and over it the state that a seat's inferred subgoal decodes to.

    | argument | meaning |
    |---|---|
    | frame | from `env.frame(row)` or `measures.replay` |
    | seat | the learner's, marked by a ring |
    | decoded | one step of this seat, from `measures.inferred_states` |
    | sight | how far a unit sees, in map units |
    | what | what `decoded` comes from, as named in the caption |

    Hollow marks are the units visible in the decoded state, placed relative to the seat's current position; a dotted
    line joins each to the living unit it represents. ConfigError for a seat that the frame does not have, or an
    observation of another size.
    """
    n = len(frame["health"][0])
    if seat not in range(n):
        raise ConfigError("seat", seat, _("allowed is 0 to {n}").format(n=n - 1))
    if decoded.shape != (10 * n,):
        raise ConfigError(
            "decoded",
            list(decoded.shape),
            _("allowed is one observation among {n} units, [{size}]").format(n=n, size=10 * n),
        )
    figure = new_figure(4.0, 4.7)
    ax, ghosts = figure.add_subplot(), _ghosts(frame, seat, decoded, sight)
    reach = [1 + float(np.abs(place).max()) for _, _, place in ghosts]
    draw_frame(frame, ax, max([view_half([frame]), *reach]))
    for team, unit, place in ghosts:
        colour, marker = TEAM_LOOKS[team]
        ax.plot(*place, marker, markersize=12, color=colour, markerfacecolor="none", markeredgewidth=1.5, zorder=4)
        if frame["health"][team, unit] > 0:
            ax.plot(*np.stack([frame["position"][team, unit], place], axis=1), ":", color=colour, linewidth=1.2)
    ax.plot(*frame["position"][0, seat], "o", markersize=18, color=INK, markerfacecolor="none", markeredgewidth=1.5)
    text = drawn("ring: seat {seat}, whose {what} this is\nhollow: where the {what} puts the others").format(
        seat=seat, what=drawn(what)
    )
    ax.set_xlabel(text, color=INK, fontsize=9)
    return figure


def subgoal_svg(
    frame: dict[str, Any],
    seat: int,
    decoded: Float[Tensor, " O"],
    sight: float = Rules.sight,
    what: str = "subgoal",
) -> str:
    """Return `subgoal_figure` as the text of an `<svg>` element with a transparent background."""
    enemies = sum(team for team, _, _ in _ghosts(frame, seat, decoded, sight))
    mates = len(_ghosts(frame, seat, decoded, sight)) - enemies
    said = _("{battle} The {what} of seat {seat} shows {mates} teammates and {enemies} enemies.").format(
        battle=spoken(frame), what=_(what), seat=seat, mates=mates, enemies=enemies
    )
    return named_svg(subgoal_figure(frame, seat, decoded, sight, what=what), said)


def _ghosts(
    frame: dict[str, Any], seat: int, decoded: Float[Tensor, " O"], sight: float
) -> list[tuple[int, int, np.ndarray]]:
    """Return (team, unit, place [xy] on the map) of every unit visible in the decoded state.

    A flag of 0.5 or more means visible. An enemy out of range has flag 0, so its distance decides: above RANGE if it is
    visible, 0 if not.
    """
    enemies, mates = (units.numpy(force=True) for units in units_of(decoded))
    others = [unit for unit in range(len(enemies)) if unit != seat]
    seen = (enemies[:, 0] >= 0.5) | (enemies[:, 1] * sight >= RANGE / 2)
    found = [(0, unit, mate[2:4]) for unit, mate in zip(others, mates, strict=True) if mate[0] >= 0.5]
    found += [(1, unit, enemy[2:4]) for unit, enemy in enumerate(enemies) if seen[unit]]
    return [(team, unit, frame["position"][0, seat] + sight * way) for team, unit, way in found]


def choice_figure(shares: Mapping[str, Sequence[float]]) -> Figure:
    """Plot how often each candidate state t + k became the subgoal: one group of bars per k, one bar per run.

    `shares` maps up to four run names to the shares of k = 1..H, fractions from 0 to 1 (see `measures.choice_shares`).
    The paper's Table 3 is drawn beside runs with its H = 5. ConfigError for any other number of runs, or for runs that
    differ in H.
    """
    if not 1 <= len(shares) <= len(RUN_LOOKS):
        raise ConfigError("shares", list(shares), _("allowed are 1 to {most} runs").format(most=len(RUN_LOOKS)))
    lengths = {name: len(share) for name, share in shares.items()}
    horizon = next(iter(lengths.values()))
    if set(lengths.values()) != {horizon}:
        raise ConfigError("shares", lengths, _("allowed are runs of one horizon"))
    figure = new_figure(6, 3)
    ax, k = figure.add_subplot(), np.arange(1, horizon + 1)
    slots = len(shares) + (horizon == len(PAPER_SHARES))  # the paper's marks go beside the bars, not behind them
    place = k + 0.8 * (np.arange(slots) / slots - 0.5 + 0.5 / slots).reshape(-1, 1)
    for x, (name, share), (colour, hatch) in zip(place, shares.items(), RUN_LOOKS, strict=False):
        face = "none" if hatch else colour
        ax.bar(x, share, 0.72 / slots, label=drawn(name), facecolor=face, edgecolor=colour, hatch=hatch, linewidth=1)
    if slots > len(shares):
        ax.vlines(place[-1], 0, PAPER_SHARES, color=INK, linewidth=1.2)
        ax.plot(place[-1], PAPER_SHARES, "D", color=INK, markersize=6, label=drawn("the paper's Table 3"))
    ax.set_xticks(k, [f"t+{i}" for i in k])
    ax.set_xlabel(drawn("state that becomes the subgoal"), color=INK, fontsize=9)
    ax.set_ylabel(drawn("share of steps"), color=INK, fontsize=9)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_facecolor("none")
    ax.tick_params(colors=INK, labelsize=8)
    ax.spines[:].set_color(INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25)
    ax.set_axisbelow(True)
    figure.legend(fontsize=8, frameon=False, labelcolor=INK, loc="outside right upper")
    return figure
