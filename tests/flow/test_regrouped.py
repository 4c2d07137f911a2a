"""A regrouping of one's own in the flow: where each slot is taken from, and what is said of it."""

import json

import pytest
import torch

from omg_lib import OMGConfig
from omg_lib.config import ConfigError
from omg_lib.flow import regrouping_frame
from omg_lib.flow.regrouped import regrouped
from omg_lib.lessons.regroup_answers import ANSWERS

CONFIG = OMGConfig(n_agents=4, batch_size=3)


@pytest.mark.parametrize("key", [5, 7])
def test_a_right_regrouping_takes_every_slot_from_its_own_seat(key):
    found = regrouped(ANSWERS[key].apply, CONFIG)
    assert found["slots"] == [[4 * g + a, a, "right"] for g in range(3) for a in range(4)]
    assert found["said"] == "Right: each of 12 slots holds the learner's own data."


def test_a_wrong_one_says_whose_seat_each_slot_holds():
    found = regrouped(ANSWERS[1].apply, CONFIG)
    assert found["slots"][4:8] == [[4, 0, "right"], [4, 1, "teammate"], [4, 2, "teammate"], [4, 3, "teammate"]]
    assert found["said"] == (
        "The shape is right, the content is not: 3 of 12 slots hold what they should. 9: what a teammate saw. "
        "3 of 12 episodes are used."
    )
    assert {what for *_, what in regrouped(ANSWERS[6].apply, CONFIG)["slots"]} == {"time", "slot"}


def test_a_seat_in_another_slot():
    def rolled(x, seat):
        return ANSWERS[7].apply(x, seat).roll(1, dims=2)

    found = regrouped(rolled, CONFIG)
    assert found["slots"][:2] == [[3, 3, "slot"], [0, 0, "slot"]] and "another seat's slot" in found["said"]


@pytest.mark.parametrize("regroup, said", [
    (lambda x, seat: ..., "Not yet: the result is a ellipsis"),
    (lambda x, seat: 1 / 0, "Not yet: it stops with ZeroDivisionError: division by zero"),
    (ANSWERS[2].apply, "Not yet: the shape is [3, 8, 4, 3], but should be [3, 2, 4, 3]."),
    (lambda x, seat: ANSWERS[7].apply(x, seat) + 0.5, "Not yet: it holds numbers that are not labels"),
    (lambda x, seat: torch.zeros(3, 2, 4, 3) - 1, "Not yet: it holds numbers that are not labels"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_said(regroup, said):
    found = regrouped(regroup, CONFIG)
    assert found["slots"] == [] and found["said"].startswith(said)


def test_it_may_change_what_it_gets():
    def in_place(x, seat):
        x += 0 * x.flip(0)
        seat.zero_()
        return ANSWERS[5].apply(x, seat)

    assert regrouped(in_place, CONFIG)["said"].startswith("Right")


def test_where_nothing_is_regrouped_it_is_refused():
    with pytest.raises(ConfigError, match="learner='iql': all seats learn, so nothing is regrouped"):
        regrouped(ANSWERS[7].apply, OMGConfig(learner="iql"))


def test_the_frame_holds_a_page_with_the_slots():
    frame = regrouping_frame(ANSWERS[4].apply, CONFIG)
    slots = json.dumps(regrouped(ANSWERS[4].apply, CONFIG)["slots"], separators=(",", ":"))
    assert frame.startswith("<div><iframe") and slots.replace('"', "&quot;") in frame
