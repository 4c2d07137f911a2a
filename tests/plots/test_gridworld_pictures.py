"""Pictures of the small game show what was played and measured."""

from xml.etree import ElementTree

import numpy as np
import pytest

from omg_lib.experiment.gridworld import BEST_RETURN, Episode, Learned, band
from omg_lib.plots.gridworld import gridworld_figure, gridworld_svg


def played(won=True):
    agent = np.array([[5, 0], [5, 1], [6, 1]])
    opponent = np.array([[5, 10], [5, 9], [4, 9]])
    return Episode(agent, opponent, 0, won)


def curve(condition, state="both", shift=0.0):
    returns = np.linspace(0.05, 0.3, 4)[None] + shift + np.array([[0.0], [0.02], [0.04]])
    return Learned(condition, state, np.array([0, 10, 20, 30]), returns, np.zeros((3, 4), int), np.zeros((3, 1, 4)))


def parts(svg):
    root = ElementTree.fromstring(svg)
    return root, {g.get("class"): g for g in root.iter() if g.get("class")}


@pytest.mark.parametrize("player", ["agent", "opponent"])
def test_paths_go_through_the_cells_of_the_episode(player):
    _, groups = parts(gridworld_svg(played()))
    line = next(part for part in groups[player].iter() if part.tag.endswith("polyline"))
    points = np.array([[float(v) for v in point.split(",")] for point in line.get("points").split()])
    cells = np.flip(points - 22, axis=1) // 32  # x counts columns, y rows
    assert cells.tolist() == getattr(played(), player).tolist()


def test_picture_says_what_happened():
    root, _ = parts(gridworld_svg(played()))
    assert root.get("role") == "img"
    assert root.get("aria-label") == "The opponent heads for the upper reward. The agent gets the other one at step 2."
    assert "gets none in 2 steps" in gridworld_svg(played(won=False))


def test_values_shade_their_cells():
    assert "<rect" not in gridworld_svg(played())
    values = np.zeros((11, 11))
    values[2, 7] = 0.75
    root, _ = parts(gridworld_svg(played(), values))
    rects = [part for part in root.iter() if part.tag.endswith("rect")]
    shaded = [(rect.get("x"), rect.get("y")) for rect in rects if float(rect.get("fill-opacity")) == 0.75]
    assert len(rects) == 121 and shaded == [(str(22 + 7 * 32), str(22 + 2 * 32))]


def test_curves_show_means_bands_and_the_best_return():
    curves = [curve("none"), curve("subgoal", shift=0.02), curve("subgoal", "own")]
    figure = gridworld_figure(curves)
    both, own = figure.axes
    assert [line.get_label() for line in both.lines[1:]] == ["told nothing: Q(s, a)", "told its subgoal: Q(s, g, a)"]
    assert len(own.lines) == 2 and len(own.collections) == 1
    for ax in figure.axes:
        assert list(ax.lines[0].get_ydata()) == [BEST_RETURN] * 2
        assert ax.get_xlabel() == "environment steps of each learner"
    assert both.get_ylabel() == "discounted return"
    for line, filled, shown in zip(both.lines[1:], both.collections, curves[:2], strict=True):
        mean, low, high = band(shown.returns)
        assert list(line.get_xdata()) == [0, 10, 20, 30] and line.get_ydata() == pytest.approx(mean)
        height = filled.get_paths()[0].vertices[:, 1]
        assert set(height.round(9)) == set(np.concatenate([low, high]).round(9))
    assert len(figure.legends[0].texts) == 2, "each condition is named once"
