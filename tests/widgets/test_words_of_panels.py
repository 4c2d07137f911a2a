"""Every word of a panel and of a picture goes through the catalogues: in a pseudo-language nothing is English."""

import pytest
import torch

from omg_lib import OMGConfig, predict
from omg_lib.checks import check_choice, check_numbers, check_shape, check_values
from omg_lib.flow import flow_svg
from omg_lib.flow.reasons import fields_table
from omg_lib.lessons.capacity import Costs
from omg_lib.lessons.iteration import Iteration
from omg_lib.lessons.regroup_answers import ANSWERS, check_regrouping
from omg_lib.plots.buffers import mask_svg, ring_table
from omg_lib.plots.clocks import clocks_svg
from omg_lib.plots.curves import curves_figure, curves_text
from omg_lib.plots.latent import fit_figure
from omg_lib.plots.stages import stage_svg
from omg_lib.plots.subgoals import choice_figure
from omg_lib.plots.tables import label_seats, label_table, shape_table
from omg_lib.regroup import regroup
from omg_lib.widgets import (
    CapacityPanel,
    ClocksPanel,
    ExperimentPanel,
    IterationPanel,
    MemoryMeter,
    SeatPuzzle,
    TargetPanel,
)
from tests.helpers import pseudo
from tests.helpers.batches import make_sample, make_small_learner, small_config

CONFIG = OMGConfig(n_agents=2, batch_size=3, device="cpu")


@pytest.fixture(autouse=True)
def language(monkeypatch):
    pseudo.speak(monkeypatch)


def target_panel():
    config = small_config(learner="omg", td_steps=5, bootstrap_subgoal="next")
    batch = regroup(make_sample())
    goal = torch.randn(*batch["obs"].shape[:3], config.subgoal_dim)
    return TargetPanel(make_small_learner(config), batch, goal)


def seat_puzzle():
    panel = SeatPuzzle(3)
    panel.model.expect(shape=True, seats=False)
    panel.model.choose(answer=2)
    panel.model.expect(shape=False)
    panel.model.choose(answer=4, shuffled=True)
    return panel


PANELS = {
    "capacity": lambda: CapacityPanel(Costs(step=0.001, learn=0.5, steps=500, step_bytes=4000, weight_bytes=200_000)),
    "clocks": ClocksPanel,
    "experiment": lambda: ExperimentPanel(dict, "results.json"),
    "iteration": lambda: IterationPanel(Iteration(predict(CONFIG))),
    "memory": MemoryMeter,
    "seats": seat_puzzle,
    "target": target_panel,
}


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_shows_no_english(name):
    said = pseudo.texts(PANELS[name]())
    assert any("～" in text for text in said) and pseudo.english(said) == []


def trained():
    from omg_lib.buffer import ReplayBuffer

    sample, buffer = make_sample(), ReplayBuffer(12, 3)
    buffer.insert_episode_batch(sample)
    return sample, buffer


PLAN = predict(CONFIG)
PICTURES = {
    "flow": lambda: flow_svg(PLAN),
    "fields": lambda: fields_table(PLAN),
    "stages": lambda: stage_svg(PLAN),
    "clocks": lambda: clocks_svg({}),
    "rings": lambda: ring_table(trained()[1])._repr_html_(),
    "masks": lambda: mask_svg(make_sample()),
    "labels": lambda: label_table(label_seats(make_sample())["obs"][:, 0])._repr_html_(),
    "shapes": lambda: shape_table(make_sample(), PLAN["runner.run"])._repr_html_(),
    "curves": lambda: curves_text([]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_no_english(name):
    assert pseudo.english(pseudo.visible(PICTURES[name]())) == []


@pytest.mark.parametrize(
    "figure",
    [lambda: curves_figure([]), lambda: fit_figure({"1": [1.0, 0.5]}, 2.0), lambda: choice_figure({"1": [0.2] * 5})],
    ids=["curves", "fit", "choices"],
)
def test_a_figure_shows_no_english(figure):
    made = figure()
    said = [text.get_text() for ax in made.axes for text in (ax.title, ax.xaxis.label, ax.yaxis.label)]
    said += [text.get_text() for ax in made.axes if ax.get_legend() for text in ax.get_legend().get_texts()]
    assert any("～" in text for text in said) and pseudo.english(said) == []


@pytest.mark.parametrize(
    "verdict",
    [
        lambda: check_shape((32, 8, 80), (32, 8, 14), "G A C"),
        lambda: check_shape((32, 8), (32, 8, 14), "G A C"),
        lambda: check_shape((...,), (32, 8, 14), "G A C"),
        lambda: check_numbers((8, 256, 32, 256), OMGConfig(n_agents=8, batch_size=32)),
        lambda: check_values((7, 6), {"t+1": 6, "t+2": 7}),
        lambda: check_choice("R", "G", {"R": "1", "G": "2"}),
        lambda: check_regrouping(lambda x, seat: x),
        lambda: check_regrouping(ANSWERS[5].apply),
        lambda: check_regrouping(ANSWERS[7].apply),
    ],
)
def test_a_verdict_shows_no_english(verdict):
    made = verdict()
    said = [made.said, *made.axes, *(line for hint in made.hints for line in hint)]
    assert pseudo.english([text.split("`")[-1] for text in said]) == []
