"""The library's right answers to the notebooks' questions, by value; the notebooks' own tests answer them in place."""

import doctest

import pytest
import torch

import omg_lib as omg
from omg_lib.episodes import EpisodeBatch
from omg_lib.lessons import questions
from omg_lib.lessons.clocks import Tick
from omg_lib.lessons.regroup_answers import labelled
from omg_lib.lessons.td_target import Targets
from omg_lib.plots import label_seats


def test_examples():
    assert doctest.testmod(questions).failed == 0


@pytest.mark.parametrize("config", [omg.OMGConfig(n_agents=5, batch_size=16), omg.OMGConfig(n_agents=3, batch_size=2)])
def test_only_a_wider_runner_changes_nothing_for_the_learner(config):
    verdict = questions.check_faster("batch_size_run", config)
    assert verdict.ok and len(verdict.axes) == 3 and not questions.check_faster("n_agents", config).ok


def test_rows_and_transitions_are_counted_also_of_a_full_episode():
    filled = torch.tensor([[True, True, True, False]]).unsqueeze(-1)
    episode = EpisodeBatch({"filled": filled}, batch_size=[1, 4])
    assert questions.check_rows((3, 2), episode).ok and not questions.check_rows((3, 3), episode).ok
    episode["filled"][:] = True
    assert questions.check_rows((4, 3), episode).ok


def test_the_clock_that_gains_is_the_one_that_was_measured():
    ticks = [Tick("cpu", 1, 1.0, 1.0), Tick("cpu", 8, 2.0, 0.3), Tick("cpu", 32, 4.0, 0.1), Tick("cuda", 1, 9.0, 9.0)]
    verdict = questions.check_cheaper("step", ticks)
    assert verdict.ok and verdict.axes == ("lockstep: 1000.00 ms, then 4000.00 ms", "step: 1000.00 ms, then 100.00 ms")


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_row_is_found_where_regroup_puts_it(shuffled):
    sample = labelled(3, 4, 2, shuffled)
    slots = omg.regroup(label_seats(sample))["obs"][:, 0, :, 0]  # the episode in each slot
    for row in range(12):
        ((group, slot),) = (slots == row).nonzero().tolist()
        assert questions.check_place((group, slot), sample, row).ok


def test_shuffled_labels_find_all_that_is_not_to_be_trusted():
    assert questions.check_finder("shuffled labels").ok
    assert not questions.check_finder("labels").ok and not questions.check_finder("shape").ok


def test_rows_of_the_network():
    assert questions.check_network_rows((6, 30, 1920), omg.OMGConfig(n_agents=5, batch_size=6)).ok


def test_targets_by_hand_and_the_word_for_a_known_error():
    online, target = torch.tensor([2.0, 8.0, 4.0]), torch.tensor([3.0, 4.0, 6.0])
    assert questions.check_targets((3, 4, 1), online, target).ok
    wrong = questions.check_targets((5, 4, 1), online, target).after(1)
    assert "whose value counts?" in wrong.axes[0]


@pytest.mark.parametrize(("estimated", "right"), [(0.5, "reward and bootstrap"), (0.0, "the reward")])
def test_what_the_limit_leaves_of_a_target_is_read_off_the_targets(estimated, right):
    values, real = torch.ones(1, 3, 2), torch.ones(1, 3, 2) > 0
    ended = torch.tensor([[[False, False], [False, False], [False, True]]])
    targets = Targets(values, values, torch.full((1, 3, 2), estimated), real, ended, 0.0)
    assert questions.check_limit(right, targets).ok
