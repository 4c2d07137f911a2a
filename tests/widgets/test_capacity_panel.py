"""The capacity model answers every move of a slider, and the panel follows it."""

import re

import pytest

from omg_lib.lessons.capacity import Costs
from omg_lib.widgets import CapacityModel, CapacityPanel

COSTS = Costs(step=0.001, learn=0.5, steps=500, step_bytes=4000, weight_bytes=200_000)


def test_a_sentence_says_the_plan():
    model = CapacityModel(COSTS)
    model.choose(steps_a_day=86_400_000)
    assert model.status.startswith("86,400,000 steps a day (1,000 a second) take 2 runs, each with 1 game on 1 core")
    model.choose(faster=100)
    assert (model.plan.runs, model.plan.games, model.plan.limit) == (1, 2, "the games")
    model.choose(wait=19, faster=1)
    assert (model.plan.games, model.plan.cores) == (20, 1) and "20 games on 1 core" in model.status


def test_a_plan_that_no_link_can_carry_is_called_impossible():
    model = CapacityModel(COSTS)
    model.choose(steps_a_day=2e10)
    used = f"the link would be {100 * model.plan.network:.1f} % full"
    assert model.plan.network > 1 and " would take " in model.status
    assert f"Not possible: the limit is the network; {used}" in model.status


def test_what_is_not_allowed_is_said_and_changes_nothing():
    model = CapacityModel(COSTS)
    before = model.plan, model.picture
    for bad, named in (({"wait": -1}, "wait"), ({"faster": 0}, "faster"), ({"steps_a_day": 0}, "steps_a_day")):
        model.choose(**bad)
        assert model.status.startswith(f"{named}=") and (model.plan, model.picture) == before


def test_the_picture_is_told_in_words_and_marks_the_plan():
    model = CapacityModel(COSTS)
    model.choose(wait=19)
    said = re.search(r'aria-label="([^"]+)"', model.picture)[1]
    assert said.startswith("One update takes, with 1 game: 10.50 s, 48 steps/s;")
    assert model.picture.count("▸") == 1 and f"▸ {model.plan.games} game" in model.picture
    assert re.search(r"url\(#[^)]*capacity-learning\)", model.picture), "not by colour alone"
    before = model.picture
    model.choose(steps_a_day=1.1e7)
    assert "each run must reach 127.3 steps/s" in model.picture != before, "also where the plan stays the same"


def test_sliders_and_model_follow_each_other():
    panel = CapacityPanel(COSTS)
    panel.wait.value = 19.0
    assert panel.model.wait == 19
    assert panel.model.status in panel.status.value and panel.picture.value == panel.model.picture
    panel.model.choose(steps_a_day=1e8, faster=4.0)
    assert panel.steps_a_day.value == pytest.approx(1e8) and panel.faster.value == 4
