"""The skirmish environments through their interface: rewards, ends, seeds, availability, observations."""

import numpy as np
import pytest
import torch
from battles import look, mixed_squads, play, random_actions, squads, started
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib.envs import make_env

NAMES = st.sampled_from(["skirmish", "skirmish:partners"])
SIZES = st.integers(2, 16)
SEEDS = st.integers(0, 1000)


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


def test_types_are_those_of_the_contract():
    env = started(n=3, batch=2)
    reward, done, info = env.step(env.scripted_actions(squads(env, "nearest")))
    assert (env.obs().dtype, env.state().dtype, reward.dtype) == (torch.float32,) * 3
    assert (env.avail_actions().dtype, done.dtype) == (torch.bool,) * 2
    assert {key: (value.dtype, tuple(value.shape)) for key, value in info.items()} == {
        "battle_won": (torch.bool, (2,)),
        "episode_limit": (torch.bool, (2,)),
    }
    assert env.scripted_actions(squads(env, "kite")).dtype == torch.int64


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
    # Nothing is asked of a done row's actions.
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


def stories(env, styles, episodes):
    """What happens in each episode, when a row that is done goes on with the next one."""
    told, begun = {}, [[] for _ in range(env.batch)]
    while len(told) < episodes:
        seen, actions = look(env), env.scripted_actions(styles)
        playing = env.episode
        reward, done, _ = env.step(actions)
        for row in range(env.batch):
            begun[row].append([value[row].clone() for value in (*seen.values(), actions, reward)])
            if done[row]:
                told[int(playing[row])] = begun[row]
                begun[row] = []
        if done.any():
            env.reset(done)
    return told


@pytest.mark.parametrize("name", ["skirmish", "skirmish:partners"])
def test_an_episode_is_the_same_at_any_width_and_after_partial_resets(name):
    told = []
    for batch in (1, 3, 8):
        env = started(name, 3, batch=batch, seed=11)
        told.append(stories(env, squads(env, "index", "weakest", "kite"), episodes=8))
    for k in range(8):
        for other in told[1:]:
            if k in other:
                assert len(told[0][k]) == len(other[k])
                assert all(
                    torch.equal(a, b)
                    for left, right in zip(told[0][k], other[k], strict=True)
                    for a, b in zip(left, right, strict=True)
                )
    assert sum(k in told[2] for k in range(8)) >= 4


def test_episodes_differ_from_each_other_and_between_seeds():
    starts = [started(seed=seed, first=k).state() for seed in (0, 1) for k in (0, 1)]
    assert len({tuple(state.flatten().tolist()) for state in starts}) == 4


def test_numbers_of_episodes():
    env = make_env("skirmish", 3, batch=4)
    assert env.episode.tolist() == [-1] * 4
    env.reset()
    assert env.episode.tolist() == [0, 1, 2, 3]
    kept = env.episode
    env.reset(torch.tensor([False, True, False, True]))
    assert env.episode.tolist() == [0, 4, 2, 5]
    env.reset(torch.tensor([True, False, False, False]))
    assert env.episode.tolist() == [6, 4, 2, 5]
    env.reset(first=100)
    assert env.episode.tolist() == [100, 101, 102, 103]
    env.reset(np.array([True, False, False, False]))
    assert env.episode.tolist() == [104, 101, 102, 103]
    assert kept.tolist() == [0, 1, 2, 3]


def test_a_partial_reset_leaves_other_rows_alone():
    env = started(n=4, batch=3)
    for _ in range(6):
        env.step(env.scripted_actions(squads(env, "nearest")))
    before = look(env)
    env.reset(torch.tensor([False, True, False]))
    after = look(env)
    for key, value in before.items():
        assert torch.equal(value[[0, 2]], after[key][[0, 2]])
    assert torch.equal(after["state"][1], started(n=4, first=3).state()[0])


def test_what_was_returned_is_never_written_to_nor_does_writing_to_it_matter():
    def outcome(spoil):
        env = started(n=3, batch=2)
        styles, kept = squads(env, "nearest"), []
        for _ in range(8):
            actions = env.scripted_actions(styles)
            reward, done, info = env.step(actions)
            given_out = [*look(env).values(), reward, done, *info.values(), actions]
            kept.append((given_out, [value.clone() for value in given_out]))
            if spoil:
                for value in given_out:
                    value.fill_(1)
                env.avail_actions().fill_(True)
                assert not env.avail_actions().all()
        return kept

    honest = outcome(spoil=False)
    assert all(torch.equal(a, b) for now, then in honest for a, b in zip(now, then, strict=True))
    for (_, then), (_, spoilt) in zip(honest, outcome(spoil=True), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(then, spoilt, strict=True))


def test_bad_calls():
    env = make_env("skirmish", 3, batch=2)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(np.ones((2, 3), int))
    env.reset()
    with pytest.raises(ValueError, match=r"shape \[3, 2\].*\[2, 3\]"):
        env.step(np.ones((3, 2), int))
    with pytest.raises(ValueError, match="whole numbers"):
        env.step(torch.ones(2, 3))
    for action in (0, 6, 9, 99, -1):
        actions = np.ones((2, 3), int)
        actions[1, 2] = action
        with pytest.raises(ValueError, match=f"action {action} of seat 2 in row 1"):
            env.step(actions)
    for styles, named in (
        (np.zeros((1, 3), int), "shape"),
        (np.full((2, 3), 999), "999"),
        (-np.ones((2, 3), int), "-1"),
    ):
        with pytest.raises(ValueError, match=named):
            env.scripted_actions(styles)
    for mask in (np.ones(3, bool), np.ones(2)):
        with pytest.raises(ValueError, match="mask"):
            env.reset(mask)
    env.close()
    env.close()


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
