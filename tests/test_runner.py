from dataclasses import replace

import numpy as np
import pytest
import torch

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.envs import GameLost, make_env
from omg_lib.episodes import EpisodeBatch
from omg_lib.runner import ATTEMPTS, EpisodeRunner, ParallelRunner, Runner
from tests.helpers.batches import CPU, SMALL, Echo
from tests.test_controller import playing

DTYPES = dict(
    obs=torch.float32,
    state=torch.float32,
    actions=torch.int64,
    avail_actions=torch.bool,
    reward=torch.float32,
    terminated=torch.bool,
    filled=torch.bool,
    seat=torch.int64,
)


def battle_runner(batch, n_agents=4, **changes):
    config = OMGConfig(n_agents=n_agents, batch_size=1, env="skirmish:partners", device="cpu", **(SMALL | changes))
    env = make_env(config.env, n_agents, batch=batch, seed=config.seed)
    return Runner(config, env, Controller(config, env.info, CPU))


@pytest.mark.slow
@pytest.mark.parametrize("make", [playing, battle_runner])
@pytest.mark.parametrize("teammates", ["none", "scripted"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_contract_of_an_episode_batch(make, teammates, batch_size):
    runner = make(batch=batch_size, n_agents=4, teammates=teammates)
    info = runner.env.info
    R, T, A = batch_size, info.episode_limit + 1, 4
    shapes = dict(
        obs=(R, T, A, info.obs_dim),
        state=(R, T, info.state_dim),
        actions=(R, T, A, 1),
        avail_actions=(R, T, A, info.n_actions),
    )
    for _ in range(40 // R):
        batch = runner.run()
        assert isinstance(batch, EpisodeBatch) and batch.batch_size == (R, T)
        assert set(batch.keys()) == set(DTYPES) - (set() if teammates == "scripted" else {"seat"})
        for key, x in batch.items():
            assert x.dtype == DTYPES[key] and x.shape == shapes.get(key, (R, T, 1)), key
        for r in range(R):
            n = int(batch["filled"][r].sum()) - 1
            assert 1 <= n <= info.episode_limit
            assert batch["filled"][r, : n + 1].all() and not batch["filled"][r, n + 1 :].any()
            for key in ("obs", "state", "avail_actions"):
                assert not batch[key][r, n + 1 :].any(), f"{key} beyond row n"
            assert batch["state"][r, n].any() and batch["avail_actions"][r, n].any(), "row n was seen"
            for key in ("actions", "reward", "terminated"):
                assert not batch[key][r, n:].any(), f"{key} from row n on"
            assert not batch["terminated"][r, : n - 1].any()
            if not batch["terminated"][r, n - 1]:
                assert n == info.episode_limit, "only the limit ends an episode whose game continues"


def test_rows_hold_what_the_game_really_was():
    """The echo game's state identifies the episode and step; the rest is replayed by hand."""
    runner = playing(batch=5, n_agents=3, teammates="none")
    ends, cuts = 0, 0
    for first in range(0, 40, 5):
        batch = runner.run()
        env = Echo(3, batch=5)
        env.reset(first=first)
        for r in range(5):
            n = min(int(env.steps[r]), Echo.LIMIT)
            assert int(batch["filled"][r].sum()) == n + 1
            assert batch["state"][r, : n + 1].tolist() == [[first + r, t] for t in range(n + 1)]
            cues = torch.from_numpy(env.cues[r])
            assert torch.equal(batch["obs"][r, : n + 1, :, :3].argmax(-1), cues[: n + 1])
            right = (batch["actions"][r, :n, :, 0] == cues[:n]).double().mean(1)
            torch.testing.assert_close(batch["reward"][r, :n, 0].double(), right)
            over = int(env.steps[r]) <= Echo.LIMIT
            assert bool(batch["terminated"][r, n - 1]) == over
            ends, cuts = ends + over, cuts + (not over)
            assert float(runner.returns[r]) == pytest.approx(float(right.sum()), abs=1e-5)
            assert bool(runner.wins[r]) == (float(right.sum()) >= 0.85 * n - 1e-9)
    assert ends and cuts, "both ways to end must occur"


class PaidEcho(Echo):
    """The echo game as a general-sum game: seat a earns a + 1 for its own right action, the team the sum."""

    @classmethod
    def describe(cls, n_agents):
        return replace(super().describe(n_agents), general_sum=True)

    def step(self, actions):
        right = (actions.numpy() == self._cue()) & ~self._done()[:, None]
        rewards = torch.from_numpy(right * np.arange(1, self.info.n_agents + 1)).float()
        _, done, info = super().step(actions)
        return rewards.sum(1), done, info | {"rewards": rewards}


@pytest.mark.parametrize("teammates", ["scripted", "none"])
@pytest.mark.parametrize("width", [1, 4])
def test_in_a_general_sum_game_the_learner_is_paid_its_own(teammates, width):
    """With teammates the reward is that of the learner's seat; if all seats learn, it is the sum."""
    config = OMGConfig(n_agents=4, batch_size=1, learner="iql", teammates=teammates, device="cpu", **SMALL)
    env = PaidEcho(4, batch=width)
    runner = Runner(config, env, Controller(config, env.info, CPU))
    earned = 0.0
    for first in range(0, 8, width):
        batch = runner.run()
        right = batch["actions"][..., 0] == batch["obs"][..., :3].argmax(-1)
        played = batch["filled"][:, 1:]
        paid = right[:, :-1] * torch.arange(1, 5) * played
        if teammates == "scripted":
            expected = paid[torch.arange(width), :, torch.arange(first, first + width) % 4]
        else:
            expected = paid.sum(2)
        assert torch.equal(batch["reward"][:, :-1, 0], expected.float())
        assert runner.returns.tolist() == expected.sum(1).tolist()
        earned += float(expected.sum())
    assert earned


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_seats_rotate_and_stay_within_an_episode(batch_size):
    runner = playing(batch=batch_size, n_agents=4)
    seats = torch.cat([runner.run()["seat"][..., 0] for _ in range(8 // batch_size)])
    assert (seats == seats[:, :1]).all(), "also beyond the end"
    assert seats[:, 0].tolist() == [0, 1, 2, 3] * 2


def test_steps_and_episodes_are_counted():
    runner, steps = playing(batch=3, teammates="none"), 0
    for k in range(1, 4):
        steps += int(runner.run()["filled"][:, 1:].sum())
        assert (runner.t_env, runner.episode) == (steps, 3 * k)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "make"), [("omg", playing), ("iql", playing), ("omg", battle_runner), ("iql", battle_runner)]
)
def test_episodes_do_not_depend_on_the_width_of_the_runner(learner, make):
    def episodes(width):
        changes = dict(epsilon_start=0.6, epsilon_anneal_time=1000, epsilon_finish=0.1)
        runner = make(batch=width, n_agents=4, learner=learner, teammates="scripted", seed=3, **changes)
        return torch.cat([runner.run() for _ in range(12 // width)]), runner.epsilon

    alone, epsilon = episodes(1)
    assert 0.1 < epsilon < 0.6, "epsilon changed along the way"
    for width in (2, 4):
        together, same_epsilon = episodes(width)
        assert same_epsilon == epsilon
        for key in alone.keys():
            assert torch.equal(alone[key], together[key]), (width, key)


def test_another_seed_plays_other_episodes():
    one, other = (playing(batch=4, seed=seed).run() for seed in (1, 2))
    assert not torch.equal(one["obs"], other["obs"])


def test_tests_are_greedy_and_leave_training_alone():
    tested, plain = playing(batch=2), playing(batch=2)
    for _ in range(3):
        tested.run(test_mode=True)
        tested.run(test_mode=True)
        assert (tested.run() == plain.run()).all()
        assert (tested.t_env, tested.episode, tested.epsilon) == (plain.t_env, plain.episode, plain.epsilon)
    first = playing(batch=2).run(test_mode=True)
    again = playing(batch=2, epsilon_start=0.0).run(test_mode=True)
    assert (first == again).all()


def test_test_battles_are_never_training_battles():
    runner = playing(batch=2)
    runner.run(test_mode=True)
    assert min(runner.env.episode) >= 10**6, "no training plays that many"
    runner.run(test_mode=True)
    assert min(runner.env.episode) >= 10**6 + 2, "each run plays the next ones"


def test_epsilon_falls_in_a_straight_line():
    runner = playing(epsilon_start=1.0, epsilon_finish=0.05, epsilon_anneal_time=1000)
    assert [runner.epsilon_at(t) for t in (0, 500, 1000, 10**9)] == pytest.approx([1.0, 0.525, 0.05, 0.05])


@pytest.mark.parametrize(("teammates", "moves"), [("none", [0, 1, 2, 3, 4, 5]), ("scripted", [0, 0, 0, 3, 3, 3])])
def test_epsilon_moves_at_each_run_unless_a_seat_goes_round(teammates, moves):
    runner = playing(batch=1, n_agents=3, teammates=teammates, epsilon_anneal_time=1000)
    steps, epsilons = [0], []
    for _ in range(6):
        runner.run()
        epsilons.append(runner.epsilon)
        steps.append(runner.t_env)
    assert epsilons == [runner.epsilon_at(steps[k]) for k in moves] and len(set(steps)) == 7


def test_the_episode_runner_steps_one_episode():
    config = OMGConfig(n_agents=2, batch_size=1)
    for kind, width, fits in [(EpisodeRunner, 1, True), (EpisodeRunner, 2, False), (ParallelRunner, 2, True)]:
        env = Echo(2, batch=width)
        if fits:
            assert kind(config, env, Controller(config, env.info, CPU)).run().batch_size[0] == width
        else:
            with pytest.raises(AssertionError):
                kind(config, env, Controller(config, env.info, CPU))


@pytest.mark.parametrize("batch", [1, 4])
def test_an_episode_whose_game_dies_is_dropped_and_begun_again(batch, monkeypatch):
    whole = battle_runner(batch)
    runner = battle_runner(batch)
    step, calls = runner.env.step, []

    def dying_once(actions):
        calls.append(1)
        if len(calls) == 3:
            raise GameLost("the game was killed")
        return step(actions)

    monkeypatch.setattr(runner.env, "step", dying_once)
    with pytest.warns(UserWarning, match="the game was killed"):
        episodes = runner.run()
    expected = whole.run()
    assert all(torch.equal(episodes[key], expected[key]) for key in expected.keys())
    assert (runner.t_env, runner.episode) == (whole.t_env, whole.episode)
    assert torch.equal(runner.run()["obs"], whole.run()["obs"])


def test_a_game_that_dies_each_time_ends_the_run(monkeypatch):
    runner, resets = battle_runner(1), []

    def dead(actions):
        raise GameLost("the game was killed")

    reset = runner.env.reset
    monkeypatch.setattr(runner.env, "reset", lambda **first: (resets.append(first), reset(**first)))
    monkeypatch.setattr(runner.env, "step", dead)
    with pytest.warns(UserWarning), pytest.raises(GameLost):
        runner.run()
    assert resets == [{"first": 0}] * ATTEMPTS and runner.t_env == runner.episode == 0
