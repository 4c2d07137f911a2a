"""The answers of the seat puzzle: which are right, and that every verdict describes what really happened."""

import doctest

import pytest
import torch
from einops import rearrange

import omg_lib as omg
from omg_lib.lessons import regroup_answers
from omg_lib.lessons.regroup_answers import (
    ANSWERS,
    check_regrouping,
    found_by,
    judge,
    labelled,
    moved,
    regroup_as,
    tally,
)
from omg_lib.regroup import rows_of_seats
from tests.helpers.batches import make_sample


def test_examples():
    assert doctest.testmod(regroup_answers).failed == 0


@pytest.mark.parametrize("shuffled, right", [(False, {5, 7}), (True, {7})])
def test_which_answers_are_right(shuffled, right):
    sample = labelled(3, 4, 5, shuffled)
    results = {key: answer.apply(sample["obs"], sample["seat"]) for key, answer in ANSWERS.items()}
    assert {key for key, result in results.items() if judge(result, sample).ok} == right
    assert {key for key, result in results.items() if result.shape != results[7].shape} == {2}


@pytest.mark.parametrize("key", ANSWERS)
def test_the_code_that_is_shown_is_the_code_that_runs(key):
    sample = labelled(3, 4, 5, shuffled=True)
    x, seat = sample["obs"], sample["seat"]
    known = dict(rearrange=rearrange, x=x, G=3, A=4, T=5, F=3, a=torch.arange(4), rows=rows_of_seats(seat, 4))
    assert torch.equal(eval(ANSWERS[key].code, known), ANSWERS[key].apply(x, seat))


@pytest.mark.parametrize("seats", [(0, 1, 2, 0, 1, 2), (2, 0, 0, 1, 2, 1)])
def test_answer_7_is_regroup_for_every_field(seats):
    sample = make_sample(seats=seats)
    ours, theirs = regroup_as(7, sample), omg.regroup(sample)
    assert set(ours.keys()) == set(theirs.keys())
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs.keys())


@pytest.mark.parametrize("key", [key for key in ANSWERS if key != 2])
def test_every_answer_gives_what_a_learner_can_read(key):
    sample = make_sample()
    right, other = omg.regroup(sample), regroup_as(key, sample)
    assert {name: x.shape for name, x in other.items()} == {name: x.shape for name, x in right.items()}


@pytest.mark.parametrize("key", [2, 8])
def test_an_answer_that_no_learner_can_read(key):
    with pytest.raises(ValueError, match="a learner can read only the answers 1, 3, 4, 5, 6, 7"):
        regroup_as(key, make_sample())


def test_what_went_wrong_is_named():
    labels = torch.tensor([[[[0, 0, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]]]])
    seat = torch.tensor([0, 1, 2, 3]).reshape(4, 1, 1)
    assert moved(labels, seat) == [[["right", "teammate", "time", "slot"]]]


def test_tally_counts_places_and_episodes():
    sample = labelled(6, 5, 1)
    counted = tally(ANSWERS[1].apply(sample["obs"], sample["seat"]), sample)
    assert counted == {"right": 6, "slot": 0, "time": 0, "teammate": 24, "episodes used": 6}


@pytest.mark.parametrize(
    "function, said",
    [
        (lambda x, seat: ..., "Not answered yet"),
        (..., "Not answered yet"),
        (lambda x, seat: None, "the result is a NoneType"),
        (lambda x, seat: x[99], "it stops with IndexError"),
        (lambda x, seat: x.float().reshape(3, 4, 5, 4, 3).mean(1), "elements were mixed"),
        (lambda x, seat: ANSWERS[2].apply(x, seat), "axis 1 (T): it is 20, but should be 5"),
        (ANSWERS[5].apply, "the rows were shuffled; with rows in order it is right"),
        (lambda x, seat: ANSWERS[7].apply(x, seat)[[0, 0, 0]], "4 of 12 episodes are used"),
    ],
)
def test_a_students_function_is_told_what_is_wrong(function, said):
    verdict = check_regrouping(function)
    assert not verdict.ok and said in repr(verdict)


def test_the_hints_of_the_notebook_lead_to_a_right_answer():
    def hinted(x, seat):
        order = seat[:, 0, 0].argsort(stable=True)
        who = seat[order, 0, 0]
        own = x[order, :, who]
        return rearrange(own, "(a g) t f -> g t a f", a=x.shape[2])

    assert check_regrouping(hinted).ok


def test_only_shuffled_labels_find_every_wrong_answer():
    assert found_by() == ({"shape": 1, "labels": 5, "shuffled labels": 6}, 6)
