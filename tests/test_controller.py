import numpy as np
import pytest
import torch

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.envs import make_env
from omg_lib.learners import make_learner
from omg_lib.networks import greedy
from omg_lib.regroup import regroup
from omg_lib.runner import Runner
from omg_lib.subgoals import SubgoalInference
from omg_lib.teammates.players import NOBODY
from tests.helpers.batches import CPU, SMALL, Echo


def test_greedy_takes_the_best_available():
    q = torch.tensor([[9.0, 1.0, 2.0], [-5.0, -7.0, -6.0]])
    available = torch.tensor([[0, 1, 1], [0, 1, 1]]).bool()
    assert greedy(q, available).tolist() == [2, 2]


def playing(batch=1, n_agents=3, seed=0, **changes):
    """Return a runner of the echo game, with its controller."""
    config = OMGConfig(n_agents=n_agents, batch_size=1, device="cpu", seed=seed, **(SMALL | changes))
    env = Echo(n_agents, batch=batch, seed=seed)
    return Runner(config, env, Controller(config, env.info, CPU))


def test_exploring_draws_uniformly_among_the_available_actions():
    runner = playing(batch=1, teammates="none")
    controller = runner.controller
    controller.begin(np.arange(4000), 1.0, test_mode=False)
    obs = torch.zeros(4000, 3, controller.info.obs_dim)
    available = torch.zeros(4000, 3, controller.info.n_actions, dtype=torch.bool)
    available[..., [0, 2]] = True
    actions = controller.select_actions(runner.env, obs, available, 1)
    counts = torch.bincount(actions.flatten(), minlength=controller.info.n_actions)
    assert counts[[0, 2]].sum() == 12_000
    assert float(((counts[[0, 2]] - 6000.0) ** 2 / 6000).sum()) < 10.8  # chi2 of 1: p = 0.001


def test_a_share_of_epsilon_explores():
    controller = playing(batch=1, teammates="none").controller
    controller.begin(np.arange(1000), 0.25, test_mode=False)
    share = float(controller.acting.noise.explore.mean())
    assert abs(share - 0.25) < 4 * (0.25 * 0.75 / controller.acting.noise.explore.size) ** 0.5


def test_who_sits_where():
    runner = playing(batch=2, n_agents=3)
    runner.controller.begin(np.array([7, 8]), 1.0, test_mode=False)
    assert runner.controller.acting.seat.tolist() == [1, 2] and runner.controller.acting.team.shape == (2, 3)
    everybody = playing(batch=2, n_agents=3, teammates="none")
    everybody.controller.begin(np.array([7, 8]), 1.0, test_mode=False)
    assert everybody.controller.acting.seat.tolist() == [0, 1, 2, 0, 1, 2] and everybody.controller.acting.team is None


def test_teams_are_drawn_for_each_episode_and_all_of_them_come():
    runner = playing(batch=64)
    runner.controller.begin(np.arange(64), 1.0, test_mode=False)
    first = runner.controller.acting.team.copy()
    drawn = {tuple(member for member in team if member != NOBODY) for team in first.tolist()}
    assert drawn == {team[1:] for team in runner.env.info.teams}
    runner.controller.begin(np.arange(32, 96), 1.0, test_mode=False)
    assert (runner.controller.acting.team[:32] == first[32:]).all(), "a team belongs to its episode"


def test_teammates_follow_the_script_and_the_learner_does_not():
    runner = playing(batch=60, epsilon_start=1.0)
    batch = runner.run()
    right = batch["obs"][..., :3].argmax(-1) == batch["actions"][..., 0]
    played = batch["filled"][:, 1:, 0]
    seat = batch["seat"][:, :-1]
    own = torch.arange(3) == seat
    errs = torch.from_numpy((runner.controller.acting.team == 1).any(axis=1, keepdims=True))
    script = right[:, :-1].clone()
    assert not script[:, -1][played[:, -1, None] & errs & ~own[:, 0]].any()
    script[:, -1] |= errs  # "right but last"
    assert script[played.unsqueeze(-1) & ~own].all()
    assert 0.2 < right[:, :-1][played.unsqueeze(-1) & own].float().mean() < 0.7


@pytest.mark.parametrize("learner", ["iql", "omg"])
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_acting_and_learning_read_the_same(learner, teammates):
    """For episodes just played greedily, what the learner computes picks exactly the actions played."""
    runner = playing(batch=9, learner=learner, teammates=teammates, test_subgoal="mean")
    with torch.no_grad():
        for weight in runner.controller.agent.parameters():
            weight.mul_(3.0)  # away from ties
    batch = runner.run(test_mode=True)
    trainer = make_learner(runner.config, runner.controller, CPU)
    steps = trainer.read(regroup(batch) if teammates == "scripted" else batch)
    goal = None
    if learner == "omg":
        goal = trainer.infer(steps, torch.zeros(len(steps.obs), SMALL["subgoal_dim"])).mu.detach()
    hidden = trainer.controller.init_hidden(steps.rows.shape[0])["hidden"]
    online, _ = trainer.q_values(steps, hidden, goal)
    chosen = greedy(online["q"].detach(), steps.avail_actions)
    assert torch.equal(chosen[steps.real], steps.actions[steps.real])
    assert len(chosen[steps.real].unique()) > 1


def test_acting_draws_subgoals_with_the_noise_of_the_episode(monkeypatch):
    """With epsilon 0, the inferred subgoal is the only randomness left."""

    def actions():
        runner = playing(batch=30, learner="omg", epsilon_start=0.0, epsilon_finish=0.0)
        with torch.no_grad():
            runner.controller.agent.fc1.weight.mul_(5.0)
        return runner.run()["actions"]

    first = actions()
    assert torch.equal(first, actions())
    monkeypatch.setattr(SubgoalInference, "forward", lambda self, obs, context: (obs.new_zeros(30, 4),) * 2)
    without_mean = actions()
    monkeypatch.setattr("omg_lib.controller.numpy_generator", lambda *_: np.random.default_rng(0))
    assert not torch.equal(without_mean, actions()), "other noise, other subgoals, other actions"


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_share_of_exploring_steps(epsilon):
    runner = playing(batch=200, n_agents=2, learner="iql", epsilon_start=epsilon, epsilon_finish=epsilon)
    with torch.no_grad():
        for weight in runner.controller.agent.parameters():
            weight.zero_()
        runner.controller.agent.fc2.bias.copy_(torch.tensor([3.0, 2.0, 1.0]))  # prefers the lowest action
    batch = runner.run()
    lowest = batch["avail_actions"].to(torch.uint8).argmax(-1)
    chosen_lowest = (batch["actions"][..., 0] == lowest)[:, :-1][batch["filled"][:, 1:, 0]]
    counts = batch["avail_actions"].sum(-1)[:, :-1][batch["filled"][:, 1:, 0]]
    expected = (1 - epsilon + epsilon / counts).mean()
    assert float(chosen_lowest.float().mean()) == pytest.approx(float(expected), abs=0.04)


def test_hidden_states_start_at_zero_for_every_group():
    runner = playing()
    hidden = runner.controller.init_hidden(5)["hidden"]
    assert hidden.shape == (5, 3, SMALL["rnn_hidden_dim"]) and not hidden.any()


def test_a_real_battle_keeps_to_available_actions():
    env = make_env("skirmish:partners", 3, batch=3, seed=1)
    config = OMGConfig(n_agents=3, batch_size=1, env="skirmish:partners", batch_size_run=3, epsilon_start=0.5)
    batch = Runner(config, env, Controller(config, env.info, CPU)).run()
    allowed = batch["avail_actions"].gather(3, batch["actions"])[..., 0]
    assert allowed[:, :-1][batch["filled"][:, 1:, 0]].all()
