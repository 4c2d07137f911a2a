"""The two criteria of assignment 4's file of runs: forged, broken and honest files."""

import copy
import json
import shutil

import pytest
from grader import a4
from grader.tasks import judged

from tests.helpers.places import COURSE

PLAN = {"base": {"td_steps": 5}, "changed": {"td_steps": 1}, "seeds": [0, 1, 2]}


@pytest.fixture(scope="module")
def recorded():
    return json.loads((COURSE / "grader" / "a4_results.json").read_text())


def points(folder, plan=PLAN) -> str:
    task = next(task for task in a4.tasks(folder) if task.grade_id == "a4-results-test")
    return "".join(str(mark.points) for mark in judged(task, [("", ((), None))], [plan]))


def each(column, change):
    """Apply the same change to this column of every run."""

    def spoil(told):
        for run in told["runs"]:
            run[column] = change(run[column])

    return spoil


def last(value):
    return lambda column: [*column[:-1], value]


def relabel(told):
    other = {"base": "changed", "changed": "base"}
    for run in told["runs"]:
        run["arm"] = other[run["arm"]]


def reseed(told):
    for run in told["runs"]:
        run["seed"] = (run["seed"] + 1) % 3


UNFINISHED = {
    "a run is missing": lambda told: told["runs"].pop(),
    "a run stands twice": lambda told: told["runs"].append(told["runs"][0]),
    "another plan's": lambda told: told["plan"]["base"].update(lr=0.5),
    "a shorter curve": each("loss", lambda column: column[:-1]),
    "curves as strings": each("train_return", lambda column: "1" * len(column)),
    "curves as dicts": each("train_return", lambda column: dict(enumerate(column))),
    "a word in a curve": each("loss", last("low")),
    "nothing in a curve": each("loss", last(None)),
    "true in a curve": each("loss", last(True)),
    "a list in a curve": each("loss", last([1.0])),
    "NaN": each("train_return", last(float("nan"))),
    "infinity": each("train_return", last(float("inf"))),
    "a number without end": each("train_return", last(10**400)),
    "a rate above one": each("train_win_rate", last(1.5)),
    "a rate below zero": each("train_win_rate", last(-0.5)),
    "steps that do not grow": each("t_env", lambda column: [column[0]] * len(column)),
    "steps in fractions": each("t_env", last(1e9 + 0.5)),
    "updates in a word": lambda told: told.update(updates="120"),
    "no runs": lambda told: told.pop("runs"),
}
MADE_UP = {
    "another loss": each("loss", lambda column: [value * 1.01 for value in column]),
    "another return": each("train_return", lambda column: [value + 1 for value in column]),
    "other steps": each("t_env", lambda column: [value + 1 for value in column]),
    "another first loss": each("loss", lambda column: [column[1], *column[1:]]),
    "the arms exchanged": relabel,
    "the seeds exchanged": reseed,
}


@pytest.mark.parametrize("spoil", UNFINISHED.values(), ids=UNFINISHED)
def test_a_file_that_is_not_whole_has_no_points(spoil, recorded, tmp_path):
    told = copy.deepcopy(recorded)
    spoil(told)
    (tmp_path / "results.json").write_text(json.dumps(told))
    assert points(tmp_path) == "00"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", '"1"', "{}"])
def test_what_only_a_text_editor_writes_has_no_points(number, recorded, tmp_path):
    told = copy.deepcopy(recorded)
    told["runs"][0]["train_return"][-1] = "HERE"
    (tmp_path / "results.json").write_text(json.dumps(told).replace('"HERE"', number))
    assert points(tmp_path) == "00"


@pytest.mark.slow
@pytest.mark.parametrize("spoil", MADE_UP.values(), ids=MADE_UP)
def test_made_up_runs_have_the_points_of_their_number_only(spoil, recorded, tmp_path):
    told = copy.deepcopy(recorded)
    spoil(told)
    (tmp_path / "results.json").write_text(json.dumps(told))
    assert points(tmp_path) == "10"


def test_real_runs_have_all_points(tmp_path):
    assert points(tmp_path) == "00", "no file"
    shutil.copy(COURSE / "grader" / "a4_results.json", tmp_path / "results.json")
    assert points(tmp_path) == "12"
    assert points(tmp_path, PLAN | {"seeds": [0, 1, 3]}) == "00"
