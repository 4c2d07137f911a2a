"""The small game: its rules against a slow reading of them, its learners, and the value of an oracle in it."""

import numpy as np
import pytest

import omg_lib.experiment.gridworld as gw
from omg_lib.config import ConfigError
from omg_lib.experiment.gridworld import (
    GridGames,
    Learned,
    band,
    best_actions,
    episode,
    learn,
    state_pairs,
    table,
    update,
    value_map,
)


def distance(cells, goal):
    """Return the steps from cells to the reward with this number."""
    return sum(abs(a - b) for a, b in zip(np.divmod(cells, 11), divmod(gw.REWARDS[goal], 11), strict=True))


def games(count=400, seed=0):
    return GridGames(count, np.random.default_rng(seed))


def test_the_opponent_goes_to_its_goal_by_a_shortest_path_and_stays():
    played = games()
    goal = played.goal.copy()
    assert set(goal) == {0, 1}
    for t in range(15):
        away = np.where(goal == 0, distance(played.opponent, 0), distance(played.opponent, 1))
        assert (away == max(10 - t, 0)).all()
        told = gw.TARGETS[played.opponent, played.intent]
        played.step(np.zeros(400, dtype=np.int64))
        assert (played.opponent == told).all(), "the oracle reveals what really happens"
    assert (played.goal == goal).all()


def test_one_action_of_the_opponent_leaves_its_goal_open():
    played = games()
    left = [(played.intent[played.goal == goal] == 2).mean() for goal in (0, 1)]
    assert left == pytest.approx([0.5, 0.5], abs=0.1)


def test_rules_equal_a_slow_reading_of_them():
    rng = np.random.default_rng(1)
    played, n, ends = games(300), 300, {"won": 0, "limit": 0, "together": 0}
    left, time = [set(gw.REWARDS) for _ in range(n)], [0] * n
    aims = rng.integers(2, size=n)
    for _ in range(120):
        straight = gw.SHORTEST_STEPS[aims, played.own, rng.integers(2, size=n)] % 4
        actions = np.where(rng.random(n) < 0.9, straight, rng.integers(4, size=n))
        won, over = played.step(actions)
        for i in range(n):
            own, opponent = int(played.own[i]), int(played.opponent[i])
            gets = own in left[i] and own != opponent
            ends["together"] += own in left[i] and own == opponent
            left[i] -= {own, opponent}
            time[i] += 1
            assert won[i] == gets
            assert over[i] == (not left[i] or time[i] == 40)
            ends["won"] += gets
            ends["limit"] += bool(left[i]) and time[i] == 40
            if over[i]:
                left[i], time[i] = set(gw.REWARDS), 0
        played.restart(np.flatnonzero(over))
        assert (played.own[over] == 55).all() and (played.opponent[over] == 65).all() and not played.time[over].any()
    assert min(ends.values()) > 20, f"every way to end was seen: {ends}"


def test_walls_hold_and_the_limit_ends_an_episode():
    played = games(3)
    for t in range(40):
        won, over = played.step(np.full(3, 2))
        assert (played.own == 55).all() and not won.any() and (over == (t == 39)).all()


def test_a_restart_leaves_other_games_alone():
    played = games(50)
    for _ in range(4):
        played.step(np.full(50, 3))
    before = [field.copy() for field in (played.own, played.opponent, played.goal, played.intent, played.time)]
    played.restart(np.arange(10))
    for old, new in zip(before, (played.own, played.opponent, played.goal, played.intent, played.time), strict=True):
        assert (old[10:] == new[10:]).all()
    assert (played.own[:10] == 55).all() and (played.own[10:] == 59).all()


def test_rows_hold_what_the_learner_sees():
    played = games(1)
    played.own[:], played.opponent[:], played.goal[:], played.intent[:] = 3, 7, 1, 2
    s = 3 * 121 + 7
    assert [played.rows(c, "both")[0] for c in ("none", "action", "subgoal")] == [s, 5 * s + 2, 2 * s + 1]
    assert [played.rows(c, "own")[0] for c in ("none", "action", "subgoal")] == [3, 5 * 3 + 2, 2 * 3 + 1]


def test_an_update_equals_one_by_hand():
    q = np.array([[0.0, 0.2, 0.0, 0.0], [0.4, 0.1, 0.0, 0.6], [0.5, 0.5, 0.5, 0.5]])
    rows, actions, won = np.array([0, 2]), np.array([1, 3]), np.array([False, True])
    update(q, rows, actions, won, np.array([1, 0]))
    # 0.2 + 0.5 (0.9 * 0.6 - 0.2), and 0.5 + 0.5 (1 - 0.5): nothing follows a win
    assert q == pytest.approx(np.array([[0, 0.37, 0, 0], [0.4, 0.1, 0, 0.6], [0.5, 0.5, 0.5, 0.75]]))


def test_greedy_takes_the_best_and_ties_fall_evenly():
    q, rng = np.zeros((2, 4)), np.random.default_rng(0)
    q[1, 2] = 0.01
    assert (best_actions(q, np.ones(100, dtype=np.int64), rng) == 2).all()
    counts = np.bincount(best_actions(q, np.zeros(4000, dtype=np.int64), rng), minlength=4)
    assert counts == pytest.approx(np.full(4, 1000), abs=150)


def test_equal_seeds_give_equal_results_and_tests_change_no_training(monkeypatch):
    first, again, other = (learn("action", 2000, 3, seed) for seed in (5, 5, 6))
    assert (first.q == again.q).all() and (first.returns == again.returns).all()
    assert (first.q != other.q).any()
    monkeypatch.setattr(gw, "TESTS", 7)
    assert (learn("action", 2000, 3, 5).q == first.q).all()


@pytest.mark.parametrize("state", ["both", "own"])
@pytest.mark.parametrize("condition", ["none", "action", "subgoal"])
def test_a_curve_counts_steps_and_pairs(condition, state):
    curve = learn(condition, 4000, 2, state=state)
    assert curve.steps.tolist() == list(range(0, 4001, 200))
    assert curve.returns.shape == curve.pairs.shape == (2, 21)
    assert (curve.pairs[:, 0] == 0).all() and (curve.pairs[:, 1] > 1).all() and (np.diff(curve.pairs) >= 0).all()
    assert (curve.pairs[:, -1] <= state_pairs(condition, state)).all()
    assert ((curve.q != 0).any(-1).sum(1) <= curve.pairs[:, -1]).all(), "what was never seen was never learnt"


def test_repetitions_are_independent_learners():
    curve = learn("subgoal", 4000, 4, state="own")
    assert len({q.tobytes() for q in curve.q}) == 4


def search(condition, state):
    """Return every pair of s and the oracle's message, found by trying everything that may happen."""
    todo = [(55, 65, goal) for goal in (0, 1)]
    seen, pairs = set(todo), set()
    while todo:
        own, opponent, goal = todo.pop()
        for intent in set(gw.SHORTEST_STEPS[goal, opponent].tolist()):
            word = {"none": 0, "action": intent, "subgoal": goal}[condition]
            pairs.add((own, opponent if state == "both" else 0, word))
            for action in range(4):
                new = int(gw.TARGETS[own, action]), int(gw.TARGETS[opponent, intent]), goal
                if new not in seen and (new[0] not in gw.REWARDS or new[0] == new[1]):
                    seen.add(new)
                    todo.append(new)
    return len(pairs)


@pytest.mark.parametrize("state", ["both", "own"])
def test_pairs_with_a_subgoal_are_fewer_than_pairs_with_an_action(state):
    counts = {condition: state_pairs(condition, state) for condition in gw.CONDITIONS}
    assert counts == {condition: search(condition, state) for condition in gw.CONDITIONS}
    assert counts["none"] < counts["subgoal"] < 0.7 * counts["action"]


@pytest.mark.slow
def test_beside_the_subgoal_ones_own_cell_is_all_one_needs():
    """Given g, a learner plays perfectly; for the two others, their own cell alone is not a Markov state."""
    last = {c: learn(c, 20_000, 40, state="own").returns[:, -1] for c in gw.CONDITIONS}
    assert last["subgoal"] == pytest.approx(np.full(40, 0.9**9), abs=0.02)
    assert max(last["none"].mean(), last["action"].mean()) < 0.2


@pytest.mark.slow
def test_where_the_board_shows_the_goal_subgoals_beat_actions_and_add_nothing_to_it():
    """Over 12 seeds with 20 learners each, learners given g were better than those given actions by 0.011 (0.006 to
    0.016), and than those given nothing by -0.001 (-0.005 to 0.003)."""
    curves = {c: learn(c, 50_000, 40).returns.mean(axis=0) for c in gw.CONDITIONS}
    last = {c: curve[-1] for c, curve in curves.items()}
    assert all(curve[-1] > curve[-6] + 0.005 for curve in curves.values()), "notebook 5 says: they still rise"
    assert last["subgoal"] - last["action"] > 0.004
    assert abs(last["subgoal"] - last["none"]) < 0.01


def made(q, condition="subgoal", state="own"):
    none = np.zeros((len(q), 1))
    return Learned(condition, state, np.zeros(1, dtype=np.int64), none, none.astype(np.int64), q)


def test_an_episode_to_draw_follows_the_table():
    q = np.zeros((1, 242, 4))
    for goal in (0, 1):
        q[0, goal::2] = -distance(gw.TARGETS[:, :4], 1 - goal)
    shown = [episode(made(q), seed) for seed in range(8)]
    assert {one.goal for one in shown} == {0, 1}
    for one in shown:
        assert one.won and len(one.agent) == len(one.opponent) == 11
        assert one.agent[0].tolist() == [5, 0] and one.opponent[0].tolist() == [5, 10]
        assert one.agent[-1].tolist() == [[10, 5], [0, 5]][one.goal]
        assert one.opponent[-1].tolist() == [[0, 5], [10, 5]][one.goal]
        assert (np.abs(np.diff(one.agent, axis=0)).sum(1) == 1).all()
    q[..., 2] = 1  # into the wall
    lost = episode(made(q))
    assert not lost.won and len(lost.agent) == 41


def test_a_return_is_discounted_and_counts_the_first_win_of_an_episode():
    q = np.zeros((2, 242, 4))
    q[0, 0::2] = -distance(gw.TARGETS[:, :4], 1)  # learner 0 wins if the goal is 0, and would win again
    q[0, 1::2, 2] = 1  # otherwise it walks into the wall, as learner 1 always does
    q[1, :, 2] = 1
    returns = gw.greedy_returns(q, "subgoal", "own", np.random.default_rng(0))
    wins = returns[0] / 0.9**9 * 50
    assert wins == pytest.approx(round(wins)) and 15 < wins < 35 and returns[1] == 0


def test_value_map_takes_the_largest_value_of_a_cell_and_the_mean_over_learners():
    q = np.zeros((2, 121 * 121 * 5, 4))
    q[0, (13 * 121 + 100) * 5 + 4, 2] = 0.8  # the agent in cell 13: row 1, column 2
    q[1, (13 * 121 + 7) * 5, 0] = 0.4
    shown = value_map(made(q, "action", "both"))
    assert shown[1, 2] == pytest.approx(0.6) and shown.sum() == pytest.approx(0.6)


def test_bands_and_rows_hold_the_mean_over_learners():
    returns = np.array([[0.0, 0.3], [1.0, 0.3]])
    mean, low, high = band(returns)
    assert mean == pytest.approx([0.5, 0.3])
    assert low == pytest.approx([0, 0.3]) and high == pytest.approx([1, 0.3])
    many = np.random.default_rng(0).normal(size=(100, 1))
    mean, low, high = band(many)
    assert (high - low)[0] == pytest.approx(2 * 1.96 * many.std() / 10, rel=0.1)
    curve = Learned("none", "own", np.array([0, 500]), returns, np.array([[0, 3], [0, 4]]), np.zeros((2, 121, 4)))
    assert table([curve, curve])[1] == pytest.approx(
        {"condition": "none", "state": "own", "steps": 500, "return": 0.3, "low": 0.3, "high": 0.3, "pairs": 3.5}
    )
    assert len(table([curve, curve])) == 4


@pytest.mark.parametrize(
    "name, bad",
    [
        ("condition", "goal"), ("condition", None), ("state", "neither"), ("state", 2), ("steps", 399), ("steps", 1e5),
        ("steps", True), ("repetitions", 1), ("repetitions", 201), ("seed", -1), ("seed", 0.5),
    ],
)  # fmt: skip
def test_bad_input_is_named(name, bad):
    with pytest.raises(ConfigError, match=f"^{name}=.*: allowed"):
        learn(**{"condition": "none", name: bad})


def test_bad_input_elsewhere():
    with pytest.raises(ConfigError, match="^condition='x': allowed are none, action, subgoal$"):
        state_pairs("x")
    with pytest.raises(ConfigError, match="^seed=-1: allowed"):
        episode(made(np.zeros((1, 242, 4))), -1)
