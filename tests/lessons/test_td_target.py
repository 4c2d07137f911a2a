"""TD targets on padded tensors, compared with the learner's own on packed rows."""

import pytest
import torch

from omg_lib.lessons.td_target import Choices, cut_off, td_targets
from omg_lib.regroup import regroup
from tests.helpers.batches import LENGTHS, make_sample, make_small_learner, small_config


def own_loss(learner, batch, goal=None):
    steps = learner.read(batch)
    packed = None if goal is None else steps.rows.pack(goal)
    hidden = learner.controller.init_hidden(steps.rows.shape[0])["hidden"]
    online, _ = learner.q_values(steps, hidden, packed)
    return float(learner.td_loss(steps, online, packed)[0].detach())


@pytest.mark.parametrize("td_steps", [1, 3])
@pytest.mark.parametrize("learner_name, subgoal", [("iql", "same"), ("omg", "same"), ("omg", "next")])
def test_with_nothing_changed_the_loss_is_the_learners(double, learner_name, subgoal, td_steps):
    config = small_config(learner=learner_name, teammates="scripted", td_steps=td_steps, bootstrap_subgoal=subgoal)
    learner, batch = make_small_learner(config), regroup(make_sample())
    goal = torch.randn(*batch["obs"].shape[:3], config.subgoal_dim) if learner_name == "omg" else None
    targets = td_targets(learner, batch, Choices(td_steps=td_steps, bootstrap_subgoal=subgoal), goal)
    assert targets.loss == pytest.approx(own_loss(learner, batch, goal), rel=1e-10)
    assert learner.config == config, "the learner is left as it was"


def test_a_mixing_learner_too(double):
    learner = make_small_learner(small_config(learner="vdn"))
    sample = make_sample(seats=None)
    assert td_targets(learner, sample).loss == pytest.approx(own_loss(learner, sample), rel=1e-10)


def test_parts_of_the_target(double):
    learner, batch = make_small_learner(small_config(learner="iql", teammates="scripted")), regroup(make_sample())
    targets = td_targets(learner, batch)
    reward = batch["reward"][:, :-1, :, 0]
    torch.testing.assert_close(targets.reward, reward)
    assert (targets.bootstrap[targets.ended] == 0).all() and (targets.bootstrap[~targets.ended] != 0).all()
    assert targets.real.sum() == sum(LENGTHS) and targets.ended.sum() == 3
    further = td_targets(learner, batch, Choices(td_steps=2))
    inside = targets.real[:, 1:]
    two = reward[:, :-1] + learner.config.gamma * ~targets.ended[:, :-1] * reward[:, 1:]
    torch.testing.assert_close(further.reward[:, :-1][inside], two[inside])


def test_each_switch_changes_the_loss():
    learner, batch = make_small_learner(small_config(learner="iql", teammates="scripted")), regroup(make_sample())
    usual = td_targets(learner, batch)
    assert td_targets(learner, batch, Choices(mask=False)).loss != usual.loss
    assert td_targets(learner, batch, Choices(target_network=False)).loss != usual.loss
    single = td_targets(learner, batch, Choices(double_q=False))
    assert (single.bootstrap >= usual.bootstrap).all() and (single.bootstrap > usual.bootstrap).any()


def test_a_row_that_was_cut_off_keeps_its_bootstrap():
    learner = make_small_learner(small_config(learner="iql", teammates="scripted"))
    facts = cut_off(td_targets(learner, regroup(make_sample())))
    assert facts == ({"nothing": 0, "the reward": 0, "reward and bootstrap": 3}, 3)
