"""Feedback on a guessed shape: which axis is wrong, and why."""

import doctest

import pytest
import torch

import omg_lib as omg
from omg_lib import checks
from omg_lib.checks import check_choice, check_numbers, check_shape, check_values, four_numbers
from omg_lib.config import ConfigError
from omg_lib.contract import contract


def test_examples():
    assert doctest.testmod(checks).failed == 0


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
    why = "the episodes of one sample: G groups of A episodes, one for each seat"
    assert verdict.axes == (f"axis 0 (G*A): you answered 32, but it is 256: {why}",)


def test_wrong_order_and_wrong_number_of_axes():
    assert "their order is not" in check_shape((8, 32), (32, 8), "G A").said
    few = check_shape((32, 168), (32, 63, 8, 168), "G T A S")
    assert few.said == "Not yet: you gave 2 axes, but it has 4: [G, T, A, S]." and len(few.axes) == 4
    assert "you gave 1 axis," in check_shape(32, (32, 8), "G A").said


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
    assert {axis for axis in axes if not axis.isdigit()} <= set(checks.WHY)


@pytest.mark.parametrize("changes, expected", [({}, (1, 20, 4, 20)), ({"learner": "iql"}, (1, 4, 4, 20))])
def test_four_numbers(changes, expected):
    assert four_numbers(omg.OMGConfig(n_agents=5, batch_size=4, **changes)) == expected


def test_check_numbers_says_whose_number_is_wrong():
    config = omg.OMGConfig(n_agents=5, batch_size=4)
    assert check_numbers((1, 20, 4, 20), config).ok
    assert check_numbers((1, 4, 4, 20), config).axes[0].startswith("the sample: you answered 4, but it is 20: ")
    assert check_numbers((5, 20, 4, 4), config).axes[1].startswith("the network: you answered 4, but it is 20: ")
    assert "asks for 4 numbers, but you gave 3" in check_numbers((1, 20, 4), config).said
    assert "Not answered yet" in check_numbers((...,), config).said


# --- check_values, check_choice ---


def test_values_are_asked_for_by_name():
    truth = {"t+1": 6, "t+2": 7}
    assert repr(check_values((6, 7), truth)) == "Right: [6, 7], that is [t+1, t+2]."
    assert check_values((6, 8), truth).axes == ("t+2: you answered 8, but it is 7",)
    assert "their order is not" in check_values((7, 6), truth).said
    assert "asks for 2 numbers, but you gave 1" in check_values(6, truth).said
    assert check_values(66, {"width": 66}).ok
    for open_guess in (..., (..., ...), (6, ...)):
        verdict = check_values(open_guess, truth)
        assert "Not answered yet" in repr(verdict) and "7" not in repr(verdict)


FACTS = {"larger": "it is 9.5", "smaller": "it is 0.1"}


def test_a_choice_shows_the_facts_only_after_an_answer():
    right, wrong = check_choice("larger", "larger", FACTS), check_choice("smaller", "larger", FACTS)
    assert right.ok and right.said == "Right: larger."
    assert not wrong.ok and wrong.said == 'Not yet: it is not "smaller".'
    assert right.axes == wrong.axes == ("larger: it is 9.5", "smaller: it is 0.1")
    for none in (..., (...,), [...]):
        verdict = check_choice(none, "larger", FACTS)
        assert verdict.state == "open" and verdict.axes == () and '"larger", "smaller"' in verdict.said


@pytest.mark.parametrize("guess", ["Larger", "", 1, None, ("larger",), ["smaller"], torch.zeros(2)])
def test_an_answer_that_is_not_allowed_shows_what_is(guess):
    verdict = check_choice(guess, "larger", FACTS)
    assert (
        verdict.state == "not allowed"
        and verdict.said == 'Not yet: allowed are "larger", "smaller".'
        and not verdict.axes
    )


def test_a_fact_that_decides_for_all_answers_is_shown_once():
    facts = dict.fromkeys(("above", "below"), "+0.13")
    right, wrong = check_choice("above", "above", facts), check_choice("below", "above", facts)
    assert right.axes == wrong.axes == ("+0.13",)
    assert wrong.hints == (("+0.13",), ("+0.13",), ("+0.13", 'so the answer is "above"'))


def test_the_right_answer_must_be_among_the_allowed_ones():
    with pytest.raises(ConfigError, match="^right='other': allowed are larger, smaller$"):
        check_choice("larger", "other", FACTS)
