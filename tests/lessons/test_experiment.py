"""The small experiment: which plans are allowed, real runs, and a trustworthy file of results."""

import copy
import json
import threading

import pytest
import torch

from omg_lib.config import ConfigError
from omg_lib.lessons.experiment import (
    CHOICES,
    RANGES,
    again,
    curves,
    read_plan,
    read_results,
    run_experiment,
    save_results,
    settings,
)

QUICK = {"base": {"n_agents": 2, "batch_size": 2, "learner": "iql"}, "changed": {"n_agents": 2, "batch_size": 2},
         "seeds": [4, 5, 6]}  # fmt: skip


def plan(**changes):
    return copy.deepcopy(QUICK) | changes


def test_a_plan_names_its_difference():
    assert read_plan(QUICK).difference == "learner: iql or iql_actions"
    assert "n_agents: 3 or 2" in read_plan(plan(base={}, changed={"n_agents": 2})).difference


@pytest.mark.parametrize(("changes", "said"), [
    ({"seeds": [1, 2]}, "3 to 8 different"), ({"seeds": [1, 1, 2]}, "3 to 8 different"),
    ({"seeds": [1, 2, 2.5]}, "3 to 8"),
    ({"changed": QUICK["base"]}, "must differ in one setting"),
    ({"changed": {"lr": 0.01}}, "must differ in one setting"),
    ({"base": {"device": "cuda"}}, "allowed here are"), ({"base": {"n_agents": 16}}, "allowed here is 2 to 4"),
    ({"base": {"teammates": "/etc"}}, "allowed here are"), ({"base": {"learner": "oracle"}}, "allowed here are"),
    ({"base": {"lr": float("nan")}}, "allowed here is"), ({"base": None}, "allowed is a dict of settings"),
])  # fmt: skip
def test_what_a_plan_may_not_be(changes, said):
    with pytest.raises(ConfigError, match=said):
        read_plan(plan(**changes))


def test_no_dict_is_no_plan():
    for other in (None, [], {"base": {}}, "plan"):
        with pytest.raises(ConfigError, match="keys base, changed and seeds"):
            read_plan(other)


def test_every_setting_that_is_offered_makes_a_configuration():
    for name, values in (CHOICES | RANGES).items():
        for value in values:
            assert getattr(settings({name: value}), name) == value


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    heard = []
    made = run_experiment(read_plan(QUICK), 5, lambda text, share: heard.append((text, share)), threading.Event())
    path = tmp_path_factory.mktemp("experiment") / "results.json"
    save_results(made, path)
    assert heard[0][0] == "base, seed 4: update 1 of 5" and heard[-1][1] == 1.0 and len(heard) == 30
    return path


@pytest.mark.slow
def test_results_come_back_and_make_curves(results):
    found = curves(read_results(results, read_plan(QUICK)))
    assert list(found) == ["base", "changed"] and all(x.shape == (3, 5) for x in found.values())
    assert not torch.equal(found["base"], found["changed"])


def test_a_run_that_is_begun_again_comes_out_the_same_and_a_made_up_one_does_not(results):
    told, wanted = read_results(results), read_plan(QUICK)
    assert again(told, wanted, "base", 5)
    (claimed,) = [run for run in told["runs"] if (run["arm"], run["seed"]) == ("base", 5)]
    claimed["loss"][0] *= 1.01
    assert not again(told, wanted, "base", 5)


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda told: told["runs"].pop(), "missing or not finished"),
    (lambda told: told["runs"][0]["loss"].pop(), "missing or not finished"),
    (lambda told: told["plan"]["base"].update(lr=0.5), "another plan's"),
    (lambda told: told.pop("runs"), "cannot be read"),
])  # fmt: skip
def test_a_file_that_is_not_the_plans_is_refused(results, tmp_path, spoil, said):
    told = json.loads(results.read_text())
    spoil(told)
    save_results(told, tmp_path / "results.json")
    with pytest.raises(ConfigError, match=said):
        read_results(tmp_path / "results.json", read_plan(QUICK))


def test_a_file_may_be_older_than_some_settings(results, tmp_path):
    told = json.loads(results.read_text())
    del told["plan"]["base"]["kl_weight"]
    save_results(told, tmp_path / "results.json")
    assert read_results(tmp_path / "results.json", read_plan(QUICK))["updates"] == 5


def test_a_stopped_experiment_has_no_results():
    stop = threading.Event()
    stop.set()
    assert run_experiment(read_plan(QUICK), 5, lambda text, share: None, stop) is None
