"""The figure of a sweep: steps, time, memory and win rate against n_agents and batch_size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from omg_lib.config import ConfigError
from omg_lib.experiment.evaluate import interval
from omg_lib.plots.results import INK, METHODS
from omg_lib.system.fonts import drawn, new_figure
from omg_lib.words import N_, _

Row = Mapping[str, Any]
Interval = tuple[float, float, float]
MEASURES = {
    "steps": (N_("environment steps of an update"), 1.0),
    "seconds": (N_("seconds of an update"), 1.0),
    "peak_bytes": (N_("peak of the process, GB"), 1e9),
    "win_rate": (N_("win rate"), 1.0),
}
"""Measure -> (axis label, divisor). Each is a column except steps, which is t_env over updates."""
SIZES = {"n_agents": "batch_size", "batch_size": "n_agents"}
"""Size along the x axis of a row of panels -> size that distinguishes the lines of one learner."""
STYLES = ("-", "--", ":", "-.")
OTHER = ("#2f855a", "P")
"""Colour and marker of a learner that the paper's figures do not show."""


def sweep_figure(rows: Sequence[Row], measures: Sequence[str] = ("seconds", "peak_bytes", "win_rate")) -> Figure:
    """Plot rows of a sweep's results.csv: the mean over seeds at each size, on its 95 % interval (none for one seed).

    `measures` are keys of MEASURES, one for each column of panels. Colour and marker show the learner, the line style
    the other size. Trials without a number (failed, or stopped before the first test) leave a gap. ConfigError for no
    rows.
    """
    if not rows:
        raise ConfigError("rows", list(rows), _("allowed is one row or more"))
    size = (2 + 3 * len(measures), 6)
    figure = new_figure(*size)
    axes = figure.subplots(len(SIZES), len(measures), squeeze=False)
    handles: dict[str, Any] = {}
    for line, along in zip(axes, SIZES, strict=True):
        for ax, measure in zip(line, measures, strict=True):
            handles |= _panel(ax, rows, along, measure)
    figure.legend(list(handles.values()), list(handles), fontsize=8, frameon=False, labelcolor=INK, loc="outside right")
    return figure


def cells(rows: Sequence[Row], along: str, measure: str) -> dict[tuple[str, int], dict[int, Interval]]:
    """Return (learner with its settings, other size) -> size -> mean and the ends of the 95 % interval over seeds (NaN
    for one seed).
    """
    found: dict[tuple[str, int], dict[int, list[float]]] = {}
    for row in rows:
        value = _measured(row, measure)
        if value is not None:
            series = found.setdefault((_line(row), int(row[SIZES[along]])), {})
            series.setdefault(int(row[along]), []).append(value / MEASURES[measure][1])
    return {
        series: {
            size: interval(np.array(values)[:, None]) if len(values) > 1 else (values[0], np.nan, np.nan)
            for size, values in sorted(points.items())
        }
        for series, points in sorted(found.items())
    }


def _line(row: Row) -> str:
    """Return what a line shows: trials with other settings are no seeds of the same."""
    return " ".join(filter(None, (row["learner"], row.get("settings"))))


def _measured(row: Row, measure: str) -> float | None:
    """Return a trial's value of a measure; None if it has none."""
    if measure == "steps":
        return float(row["t_env"]) / float(row["update"]) if float(row["update"] or 0) else None
    return None if row[measure] in (None, "") else float(row[measure])


def _panel(ax: Axes, rows: Sequence[Row], along: str, measure: str) -> dict[str, Any]:
    others = sorted({int(row[SIZES[along]]) for row in rows})
    handles = {}
    for (learner, other), points in cells(rows, along, measure).items():
        colour, marker = METHODS.get(learner, (None, "o") if " " in learner else OTHER)
        mean, low, high = np.array(list(points.values())).T
        style = STYLES[others.index(other) % len(STYLES)]
        look = dict(color=colour, marker=marker, linestyle=style, linewidth=1.6, markersize=5)
        (handles[f"{learner}, {SIZES[along]} {other}"],) = ax.plot(list(points), mean, **look)
        colour = ax.lines[-1].get_color()
        ax.fill_between(list(points), low, high, color=colour, alpha=0.18, linewidth=0)
    ax.set_xlabel(along, color=INK, fontsize=9)
    ax.set_ylabel(drawn(MEASURES[measure][0]), color=INK, fontsize=9)
    ax.set_xticks(sorted({int(row[along]) for row in rows}))
    ax.set_ylim(bottom=0)
    ax.set_facecolor("none")
    ax.grid(axis="y", alpha=0.25)
    ax.tick_params(colors=INK, labelsize=8)
    ax.spines[:].set_color(INK)
    ax.spines[["top", "right"]].set_visible(False)
    return handles
