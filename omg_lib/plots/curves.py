"""Learning curves as pictures, drawn with `matplotlib.figure.Figure`, never pyplot: any thread may draw them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from omg_lib.training import Report

INK, LOSS, PLAY, TEST = "#808080", "#dd7011", "#3b82d6", "#1f9a68"
"""Contrast of 3 or more on white and on black: the background is transparent, for light and dark pages."""


def curves_figure(reports: Sequence[Report], before: Sequence[Report] = ()) -> Figure:
    """Plot loss (left) and win rate (right; return if the game has no winner) against updates.

    `before` is the previous run, drawn as pale dashed lines. The size is fixed, which keeps the page from jumping.
    """
    figure = Figure(figsize=(9, 2.5), dpi=100, facecolor="none")
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.055, right=0.99, bottom=0.19, top=0.9, wspace=0.14)
    play = _play(reports or before)
    _lines(left, {"loss": LOSS}, reports, before, "upper right")
    left.set_title("loss", color=INK, fontsize=10)
    left.set_ylim(bottom=0)
    _lines(right, {play: PLAY, "win_rate": TEST}, reports, before, "upper left")
    right.set_title(_words(play), color=INK, fontsize=10)
    if play == "train_win_rate":
        right.set_ylim(-0.02, 1.02)
    return figure


def curves_png(reports: Sequence[Report], before: Sequence[Report] = ()) -> bytes:
    """Return `curves_figure` as the bytes of a PNG file of 900 x 250 pixels."""
    out = BytesIO()
    curves_figure(reports, before).savefig(out, format="png")
    return out.getvalue()


def curves_text(reports: Sequence[Report], before: Sequence[Report] = ()) -> str:
    """Return the latest numbers of the curves as text."""
    if not reports:
        return "Curves: no update yet" + ("; showing the previous run" if before else "")
    latest = reports[-1]
    play = _play(reports)
    said = f"Curves: update {latest.update}, loss {latest.metrics['loss']:.3g}"
    said += f", {_words(play)} {latest.metrics[play]:.3g}"
    if "win_rate" in latest.metrics:
        said += f", test {latest.metrics['win_rate']:.3g}"
    if before:
        said += f"; previous run: loss {before[-1].metrics['loss']:.3g} after update {before[-1].update}"
    return said


def _play(reports: Sequence[Report]) -> str:
    has_winner = not reports or "train_win_rate" in reports[-1].metrics
    return "train_win_rate" if has_winner else "train_return"


def _words(metric: str) -> str:
    return {"train_win_rate": "win rate, last 100 episodes", "train_return": "return, last 100 episodes"}[metric]


def _lines(ax: Axes, colours: dict[str, str], reports: Sequence[Report], before: Sequence[Report], corner: str) -> None:
    for name, colour in colours.items():
        what = "test, " if name == "win_rate" else ""
        for run, who, look in (
            (before, "previous run", {"alpha": 0.6, "linestyle": "--"}),
            (reports, "this run", {}),
        ):
            points = [(report.update, report.metrics[name]) for report in run if name in report.metrics]
            if points:
                steps = "steps-post" if name == "win_rate" else "default"  # a test result is valid until the next test
                dot = "o" if len(points) == 1 else None
                x, y = zip(*points, strict=True)
                ax.plot(x, y, color=colour, label=what + who, drawstyle=steps, marker=dot, **look)
    ax.set_facecolor("none")
    ax.set_xlabel("update", color=INK, fontsize=9)
    ax.tick_params(colors=INK, labelsize=8)
    ax.spines[:].set_color(INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if ax.lines:
        ax.legend(fontsize=8, frameon=False, labelcolor=INK, loc=corner)
