"""Learning curves as pictures, drawn with `matplotlib.figure.Figure`, never pyplot: any thread may draw them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from omg_lib.system.fonts import drawn, new_figure
from omg_lib.training import Report
from omg_lib.words import N_, _

INK, LOSS, PLAY, TEST = "#808080", "#dd7011", "#3b82d6", "#1f9a68"
"""Contrast of 3 or more on white and on black: the background is transparent, for light and dark pages."""


WORDS = {"train_win_rate": N_("win rate, last 100 episodes"), "train_return": N_("return, last 100 episodes")}


def curves_figure(reports: Sequence[Report], before: Sequence[Report] = ()) -> Figure:
    """Plot loss (left) and win rate (right; return if the game has no winner) against updates.

    `before` is the previous run, drawn as pale dashed lines. The size is fixed, which keeps the page from jumping.
    """
    figure = new_figure(9, 2.5, layout=None)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.055, right=0.99, bottom=0.19, top=0.9, wspace=0.14)
    play = _play(reports or before)
    _lines(left, {"loss": LOSS}, reports, before, "upper right")
    left.set_title(drawn("loss"), color=INK, fontsize=10)
    left.set_ylim(bottom=0)
    _lines(right, {play: PLAY, "win_rate": TEST}, reports, before, "upper left")
    right.set_title(drawn(WORDS[play]), color=INK, fontsize=10)
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
        return _("Curves: no update yet; showing the previous run") if before else _("Curves: no update yet")
    latest = reports[-1]
    play = _play(reports)
    said = _("Curves: update {update}, loss {loss:.3g}").format(update=latest.update, loss=latest.metrics["loss"])
    said += f", {_(WORDS[play])} {latest.metrics[play]:.3g}"
    if "win_rate" in latest.metrics:
        said += _(", test {rate:.3g}").format(rate=latest.metrics["win_rate"])
    if before:
        said += _("; previous run: loss {loss:.3g} after update {update}").format(
            loss=before[-1].metrics["loss"], update=before[-1].update
        )
    return said


def _play(reports: Sequence[Report]) -> str:
    has_winner = not reports or "train_win_rate" in reports[-1].metrics
    return "train_win_rate" if has_winner else "train_return"


def _lines(ax: Axes, colours: dict[str, str], reports: Sequence[Report], before: Sequence[Report], corner: str) -> None:
    for name, colour in colours.items():
        test = name == "win_rate"
        for run, who, look in (
            (before, drawn("test, previous run") if test else drawn("previous run"), {"alpha": 0.6, "linestyle": "--"}),
            (reports, drawn("test, this run") if test else drawn("this run"), {}),
        ):
            points = [(report.update, report.metrics[name]) for report in run if name in report.metrics]
            if points:
                steps = "steps-post" if test else "default"  # a test result is valid until the next test
                dot = "o" if len(points) == 1 else None
                x, y = zip(*points, strict=True)
                ax.plot(x, y, color=colour, label=who, drawstyle=steps, marker=dot, **look)
    ax.set_facecolor("none")
    ax.set_xlabel(drawn("update"), color=INK, fontsize=9)
    ax.tick_params(colors=INK, labelsize=8)
    ax.spines[:].set_color(INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if ax.lines:
        ax.legend(fontsize=8, frameon=False, labelcolor=INK, loc=corner)
