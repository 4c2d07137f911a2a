"""The skirmish environments through their interface: rewards, ends, seeds, availability, observations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib.envs.skirmish import action_names
from tests.helpers.battles import look, mixed_squads, play, random_actions, squads, started

NAMES = st.sampled_from(["skirmish", "skirmish:partners"])
SIZES = st.integers(2, 16)
SEEDS = st.integers(0, 1000)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(name=NAMES, n=SIZES, seed=SEEDS, scripted=st.booleans())
def test_invariants_of_a_battle(name, n, seed, scripted):
    env = started(name, n, batch=3, seed=seed)
    rng, styles, total = np.random.default_rng(seed), mixed_squads(env), torch.zeros(3)
    done = torch.zeros(3, dtype=torch.bool)
    while not done.all():
        obs, state, available = env.obs(), env.state(), env.avail_actions()
        health = state[:, : 4 * n].reshape(3, n, 4)[..., 0]
        dead = health <= 0
        assert torch.equal(available[..., 0], dead)
        assert not available[dead][:, 1:].any()
        assert not obs[dead].any()
        assert not state[:, : 4 * n].reshape(3, n, 4)[dead].any()
        assert torch.equal(obs[..., -1], health)
        assert available.any(-1).all()
        actions = env.scripted_actions(styles)
        assert available.gather(2, actions[..., None]).all()
        reward, done, info = env.step(actions if scripted else random_actions(env, rng))
        assert (reward >= 0).all()
        total += reward
    assert (total <= 20 + 1e-4).all()
    assert torch.allclose(total[info["battle_won"]], torch.tensor(20.0))
    assert (total[~info["battle_won"]] <= 20 * (1 - 200 / (200 + 55 * n)) + 1e-4).all()
    assert not (info["battle_won"] & info["episode_limit"]).any()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_actions_may_be_any_whole_numbers_of_torch_or_numpy(dtype):
    outcomes = []
    for convert in (lambda a: a.to(dtype), lambda a: a.to(dtype).numpy()):
        env = started(n=3, batch=2)
        env.step(convert(env.scripted_actions(squads(env, "nearest"))))
        outcomes.append(env.state())
    assert torch.equal(*outcomes)


def test_a_done_row_is_frozen():
    env = started("skirmish:partners", 3, batch=16)
    styles = squads(env, "order 1,0")
    done = torch.zeros(16, dtype=torch.bool)
    while not done.all():
        before, was_done = look(env), done
        reward, done, info = env.step(env.scripted_actions(styles))
        after = look(env)
        assert (was_done <= done).all()
        assert not reward[was_done].any()
        for key in before:
            assert torch.equal(before[key][was_done], after[key][was_done])
    won = info["battle_won"]
    assert 0 < won.sum() < 16
    # No action is required of a done row.
    frame = env.frame()
    reward, done, info = env.step(np.full((16, 3), 99))
    assert done.all()
    assert torch.equal(info["battle_won"], won)
    assert env.frame()["time"] == frame["time"]


def test_the_limit_ends_an_episode_without_a_winner():
    env = started(n=2, batch=2, limit=5)
    for step in range(1, 8):
        _, done, info = env.step(np.ones((2, 2), int))
        assert done.tolist() == info["episode_limit"].tolist() == [step >= 5] * 2
        assert not info["battle_won"].any()


def test_a_battle_decided_in_the_last_step_is_not_cut():
    length = len(play(started(n=2, first=3), squads(started(n=2), "weakest")))
    env = started(n=2, first=3, limit=length)
    story = play(env, squads(env, "weakest"))
    assert len(story) == length
    assert not story[-1]["episode_limit"].any()
    env = started(n=2, first=3, limit=length - 1)
    assert play(env, squads(env, "weakest"))[-1]["episode_limit"].all()


def test_the_observation_by_hand():
    """Seat 0 at (-7, 0) sees mate 1 three to the north; enemy 0 is five to the east, enemy 1 out of sight."""
    env = started(n=2)
    place = np.array([[[-7.0, 0.0], [-7.0, 3.0]], [[-2.0, 0.0], [13.0, 0.0]]])
    x, y = place[..., 0] * np.array([[1], [-1]]), place[..., 1]
    env.battle.begin(np.array([True]), np.stack([x, y]).astype(np.float32)[:, None], np.zeros((1, 2, 2), np.float32))
    expected = [1, 1, 1, 1] + [1, 5 / 9, 5 / 9, 0, 1] + [0, 0, 0, 0, 0] + [1, 3 / 9, 0, 3 / 9, 1] + [1]
    assert torch.allclose(env.obs()[0, 0], torch.tensor(expected, dtype=torch.float32))
    assert env.avail_actions()[0].int().tolist() == [[0, 1, 1, 1, 1, 1, 1, 0]] * 2
    own = [1, 0, -7 / 32, 0, 1, 0, -7 / 32, 3 / 32]
    expected = own + [1, -2 / 32, 0, 1, 13 / 32, 0] + [0] * 16
    assert torch.allclose(env.state()[0], torch.tensor(expected, dtype=torch.float32))

    reward, _, _ = env.step(np.array([[6, 2]]))
    assert reward[0] == pytest.approx(6 * 20 / (2 * 45 + 2 * 10 + 200))
    state = env.state()[0]
    assert state[1] == pytest.approx(0.72 / 1.72)
    assert state[7] == pytest.approx((3 + 1.125) / 32)
    assert state[8] == pytest.approx(39 / 45)
    assert state[14:].reshape(2, 8).argmax(-1).tolist() == [6, 2]
    assert state[14:].sum() == 2


def test_actions_have_names_in_their_order():
    env = started("skirmish", 3, batch=1, seed=0)
    names = action_names(3)
    assert len(names) == env.info.n_actions and names[6:] == ("attack 0", "attack 1", "attack 2")
    for name, way in {"stop": (0, 0), "north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}.items():
        before = env.frame()["position"][0].copy()
        env.step(torch.full((1, 3), names.index(name)))
        assert np.array_equal(np.sign((env.frame()["position"][0] - before).round(6)), np.tile(way, (3, 1))), name
