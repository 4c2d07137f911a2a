"""A planted reward shows what a wrong regroup costs; the battle's own reward hides it."""

import pytest
import torch

import omg_lib as omg
from omg_lib.lessons.regroup_cost import own_actions, plant, train_beside
from tests.helpers.batches import make_sample

TEAM = dict(n_agents=3, batch_size=2, learner="iql", teammates="scripted", batch_size_run=3, device="cpu", gamma=0.0)


def test_the_reward_is_planted_where_the_learners_own_seat_played_the_action():
    sample = make_sample(seats=(2, 0, 0, 1, 2, 1))
    own = torch.stack([sample["actions"][e, :, seat] for e, seat in enumerate((2, 0, 0, 1, 2, 1))])
    assert torch.equal(own_actions(sample), own)
    planted = plant(sample, action=1)
    assert torch.equal(planted["reward"] == 1, (own == 1) & sample["filled"])
    assert not torch.equal(sample["reward"], planted["reward"]), "the sample itself stays unchanged"


@pytest.fixture(scope="module")
def planted():
    return {run.key: run for run in train_beside(omg.OMGConfig(**TEAM), [7, 5, 1], updates=25, planted=True)}


@pytest.mark.slow
def test_right_answers_learn_the_planted_reward_and_a_wrong_one_cannot(planted):
    assert len(planted[7].losses) == 25 and len(planted[7].gain) == 3
    assert planted[7].losses[-1] < 0.02 < 0.04 < planted[1].losses[-1]
    assert min(planted[7].gain) > 0.9 and min(planted[1].gain) < 0.85


def test_answers_that_are_both_right_train_alike(planted):
    assert planted[5].losses == planted[7].losses and planted[5].gain == planted[7].gain


@pytest.mark.slow
def test_the_battles_own_reward_does_not_tell_them_apart():
    config = omg.OMGConfig(**TEAM | {"batch_size": 4, "gamma": 0.99})
    runs = train_beside(config, [7, 1, 3], updates=30, planted=False)
    ends = [sum(run.losses[-10:]) / 10 for run in runs]
    assert max(ends) < 1.5 * min(ends)
    assert all(sum(run.losses[-10:]) / 10 < run.losses[0] / 2 for run in runs)


@pytest.mark.slow
def test_mixed_time_steps_stay_unseen_where_no_step_looks_at_the_next():
    (mixed,) = train_beside(omg.OMGConfig(**TEAM), [6], updates=25, planted=True)
    assert mixed.losses[-1] < 0.02
