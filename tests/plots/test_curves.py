"""The curves of a run below the flow picture."""

import struct

import pytest

from omg_lib.plots.curves import curves_figure, curves_png, curves_text
from omg_lib.training import Report


@pytest.mark.parametrize("count", [1, 2, 40])
def test_updates_are_whole_numbers_on_the_axis(count):
    reports = [Report(k, 100 * k, {"loss": 1 / k, "train_win_rate": 0.1}) for k in range(1, count + 1)]
    for ax in curves_figure(reports).axes:
        low, high = ax.get_xlim()
        ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
        assert ticks and all(tick == round(tick) for tick in ticks)


def reports(count: int, **more: float) -> list[Report]:
    return [Report(i, 100 * i, {"loss": 1 / i, "train_win_rate": 0.01 * i, **more}) for i in range(1, count + 1)]


def test_curves_grow_and_keep_the_previous_run():
    figure = curves_figure(reports(5), reports(9))
    for ax in figure.axes:
        before, now = ax.lines
        assert (len(before.get_xdata()), before.get_linestyle()) == (9, "--")
        assert (len(now.get_xdata()), now.get_linestyle()) == (5, "-")
        assert [text.get_text() for text in ax.get_legend().texts] == ["previous run", "this run"]
    assert list(figure.axes[0].lines[1].get_ydata()) == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]


def test_curves_show_returns_where_a_game_has_no_winner():
    played = [Report(1, 10, {"loss": 1.0, "train_return": 3.5})]
    assert curves_figure(played).axes[1].get_title() == "return, last 100 episodes"
    assert "3.5" in curves_text(played)


@pytest.mark.parametrize("now", [0, 1, 50])
def test_curves_have_one_size_and_a_transparent_ground(now):
    png = curves_png(reports(now), reports(3, win_rate=0.5))
    assert struct.unpack(">II", png[16:24]) == (900, 250)
    assert png[25] == 6  # colour with alpha
    assert png != curves_png(reports(now + 1))


def test_curves_in_words():
    assert curves_text([]) == "Curves: no update yet"
    said = curves_text(reports(4, win_rate=0.25), reports(2))
    assert "update 4, loss 0.25" in said and "test 0.25" in said and "previous run: loss 0.5 after update 2" in said
