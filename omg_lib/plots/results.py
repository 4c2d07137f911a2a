"""Figures for tables of experiments: win rates with test teammates as bars, and during training as curves.

Tables are plain lists of mappings. The order and colours of methods never change, which keeps figures comparable. Drawn
with `matplotlib.figure.Figure`, never pyplot: any thread may draw them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, PercentFormatter

from omg_lib.config import ConfigError
from omg_lib.system.fonts import drawn, new_figure
from omg_lib.words import N_, _, listing

INK = "#808080"
METHODS = {
    "iql": ("#909090", "o"),
    "naive_om": ("#2678dd", "s"),
    "liam": ("#7d549a", "^"),
    "iql_actions": ("#bb2237", "v"),
    "omg": ("#e96825", "D"),
    "oracle": (INK, "."),
}
"""Method -> colour and marker, in drawing order. Each colour has a contrast of 3 or more on white and on black, and any
two are distinguishable with each of the three kinds of colour blindness.
"""
OTHERS = (("#00857c", "P"), ("#8a7400", "X"), ("#c44fa0", "*"))
"""Colours and markers of other methods, such as a learner of yours, in the order of their names; bars are hatched."""
HATCHES = ("///", "...", "xxx", "---")
MODES = ("optimistic", "conservative")
"""OMG's modes, which differ in fill and line; the other methods have none."""
KINDS = {"seen": N_("seen"), "homologue": N_("unseen,\nhomologue"), "non_homologue": N_("unseen,\nnon-homologue")}
"""Kind of test teammates -> label, in drawing order; other kinds follow under their own names."""
ORACLE_NOTE = N_("the oracle also trains on the test teammates")

Row = Mapping[str, Any]
Series = tuple[str, str]
"""Method and mode; the mode is empty if there is none."""


def bars_figure(rows: Sequence[Row]) -> Figure:
    """Plot win rates by kind of test teammates: one group per kind, one bar per method with its 95 % interval.

    | key of a row | value |
    |---|---|
    | method | a key of METHODS, or another learner's name |
    | mode | "optimistic" or "conservative" for omg and its variants; else (or for one omg) empty, None or missing |
    | kind | of the test teammates, such as a key of KINDS |
    | mean, low, high | win rate and the ends of its 95 % interval, fractions from 0 to 1 |

    The oracle is not a bar but a dashed line across its group, on a band for its interval: it is a bound, not a
    competitor. A missing row leaves a gap. ConfigError for no rows, an unknown mode, numbers out of order, or
    two rows for one bar.
    """
    table = _table(rows, "kind")
    kinds = sorted({kind for points in table.values() for kind in points}, key=_kind_order)
    bars = [series for series in table if series[0] != "oracle"]
    figure, ax = _axes(2.6 + (0.5 + 0.28 * len(bars)) * len(kinds))
    width = 0.8 / max(len(bars), 1)
    for number, series in enumerate(bars):
        look = _bar_look(series, table)
        for kind, (mean, low, high) in table[series].items():
            x = kinds.index(kind) - 0.4 + (number + 0.5) * width
            ax.bar(x, mean, 0.86 * width, **look)
            whisker = [[mean - low], [high - mean]]
            ax.errorbar(x, mean, whisker, color=look["edgecolor"], elinewidth=1.8, capsize=3.5, capthick=1.8, zorder=3)
    for kind, (mean, low, high) in table.get(("oracle", ""), {}).items():
        across = kinds.index(kind) + np.array([-0.46, 0.46])
        ax.fill_between(across, low, high, **_BAND, color=INK)
        ax.plot(across, [mean, mean], "--", color=INK, linewidth=1.5, zorder=1.5)
    ax.set_xticks(range(len(kinds)), [drawn(KINDS.get(kind, kind.replace("_", " "))) for kind in kinds])
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.5, len(kinds) - 0.5)
    handles: dict[Series, Artist] = {series: Patch(**_bar_look(series, table)) for series in bars}
    if ("oracle", "") in table:
        handles["oracle", ""] = Line2D([], [], linestyle="--", color=INK)
    _finish(figure, ax, table, drawn("test teammates\nwhiskers: 95 % interval"), handles)
    return figure


def learning_figure(rows: Sequence[Row]) -> Figure:
    """Plot the mean win rate against environment steps: one line per method on a band for its 95 % interval.

    Rows as in `bars_figure`, with `t_env` (environment steps) instead of `kind`, in any order. ConfigError as there;
    two rows for one step of a method are refused.
    """
    table = _table(rows, "t_env")
    figure, ax = _axes(7.5)
    handles = {}
    for series, points in table.items():
        steps = sorted(points)
        mean, low, high = np.array([points[t] for t in steps]).T
        # A few markers distinguish lines without colour; a line of one point is only its marker.
        look = _line_look(series, table) | {"markevery": max(1, len(steps) // 8)}
        ax.fill_between(steps, low, high, **_BAND, color=look["color"])
        handles[series] = ax.plot(steps, mean, **look)[0]
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    _finish(figure, ax, table, drawn("environment steps\nbands: 95 % interval"), handles)
    return figure


def cross_play_figure(rows: Sequence[Row]) -> Figure:
    """Plot who wins in one seat of whose team: rows as in `cross_play.csv`, "in one seat" and a rate for each host.

    Dark is a high win rate, and every cell shows its number. ConfigError unless guests and hosts are the same.
    """
    guests = [row["in one seat"] for row in rows]
    if not rows or any([*row][1:] != guests for row in rows):
        raise ConfigError("rows", len(rows), _("allowed is one row for each member, with a rate for each member"))
    rates = np.array([[float(row[host]) for host in guests] for row in rows])
    size = 1.6 + 0.36 * len(guests)
    figure = new_figure(size, size)
    ax = figure.add_subplot()
    ax.imshow(rates, cmap="Blues", vmin=0, vmax=1)
    for (i, j), rate in np.ndenumerate(rates):
        ink = "white" if rate > 0.6 else "#333333"
        ax.text(j, i, f"{100 * rate:.0f}", ha="center", va="center", fontsize=7, color=ink)
    ax.set_xticks(range(len(guests)), guests, rotation=90, fontsize=8, color=INK)
    ax.set_yticks(range(len(guests)), guests, fontsize=8, color=INK)
    ax.set_xlabel(drawn("the team"), color=INK, fontsize=9)
    ax.set_ylabel(drawn("in one of its seats: win rate in %"), color=INK, fontsize=9)
    ax.tick_params(length=0)
    ax.tick_params(axis="x", labeltop=True, labelrotation=90, labelsize=8, labelcolor=INK)
    ax.spines[:].set_visible(False)
    return figure


def _table(rows: Sequence[Row], key: str) -> dict[Series, dict[Any, tuple[float, float, float]]]:
    """Return (method, mode) -> value of `key` -> (mean, low, high), in the order of METHODS, other names, and MODES."""
    if not rows:
        raise ConfigError("rows", list(rows), _("allowed is one row or more"))
    found: dict[Series, dict[Any, tuple[float, float, float]]] = {}
    for row in rows:
        lacking = [name for name in ("method", key, "mean", "low", "high") if name not in row]
        if lacking:
            raise ConfigError("row", dict(row), _("it lacks {lacking}").format(lacking=listing(lacking)))
        method, mode = row["method"], row.get("mode") or ""
        if mode and (mode not in MODES or method in METHODS and method != "omg"):
            raise ConfigError(
                "mode", mode, _("allowed are {modes} for omg and none for other methods").format(modes=listing(MODES))
            )
        if not 0 <= row["low"] <= row["mean"] <= row["high"] <= 1:
            raise ConfigError("row", dict(row), _("allowed is 0 <= low <= mean <= high <= 1"))
        points = found.setdefault((method, mode), {})
        if row[key] in points:
            raise ConfigError("row", dict(row), _("there is another row of this method for this {key}").format(key=key))
        points[row[key]] = (row["mean"], row["low"], row["high"])
    order = [*METHODS, *sorted({method for method, __ in found} - METHODS.keys())]
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0][0]), ("", *MODES).index(item[0][1]))))


def _colour_marker_hatch(method: str, table: Iterable[Series]) -> tuple[str, str, str]:
    """Return how a method looks: those of METHODS always the same, others by their order in this table."""
    if method in METHODS:
        return (*METHODS[method], "")
    place = sorted({name for name, __ in table} - METHODS.keys()).index(method)
    return (*OTHERS[place % len(OTHERS)], HATCHES[place % len(HATCHES)])


def _kind_order(kind: str) -> tuple[int, str]:
    return (list(KINDS).index(kind) if kind in KINDS else len(KINDS), kind)


_BAND = {"alpha": 0.18, "linewidth": 0, "zorder": 0.5}


def _bar_look(series: Series, table: Iterable[Series]) -> dict[str, Any]:
    """Return the style of a bar: pale inside, to show the lower half of a whisker; hollow for OMG's second mode."""
    colour, __, hatch = _colour_marker_hatch(series[0], table)
    hollow = series[1] == MODES[1]
    fill = "none" if hollow else (colour, 0.3)
    line = ":" if hollow else "-"
    return {"facecolor": fill, "edgecolor": colour, "hatch": hatch, "linewidth": 1.5, "linestyle": line}


def _line_look(series: Series, table: Iterable[Series]) -> dict[str, Any]:
    method, mode = series
    colour, marker, __ = _colour_marker_hatch(method, table)
    style = "--" if method == "oracle" else ":" if mode == MODES[1] else "-"
    return {"color": colour, "marker": marker, "markersize": 5, "linestyle": style, "linewidth": 1.8}


def _axes(width: float) -> tuple[Figure, Axes]:
    figure = new_figure(width, 3.4)
    return figure, figure.add_subplot()


def _finish(figure: Figure, ax: Axes, table: Mapping[Series, Any], text: str, handles: Mapping[Series, Artist]) -> None:
    """Style the axes and add the legend, and a note if there is an oracle."""
    note = f"\n{drawn(ORACLE_NOTE)}" if ("oracle", "") in table else ""
    ax.set_xlabel(text + note, color=INK, fontsize=9)
    ax.set_ylabel(drawn("win rate"), color=INK, fontsize=9)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_ylim(0, min(1.0, 1.08 * max(high for points in table.values() for _, _, high in points.values()) or 1.0))
    ax.set_facecolor("none")
    ax.set_axisbelow(True)
    ax.grid(axis="y", alpha=0.25)
    ax.tick_params(colors=INK, labelsize=8)
    ax.spines[:].set_color(INK)
    ax.spines[["top", "right"]].set_visible(False)
    names = [listing(filter(None, series)) for series in handles]
    figure.legend(list(handles.values()), names, fontsize=8, frameon=False, labelcolor=INK, loc="outside right upper")
