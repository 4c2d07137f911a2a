"""Foraging, compared with the package that it adapts."""

import numpy as np
import pytest
import torch

from omg_lib.envs import env_info, make_env
from omg_lib.envs.foraging import RULES

gymnasium = pytest.importorskip("gymnasium")
package = pytest.importorskip("lbforaging.foraging")

NORTH, SOUTH, WEST, EAST, LOAD = range(1, 6)


def started(n=2, batch=1, seed=0, first=0):
    env = make_env("foraging", n, batch=batch, seed=seed)
    env.reset(first=first)
    return env


def look(env):
    return {"obs": env.obs(), "state": env.state(), "avail_actions": env.avail_actions()}


def random_actions(env):
    """Choose an available action for each seat, a function of (episode, time, seat): any row plays it alike."""
    dice = np.stack([
        np.random.default_rng((int(env.episode[row]), env.frame(row)["time"])).random((env.info.n_agents, 6))
        for row in range(env.batch)
    ])  # fmt: skip
    return (dice * env.avail_actions().numpy()).argmax(-1)


def arranged(env, food, players):
    """Place food {(row, column): level} and players [(row, column, level)] in the first game."""
    game = env.games[0].package
    game.field[:] = 0
    for cell, level in food.items():
        game.field[cell] = level
    for player, (row, column, level) in zip(game.players, players, strict=True):
        player.position, player.level = (row, column), level
    game._gen_valid_moves()
    env._take({0: env.games[0]._moment(game.test_make_gym_obs(), 0.0, False)})
    return env


@pytest.mark.parametrize("n", [2, 3, 4])
def test_rules_and_sizes_are_the_packages(n):
    registered = gymnasium.spec(f"Foraging-8x8-{n}p-3f-v3").kwargs
    assert registered == RULES | {"players": n}
    game = gymnasium.make(f"Foraging-8x8-{n}p-3f-v3").unwrapped
    env, info = started(n, batch=2), env_info("foraging", n)
    assert env.info == info
    assert [space.shape for space in game.observation_space] == [(info.obs_dim,)] * n
    assert [space.n for space in game.action_space] == [info.n_actions] * n
    assert game._max_episode_steps == info.episode_limit
    assert env.obs().shape == (2, n, info.obs_dim)
    assert env.state().shape == (2, info.state_dim)
    assert env.avail_actions().shape == (2, n, info.n_actions)
    assert (info.has_winner, info.general_sum, info.styles, info.teams) == (False, True, (), ())


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 4])
def test_every_step_is_the_packages(n):
    """Observations, rewards, ends and valid actions equal a bare game's with the same chance and actions."""
    env, paid = make_env("foraging", n, seed=5), 0.0
    for k in range(8):
        env.reset(first=k)
        bare = package.ForagingEnv(players=n, normalize_reward=False, **RULES)
        bare.np_random = np.random.default_rng((5, k))
        seen, _ = bare.reset()
        done = False
        while not done:
            assert np.array_equal(env.obs()[0], seen)
            valid = np.zeros((n, 6), bool)
            for joint in bare.get_valid_actions():
                valid[range(n), [action.value for action in joint]] = True
            assert np.array_equal(env.avail_actions()[0], valid)
            assert valid[:, 0].all()
            actions = random_actions(env)
            reward, done, info = env.step(actions)
            seen, rewards, over, _, _ = bare.step(actions[0])
            assert info["rewards"][0].tolist() == rewards
            assert float(reward) == sum(rewards)
            assert bool(done) == over
            paid += sum(rewards)
    assert paid


def test_what_the_state_holds_and_nobody_observes_only_zeros():
    env = started(3, batch=4)
    for _ in range(60):
        obs, state = env.obs(), env.state()
        food, players = state[:, :9], state[:, 9:].reshape(4, 3, 3)
        for seat, order in enumerate(([0, 1, 2], [1, 0, 2], [2, 0, 1])):
            assert torch.equal(obs[:, seat], torch.cat([food, players[:, order].flatten(1)], dim=1))
        assert (players[..., 2] >= 1).all()
        assert obs.any(-1).all()
        _, done, _ = env.step(random_actions(env))
        env.reset(done)


def test_rewards_by_hand():
    """Levels 1 and 2 beside a food of 3: neither gets it alone, together each earns its level times the food."""
    env = arranged(started(), {(3, 3): 3, (6, 6): 1}, [(3, 2, 1), (2, 3, 2)])
    for actions in ([LOAD, 0], [0, LOAD]):
        assert env.step(np.array([actions]))[2]["rewards"].tolist() == [[0, 0]]
    reward, done, info = env.step(np.array([[LOAD, LOAD]]))
    assert (reward.tolist(), info["rewards"].tolist(), done.tolist()) == ([9], [[3, 6]], [False])
    assert env.frame()["rewards"].tolist() == [3, 6]
    assert env.state()[0].tolist() == [6, 6, 1] + [-1, -1, 0] * 2 + [3, 2, 1, 2, 3, 2]


def test_moves_by_hand():
    env = arranged(started(), {(3, 3): 1}, [(3, 2, 1), (0, 0, 2)])
    assert env.avail_actions()[0].int().tolist() == [[1, 1, 1, 1, 0, 1], [1, 0, 1, 0, 1, 0]]
    for actions, places in (([NORTH, SOUTH], [[2, 2], [1, 0]]), ([WEST, EAST], [[2, 1], [1, 1]])):
        env.step(np.array([actions]))
        assert env.frame()["position"].tolist() == places
    env.step(np.array([[NORTH, 0]]))
    assert env.frame()["position"].tolist() == [[2, 1], [1, 1]], "the cell is taken"


def test_the_game_ends_when_the_food_is_gone_and_a_done_row_is_frozen():
    env = arranged(started(batch=2), {(3, 3): 1}, [(3, 2, 1), (0, 0, 2)])
    _, done, info = env.step(np.array([[LOAD, 0], [0, 0]]))
    assert done.tolist() == [True, False]
    before, time = look(env), env.frame(0)["time"]
    for _ in range(3):  # no action is required of a done row
        reward, done, info = env.step(np.array([[99, -1], [0, 0]]))
        assert (reward[0], info["rewards"][0].tolist()) == (0, [0, 0])
        assert done.tolist() == [True, False]
        assert not info["episode_limit"].any() and not info["battle_won"].any()
        for key, value in look(env).items():
            assert torch.equal(value[0], before[key][0])
    assert env.frame(0)["time"] == time and env.frame(1)["time"] == 4


def test_the_limit_cuts_an_episode_unless_the_food_goes_in_that_very_step():
    env = started()
    for step in range(1, 53):
        reward, done, info = env.step(np.zeros((1, 2), int))
        assert bool(done) == bool(info["episode_limit"]) == (step >= 50)
        assert not reward and not info["battle_won"]
    env.reset()
    for _ in range(49):
        env.step(np.zeros((1, 2), int))
    arranged(env, {(3, 3): 1}, [(3, 2, 1), (0, 0, 2)])
    _, done, info = env.step(np.array([[LOAD, 0]]))
    assert done and not info["episode_limit"]


def test_an_episode_does_not_depend_on_those_before_it():
    """The package's own reset keeps players off their previous places."""
    used = started(4)
    for k in range(100):
        used.reset(first=k)
        assert torch.equal(used.state(), started(4, first=k).state()), k


@pytest.mark.slow
def test_scores_are_of_the_papers_size():
    """The class's figures for two players: at random 1.0, in every food 9.4, with minimum levels 7.7."""
    env = started(batch=300)
    total, done = torch.zeros(300, 2), torch.zeros(300, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    company, thrift = [], []
    for row in range(300):
        frame = env.frame(row)
        food, (low, high) = frame["food"][frame["food"] > 0], sorted(frame["level"])
        assert len(food) == 3
        least = np.where(food <= low, low, np.where(food <= high, high, low + high))
        company.append((low + high) * food.sum() / 2)
        thrift.append((least * food).sum() / 2)
    while not done.all():
        available = env.avail_actions()
        _, done, info = env.step((torch.rand(available.shape, generator=generator) * available).argmax(-1))
        total += info["rewards"]
    assert np.mean(company) == pytest.approx(9.4, abs=0.6)
    assert np.mean(thrift) == pytest.approx(7.7, abs=0.6)
    assert float(total.mean()) == pytest.approx(1.0, abs=0.25)
