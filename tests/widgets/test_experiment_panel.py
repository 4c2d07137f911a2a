"""The panel of assignment 4: it trains the plan, saves the results, and reports errors in words."""

import time

import pytest

from omg_lib.lessons.experiment import read_plan, read_results
from omg_lib.widgets import ExperimentPanel

PLAN = {"base": {"n_agents": 2, "batch_size": 2, "learner": "iql"}, "changed": {"n_agents": 2, "batch_size": 2},
        "seeds": [0, 1, 2]}  # fmt: skip


def unanswered():
    raise NotImplementedError


@pytest.mark.slow
def test_it_trains_and_saves(tmp_path):
    panel = ExperimentPanel(lambda: PLAN, tmp_path / "results.json")
    panel.run(updates=5)
    assert "Done: learner: iql or iql_actions, 3 seeds each, saved in results.json." in panel.status.value
    assert read_results(tmp_path / "results.json", read_plan(PLAN))["updates"] == 5
    assert (panel.start.disabled, panel.stop.disabled, panel.progress.value) == (False, True, 1.0)


def test_the_slider_and_the_number_are_one(tmp_path):
    panel = ExperimentPanel(unanswered, tmp_path / "results.json")
    panel.updates.value = 40
    assert panel.number.value == 40


def test_stop_ends_the_runs_and_nothing_is_saved(tmp_path):
    panel = ExperimentPanel(lambda: PLAN, tmp_path / "results.json")
    panel.number.value = 400
    panel.start.click()
    panel.start.click()  # a second press while it runs does nothing
    deadline = time.monotonic() + 120
    while panel.progress.value == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    panel.stop.click()
    panel.worker.join(120)
    assert "Stopped" in panel.status.value and not (tmp_path / "results.json").exists()


def test_what_is_wrong_is_told(tmp_path):
    said = []
    for plan in (unanswered, lambda: {"base": {}}, lambda: 1 / 0):
        panel = ExperimentPanel(plan, tmp_path / "results.json")
        panel.run(updates=5)
        said.append(panel.status.value)
    assert "Not answered yet" in said[0] and "allowed is a dict" in said[1] and "ZeroDivisionError" in said[2]
