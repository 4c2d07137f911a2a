"""The panel of TD targets: the picture, the model by value, and the panel as its view."""

import doctest
from xml.etree import ElementTree

import pytest
import torch

from omg_lib.lessons.td_target import Choices, td_targets
from omg_lib.plots import target_svg, targets
from omg_lib.regroup import regroup
from omg_lib.widgets import TargetModel, TargetPanel
from tests.helpers.batches import make_sample, make_small_learner, small_config


@pytest.fixture
def learner_and_batch():
    return make_small_learner(small_config(learner="iql", teammates="scripted")), regroup(make_sample())


def test_the_picture_draws_padding_but_counts_it_only_without_mask(learner_and_batch):
    made = td_targets(*learner_and_batch)
    masked, counted = (target_svg(made, group=0, slot=1, mask=mask) for mask in (True, False))
    for svg in (masked, counted):
        ElementTree.fromstring(svg)
        assert svg.count('data-real="true"') == 1 and svg.count('data-real="false"') == 6
        assert svg.count('stroke-width="2.5"') == 7 + 1, "a dash at each target, and one in the legend"
        assert "1 real transitions, 6 of padding" in svg and f"{made.loss:.4f}" in svg
    assert masked.count('stroke-width="2"') == 2 and counted.count('stroke-width="2"') == 8
    assert "padding: masked" in masked and "padding: counted" in counted
    assert "cut off by the limit" in masked and "the game ended" in target_svg(made, group=0, slot=0)


def test_switches_act_and_what_is_not_allowed_changes_nothing(learner_and_batch):
    model, heard = TargetModel(*learner_and_batch), []
    model.listen(lambda: heard.append(model.status))
    assert (model.rows, model.choices) == (6, Choices()) and f"{model.usual:.4f}" in model.status
    model.choose(row=4, mask=False)
    assert "Row 4 is group 1, slot 1." in model.status and "42 squared errors" in model.status
    picture, choices = model.picture, model.choices
    for bad, named in ((dict(row=6), "row=6"), (dict(td_steps=0), "td_steps=0")):
        model.choose(**bad)
        assert named in model.status and (model.picture, model.choices) == (picture, choices)
    assert len(heard) == 3


def test_the_panel_follows_its_controls_and_its_model(learner_and_batch):
    panel = TargetPanel(*learner_and_batch)
    assert "bootstrap_subgoal" not in panel.controls
    panel.controls["td_steps"].value = 3
    assert panel.model.choices.td_steps == 3 and panel.picture.value == panel.model.picture
    panel.model.choose(row=2, mask=False)
    assert panel.row.value == 2 and not panel.controls["mask"].value


def test_the_goal_of_the_bootstrap_is_a_choice_for_omg():
    config = small_config(learner="omg", td_steps=5, bootstrap_subgoal="next")
    batch = regroup(make_sample())
    goal = torch.randn(*batch["obs"].shape[:3], config.subgoal_dim)
    panel = TargetPanel(make_small_learner(config), batch, goal)
    assert panel.model.choices == Choices(td_steps=5, bootstrap_subgoal="next")
    assert panel.controls["bootstrap_subgoal"].value == "next" and panel.controls["td_steps"].value == 5
    before = panel.model.targets.loss
    panel.controls["bootstrap_subgoal"].value = "same"
    assert panel.model.targets.loss != before


def test_the_scale_is_a_round_number():
    assert doctest.testmod(targets).attempted == 1 and doctest.testmod(targets).failed == 0
