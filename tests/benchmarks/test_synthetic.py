"""Both interfaces of the synthetic environment play the same game."""

import numpy as np
import pytest
import torch

from benchmarks.our_side import Ours
from benchmarks.synthetic import LIMIT, SHORTEST, ScalarSynthetic, Synthetic


def test_both_faces_play_the_same_episodes():
    rows = 5
    batched = Synthetic(3, batch=rows, seed=7)
    batched.reset()
    scalars = [ScalarSynthetic(3, seed=7) for _ in range(rows)]
    for row, game in enumerate(scalars):
        for _ in range(row + 1):
            game.reset()
    over = np.zeros(rows, bool)
    rng = np.random.default_rng(0)
    while not over.all():
        obs, state, avail = batched.obs(), batched.state(), batched.avail_actions()
        actions = rng.integers(0, batched.info.n_actions, (rows, 3))
        reward, done, info = batched.step(torch.from_numpy(actions))
        for row in np.flatnonzero(~over):
            game = scalars[row]
            assert np.array_equal(obs[row], np.stack(game.get_obs()))
            assert np.array_equal(state[row], game.get_state())
            assert avail[row].int().tolist() == game.get_avail_actions()
            earned, ended, outcome = game.step(actions[row])
            assert (float(reward[row]), bool(done[row])) == (earned, ended)
            assert bool(info["episode_limit"][row]) == outcome["episode_limit"]
        assert not reward[torch.from_numpy(over)].any()
        over |= done.numpy()


def test_an_episode_does_not_depend_on_the_width():
    wide, single = Synthetic(2, batch=3), Synthetic(2)
    wide.reset(first=4)
    for row, k in enumerate(wide.episode):
        single.reset(first=int(k))
        assert torch.equal(wide.obs()[row], single.obs()[0])
    wide.reset(mask=np.array([False, True, False]))
    assert wide.episode.tolist() == [4, 7, 6]


def test_lengths_are_uniform_and_some_reach_the_limit():
    world = Synthetic(2).world
    lengths = [world.begin(0, k)[0] for k in range(2000)]
    assert (min(lengths), max(lengths)) == (SHORTEST, LIMIT)
    assert abs(np.mean(lengths) - (SHORTEST + LIMIT) / 2) < 3


@pytest.mark.slow
def test_a_scripted_team_lets_every_seat_learn_in_turn():
    ours = Ours(256, learner="omg", n_agents=2, batch_size=16)
    sample = ours.whole_sample(32)
    assert sample["seat"][:, 0, 0].tolist() == [0, 1] * 16
    assert sample["obs"].shape == (32, LIMIT + 1, 2, 20)
    mates = sample["actions"][0, 0, 1:, 0]  # seat 0 learns here
    assert (mates == 1).all()
