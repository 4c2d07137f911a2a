"""How an update grows with its sizes: measured beside predicted, and the sizes that were refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from omg_lib.lessons.table import Table
from omg_lib.plots.curves import INK
from omg_lib.system.fonts import drawn, new_figure
from omg_lib.words import N_, _, listing

ANCHOR = (8, 32)
LOOKS = (("#3b82d6", "o"), ("#dd7011", "s"), ("#1f9a68", "^"), ("#9166d6", "D"), ("#d6418a", "v"))
"""Colour and marker of each n_agents; contrast of 3 on white and on black."""
Panels = Mapping[str, tuple[str, str, float]]
"""Column -> (title, column that predicts its growth, divisor)."""
LIVE: Panels = {
    N_("seconds"): (N_("milliseconds of one update"), "multiply_adds", 1e-3),
    N_("bytes"): (N_("MB of tensors in one update"), "planned_bytes", 1e6),
}


def growth_figure(rows: Sequence[Mapping[str, Any]], panels: Panels = LIVE) -> Figure:
    """Plot each learner (rows) and measure (columns) against batch_size, one line per n_agents, on log-log axes.

    Dashed lines are predictions, anchored at the measurement for n_agents 8, batch_size 32 or the nearest to it: only
    the growth is predicted. Crosses mark sizes that were refused.
    """
    learners = sorted({row["learner"] for row in rows})
    figure = new_figure(9.5, 3.6 * len(learners))
    axes = figure.subplots(len(learners), len(panels), squeeze=False)
    for (r, learner), (c, column) in product(enumerate(learners), enumerate(panels)):
        _panel(axes[r][c], [row for row in rows if row["learner"] == learner], column, panels[column])
        axes[r][c].set_title(f"{learner}: {drawn(panels[column][0])}", color=INK, fontsize=10)
    axes[0][0].legend(fontsize=8, frameon=False, labelcolor=INK)
    figure.supxlabel(drawn("batch_size   (dashed: predicted growth; crosses: refused)"), color=INK, fontsize=9)
    return figure


def growth_table(rows: Sequence[Mapping[str, Any]], panels: Panels = LIVE) -> Table:
    """Tabulate the factor by which each column grows from the smallest to the largest measured size, beside its
    prediction: first along batch_size for every n_agents, then along n_agents for every batch_size.
    """
    lines = []
    for fixed, moved in (("n_agents", "batch_size"), ("batch_size", "n_agents")):
        for value in sorted({int(row[fixed]) for row in rows}):
            line = [row for row in rows if int(row[fixed]) == value and not row["refused"]]
            if len(line) < 2:
                continue
            first, *__, last = sorted(line, key=lambda row: int(row[moved]))
            cells = [
                f"{fixed} {value}",
                _("{name} {first} to {last}").format(name=moved, first=first[moved], last=last[moved]),
            ]
            for column, (__, predictor, __) in panels.items():
                cells += [f"× {float(last[name]) / float(first[name]):.1f}" for name in (predictor, column)]
            lines.append(tuple(cells))
    hows = _("predicted"), _("measured")
    heads = [listing([_(column), how]) for column in panels for how in hows]
    return Table((_("at"), _("from the smallest to the largest"), *heads), tuple(lines))


def growth_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Describe the figure: how many sizes were measured, and which were refused."""
    refused = [f"n_agents {row['n_agents']}, batch_size {row['batch_size']}" for row in rows if row["refused"]]
    said = _("{rows} sizes measured beside their predicted growth").format(rows=len(rows) - len(refused))
    return _("{said}; refused: {refused}").format(said=said, refused=listing(refused, "; ") or _("none"))


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], column: str, panel: tuple[str, str, float]) -> None:
    __, predictor, divisor = panel
    anchor = min((row for row in rows if not row["refused"]), key=_from_anchor)
    scale = float(anchor[column]) / float(anchor[predictor]) / divisor
    for k, agents in enumerate(sorted({int(row["n_agents"]) for row in rows})):
        line = [row for row in rows if int(row["n_agents"]) == agents]
        colour, mark = LOOKS[k % len(LOOKS)]
        sizes = [int(row["batch_size"]) for row in line]
        expected = [float(row[predictor]) * scale for row in line]
        done = [(int(row["batch_size"]), float(row[column]) / divisor) for row in line if not row["refused"]]
        axes.plot(sizes, expected, "--", color=colour, linewidth=1)
        if done:
            axes.plot(*zip(*done, strict=True), mark + "-", color=colour, label=f"n_agents {agents}")
        refused = [(size, y) for size, y, row in zip(sizes, expected, line, strict=True) if row["refused"]]
        if refused:
            axes.plot(*zip(*refused, strict=True), "X", color=colour, markersize=11)
    axes.set(xscale="log", yscale="log", facecolor="none")
    ticks = sorted({int(row["batch_size"]) for row in rows})
    axes.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.grid(alpha=0.25)
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[:].set_color(INK)
    axes.spines[["top", "right"]].set_visible(False)


def _from_anchor(row: Mapping[str, Any]) -> int:
    return abs(int(row["n_agents"]) - ANCHOR[0]) + abs(int(row["batch_size"]) - ANCHOR[1])
