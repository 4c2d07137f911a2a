"""Feedback on a guessed shape, tables of shapes, and labels that tell whose data ended up where."""

import doctest

import pytest
import torch

import omg_lib as omg
from omg_lib import lessons
from omg_lib.lessons import check_numbers, check_shape, four_numbers, label_seats, label_table, shape_table
from omg_lib.trace import contract


def test_examples():
    assert doctest.testmod(lessons).failed == 0


# --- check_shape ---


def test_right():
    verdict = check_shape((32, 8), torch.zeros(32, 8), "G A")
    assert verdict.ok and repr(verdict) == "Right: [32, 8], that is [G, A]."


@pytest.mark.parametrize("guess", [(...,), (32, ...), [...], ...])
def test_unanswered(guess):
    verdict = check_shape(guess, (32, 8), "G A")
    assert not verdict.ok and "Not answered yet" in repr(verdict)
    assert "32" not in repr(verdict), "the answer is not given away"


def test_wrong_axis_is_named_with_its_size_and_reason():
    verdict = check_shape((32, 8, 80), (256, 8, 80), ("G*A", "A", "O"))
    assert not verdict.ok
    assert verdict.said == "Not yet: 1 of 3 numbers is wrong."
    assert verdict.axes == (
        "axis 0 (G*A): you said 32, it is 256: the episodes of one sample: G groups of A episodes, one for each seat",
    )


def test_wrong_order_and_wrong_number_of_axes():
    assert "their order is not" in check_shape((8, 32), (32, 8), "G A").said
    few = check_shape((32, 168), (32, 63, 8, 168), "G T A S")
    assert few.said == "Not yet: you named 2 axes, it has 4: [G, T, A, S]." and len(few.axes) == 4
    assert "you named 1 axis," in check_shape(32, (32, 8), "G A").said


@pytest.mark.parametrize("guess", [("a", None), "32", (), (2.5, True), ((32,), 8), {32, 8}])
def test_a_strange_guess_is_wrong_and_raises_nothing(guess):
    verdict = check_shape(guess, (32, 8), "G A")
    assert not verdict.ok and repr(verdict) and verdict._repr_html_()


def test_text_of_a_guess_is_escaped():
    assert "<b>x" not in check_shape(("<b>x", 8), (32, 8), "G A")._repr_html_()


@pytest.mark.parametrize("learner", ["omg", "iql"])
def test_every_axis_of_the_contract_has_a_reason(learner):
    stages = contract(omg.OMGConfig(learner=learner)).values()
    axes = {axis for _, fields in stages for text, _ in fields.values() for axis in text.split()}
    assert {axis for axis in axes if not axis.isdigit()} <= set(lessons.WHY)


@pytest.mark.parametrize("changes, expected", [({}, (1, 20, 4, 20)), ({"learner": "iql"}, (1, 4, 4, 20))])
def test_four_numbers(changes, expected):
    assert four_numbers(omg.OMGConfig(n_agents=5, batch_size=4, **changes)) == expected


def test_check_numbers_says_whose_number_is_wrong():
    config = omg.OMGConfig(n_agents=5, batch_size=4)
    assert check_numbers((1, 20, 4, 20), config).ok
    assert check_numbers((1, 4, 4, 20), config).axes[0].startswith("the sample: you said 4, it is 20: ")
    assert check_numbers((5, 20, 4, 4), config).axes[1].startswith("the network: you said 4, it is 20: ")
    assert "4 numbers are asked for, you gave 3" in check_numbers((1, 20, 4), config).said
    assert "Not answered yet" in check_numbers((...,), config).said


# --- tables and labels ---


@pytest.fixture(scope="module")
def sample():
    config = omg.OMGConfig(n_agents=3, batch_size=2, batch_size_run=3, device="cpu")
    with omg.Training(config) as run:
        for _ in range(3):
            run.buffer.insert_episode_batch(run.runner.run())
        return run.buffer.sample(6)


def test_shape_table_has_every_field_in_the_order_of_the_plan(sample):
    stage = omg.predict(omg.OMGConfig(n_agents=3, batch_size=2))["buffer.sample"]
    table = shape_table(sample, stage)
    assert [row[0] for row in table.rows] == list(stage.fields)
    assert table.rows[0] == ("obs", "[G*A, L+1, A, O]", "[6, 121, 3, 30]", "float32")
    more = shape_table(sample.clone().set("extra", torch.zeros(6, 121, 1)), stage)
    assert more.rows[-1] == ("extra", "", "[6, 121, 1]", "float32")


def test_labels_follow_what_is_done_to_the_sample(sample):
    labels = label_seats(sample)
    assert labels["obs"].shape == (6, 1, 3, 3)
    slots = omg.regroup(labels)["obs"]
    assert slots[..., 2].all(), "the learner's own data in every slot"
    assert slots[0, 0, :, 0].tolist() == [0, 1, 2] and slots[0, 0, :, 1].tolist() == [0, 1, 2]
    wrong = labels["obs"].reshape(2, 3, 1, 3, 3)[:, 0]
    assert wrong.shape == slots.shape and wrong[..., 2].float().mean() == pytest.approx(1 / 3)


def test_label_table_marks_the_learners_data(sample):
    table = label_table(label_seats(sample)["obs"][:3, 0], row="episode", column="seat")
    assert table.strong == {(0, 1), (1, 2), (2, 3)}
    assert "e1 seat 1*" in repr(table) and "e1 seat 0*" not in repr(table)
    assert table.caption.endswith("* the learner's own data: 3 of 9")
    assert table._repr_html_().count("background") == 3
