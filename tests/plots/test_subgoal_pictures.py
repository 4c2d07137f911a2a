"""Pictures of subgoals: ghosts are where the decoded state puts them, and bars are as high as the shares."""

from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from omg_lib import make_env
from omg_lib.config import ConfigError
from omg_lib.envs.drawing import INK, TEAM_LOOKS
from omg_lib.plots.subgoals import PAPER_SHARES, choice_figure, subgoal_figure, subgoal_svg

N, SIGHT = 3, 9.0


@pytest.fixture(scope="module")
def battle():
    """Return frames and observations [n, O] of one scripted battle, until it is over."""
    env = make_env("skirmish:partners", N)
    env.reset(first=3)
    moments = []
    while True:
        moments.append((env.frame(), env.obs()[0]))
        if moments[-1][0]["done"]:
            return moments
        env.step(env.scripted_actions(np.zeros((1, N), int)))


def hollow(figure, marker):
    """Return places [., xy] of hollow marks, and their colours."""
    marks = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    assert all(line.get_markerfacecolor() == "none" for line in marks)
    return [np.concatenate(line.get_data()) for line in marks], [to_hex(line.get_color()) for line in marks]


def rows(places):
    return np.array(sorted(map(tuple, places))).reshape(-1, 2)


@pytest.mark.slow
def test_of_what_is_really_seen_the_ghosts_cover_the_units(battle):
    seats = far = 0
    for frame, obs in battle:
        for seat in np.flatnonzero(frame["health"][0] > 0):
            figure = subgoal_figure(frame, int(seat), obs[seat])
            distance = np.hypot(*np.moveaxis(frame["position"] - frame["position"][0, seat], -1, 0))
            there = (frame["health"] > 0) & (distance < SIGHT)
            far += int((there[1] & (distance[1] > 6)).sum())
            discs, colours = hollow(figure, "o")
            assert colours.count(INK) == 1 and np.array_equal(discs[colours.index(INK)], frame["position"][0, seat])
            triangles, _ = hollow(figure, "^")
            assert np.allclose(rows(discs), rows(frame["position"][0][there[0]]), atol=1e-5)
            assert np.allclose(rows(triangles), rows(frame["position"][1][there[1]]), atol=1e-5)
            seats += 1
    assert seats > 10 and far, "includes enemies in sight but out of range"


def test_ghosts_count_from_the_seat_in_sights():
    env = make_env("skirmish", N)
    env.reset()
    frame, decoded = env.frame(), torch.zeros(10 * N)
    decoded[4 : 4 + 5] = torch.tensor([0.5, 0.0, 0.5, 0.0, 0.0])  # enemy 0
    decoded[9 : 9 + 5] = torch.tensor([0.49, 0.3, 0.2, 0.2, 0.9])  # enemy 1: not seen, and too near to be out of range
    decoded[19 : 19 + 5] = torch.tensor([0.6, 0.0, -1.0, 4.0, 0.0])  # the first of seat 1's co-players: seat 0
    figure = subgoal_figure(frame, 1, decoded, sight=4.0)
    own, (discs, colours), (triangles, _) = frame["position"][0, 1], hollow(figure, "o"), hollow(figure, "^")
    ghosts = [place for place, colour in zip(discs, colours, strict=True) if colour == TEAM_LOOKS[0][0]]
    assert np.allclose(ghosts, [own + [-4, 16]]) and np.allclose(triangles, [own + [2, 0]])
    leads = [line.get_xydata() for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert np.allclose(leads, [[frame["position"][0, 0], ghosts[0]], [frame["position"][1, 0], triangles[0]]])
    low, high = figure.axes[0].get_ylim()
    assert low < min(own[1], 0) and high > ghosts[0][1]


def test_nothing_leads_from_the_dead(battle):
    frame, obs = battle[0]
    frame = {**frame, "health": frame["health"] * [[1, 0, 1], [0, 0, 0]]}
    figure = subgoal_figure(frame, 0, obs[0])
    assert len(hollow(figure, "o")[0]) == N, "ghosts of both co-players and the ring"
    assert sum(line.get_linestyle() == ":" for line in figure.axes[0].lines) == 1


def test_svg_is_a_picture_on_a_transparent_ground(battle):
    frame, obs = battle[0]
    root = ElementTree.fromstring(subgoal_svg(frame, 0, obs[0]))
    assert "The subgoal of seat 0 shows" in root.get("aria-label")
    assert "The embedding of seat 0 shows" in subgoal_svg(frame, 0, obs[0], what="embedding")
    assert root.tag.endswith("svg")
    fills = [part.get("style", "") for part in root.iter() if part.tag.endswith("path")]
    assert fills and not any("fill: #ffffff" in style for style in fills)


@pytest.mark.parametrize("seat", [-1, N])
def test_a_seat_that_is_not_there_is_refused(battle, seat):
    with pytest.raises(ConfigError, match="seat="):
        subgoal_figure(battle[0][0], seat, battle[0][1][0])


def test_an_observation_of_another_size_is_refused(battle):
    with pytest.raises(ConfigError, match=r"decoded=\[40\].*\[30\]"):
        subgoal_figure(battle[0][0], 0, torch.zeros(40))


# --- choices ---

ONE, TWO = [0.1, 0.2, 0.3, 0.4, 0.0], [0.5, 0.5, 0.0, 0.0, 0.0]


def names(figure):
    return [text.get_text() for text in figure.legends[0].texts]


def test_bars_are_the_shares_and_marks_the_papers():
    figure = choice_figure({"optimistic": ONE, "conservative": TWO})
    ax = figure.axes[0]
    assert [[bar.get_height() for bar in bars] for bars in ax.containers] == [ONE, TWO]
    (marks,) = (line for line in ax.lines if line.get_marker() == "D")
    assert tuple(marks.get_ydata()) == PAPER_SHARES and sum(PAPER_SHARES) == pytest.approx(1)
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bars in ax.containers for bar in bars]
    spans = sorted([*edges, *((x, x) for x in marks.get_xdata())])
    assert all(a[1] < b[0] for a, b in zip(spans, spans[1:], strict=False)), "no mark hides another"
    assert all(round((a + b) / 2) == 1 + i % 5 for i, (a, b) in enumerate(edges)), "each by its own k"
    assert set(names(figure)) == {"optimistic", "conservative", "the paper's Table 3"}


def test_another_horizon_has_no_marks():
    figure = choice_figure({"run": [0.5, 0.25, 0.25]})
    assert not figure.axes[0].lines and names(figure) == ["run"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["t+1", "t+2", "t+3"]


@pytest.mark.parametrize("shares", [{}, {str(i): ONE for i in range(5)}, {"a": ONE, "b": [1.0]}])
def test_shares_that_cannot_stand_side_by_side_are_refused(shares):
    with pytest.raises(ConfigError, match="shares="):
        choice_figure(shares)
