"""Predator and prey, compared with the package that it adapts."""

import numpy as np
import pytest
import torch

from omg_lib.envs import env_info, make_env
from omg_lib.envs.predator_prey import LIMIT, fine

package = pytest.importorskip("mpe2.simple_tag_v3")


@pytest.mark.parametrize("n", [2, 3, 8])
def test_every_step_is_the_packages(n):
    """Observations, rewards and places equal a bare game's with the same chance, in which the prey plays our script."""
    env, bare = make_env("predator_prey", n, seed=5), package.parallel_env(num_adversaries=n, max_cycles=LIMIT)
    rng, paid = np.random.default_rng(0), 0.0
    for k in range(3):
        env.reset(first=k)
        bare.reset()
        bare.unwrapped.np_random = np.random.default_rng((5, k))
        seen, _ = bare.reset()
        hunters = [agent for agent in bare.agents if agent.startswith("adversary")]
        assert len(hunters) == n and env.info.obs_dim == len(seen[hunters[0]])
        while bare.agents:
            assert np.array_equal(env.obs()[0], np.stack([seen[agent] for agent in hunters]))
            agents = bare.unwrapped.world.agents
            moving = np.array([[*agent.state.p_pos, *agent.state.p_vel] for agent in agents], np.float32)
            assert np.array_equal(env.state()[0, : 4 * n + 4], moving.ravel())
            places = env.frame()["obstacles"].astype(np.float32)
            assert np.array_equal(env.state()[0, 4 * n + 4 :], places.ravel())
            hunted = env.scripted_actions(np.full((1, n), 1))[0].tolist()
            chosen = hunted if rng.random() < 0.8 else rng.integers(5, size=n).tolist()
            prey = env.games[0].flee()
            reward, done, info = env.step(np.array([chosen]))
            seen, rewards, _, _, _ = bare.step(dict(zip(hunters, chosen, strict=True)) | {"agent_0": prey})
            assert {float(reward)} == {rewards[agent] for agent in hunters}, "all are paid the same, the team that once"
            assert bool(done) == bool(info["episode_limit"]) == (not bare.agents)
            paid += float(reward)
    assert paid


def test_the_fine_is_the_packages():
    game = package.raw_env(num_adversaries=2)
    game.reset(seed=0)
    prey = game.world.agents[-1]
    for agent in game.world.agents[:-1]:
        agent.state.p_pos = np.array([50.0, 50.0])
    for place in np.random.default_rng(0).uniform(-3, 3, (50, 2)):
        prey.state.p_pos = place
        assert fine(place[None])[0] == pytest.approx(-game.scenario.agent_reward(prey, game.world))


def arranged(prey, *predators, velocity=(0.0, 0.0)):
    env = make_env("predator_prey", len(predators))
    env.reset()
    tag = env.games[0]
    for agent, place in zip(tag.world.agents, [*predators, prey], strict=True):
        agent.state.p_pos, agent.state.p_vel = np.array(place, float), np.zeros(2)
    tag.prey.state.p_vel = np.array(velocity)
    for block in tag.world.landmarks:
        block.state.p_pos = np.array([9.0, 9.0])
    return env, tag


def test_the_prey_by_hand():
    stay, west, east, south, north = range(5)
    assert arranged((0, 0), (-0.3, 0), (-0.4, 0.1))[1].flee() == east
    assert arranged((0, 0), (0, 0.3), (0.1, 0.4))[1].flee() == south
    assert arranged((0.89, 0), (0.5, 0.1), (0.5, 0.2))[1].flee() == south, "east costs a fine"
    _, tag = arranged((0, 0), (-0.3, 0), (-0.4, 0.1))
    tag.world.landmarks[0].state.p_pos = np.array([0.3, 0.0])
    assert tag.flee() in (south, north), "an obstacle bars the east"
    assert stay != west


def test_the_scripts_by_hand():
    env, _ = arranged((0, 0), (0.5, 0.1), (0.1, -0.6), velocity=(0.0, 1.3))
    assert env.scripted_actions(np.array([[0, 0]])).tolist() == [[1, 4]]
    assert env.scripted_actions(np.array([[1, 1]])).tolist() == [[4, 4]], "it heads for where the prey will be"


def scores(choose, episodes=80):
    env, total = make_env("predator_prey", 3, batch=episodes), 0.0
    env.reset()
    for _ in range(LIMIT):
        reward, _, _ = env.step(choose(env))
        total += float(reward.mean())
    return total


@pytest.mark.slow
def test_scores_are_those_that_the_class_tells():
    generator = torch.Generator().manual_seed(0)
    assert env_info("predator_prey", 3).styles == ("chase", "head off")
    assert scores(lambda env: torch.randint(5, (80, 3), generator=generator)) == pytest.approx(0.6, abs=0.6)
    assert scores(lambda env: env.scripted_actions(np.zeros((80, 3), int))) == pytest.approx(17, abs=5)
    assert scores(lambda env: env.scripted_actions(np.ones((80, 3), int))) == pytest.approx(24, abs=6)
