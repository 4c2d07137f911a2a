"""The capacity model: its arithmetic, and its small end compared with measured runs."""

import csv
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omg_lib as omg
from benchmarks.capacity import carrying, table
from benchmarks.slow_game import SlowGame
from omg_lib.config import ConfigError
from omg_lib.controller import Controller
from omg_lib.lessons.capacity import DAY, Cluster, Costs, cycle, measure, plan, speed
from omg_lib.runner import Runner
from tests.helpers.work import working

ROOT = Path(__file__).parents[2]
COSTS = Costs(step=0.001, learn=0.5, steps=500, step_bytes=4000, weight_bytes=200_000)
WIDE = 2.5
"""A model is a model: right is what is right within this factor."""
positive = st.floats(1e-4, 1e2)


def near(expected: float) -> object:
    return pytest.approx(expected, rel=1e-6)


def test_an_update_is_playing_and_learning():
    assert cycle(COSTS, 1, 1) == near((0.5, 0, 0.5))
    assert cycle(COSTS, 4, 4) == near((0.125, 0, 0.5))
    assert cycle(COSTS, 4, 2) == near((0.25, 0, 0.5)), "cores bound it"
    waiting = replace(COSTS, wait=0.009, copy=0.0001)
    assert cycle(waiting, 10, 1) == near((0.5, 0.05, 0.5)), "waiting needs no core"
    assert speed(COSTS, 1, 1) == near(500)


def test_what_a_plan_says():
    small = plan(COSTS, 1000)
    assert (small.runs, small.games, small.cores, small.nodes) == (1, 1, 1, 1)
    day = speed(COSTS, 1, 1) * DAY
    assert plan(COSTS, 1.5 * day).runs == 2, "a second game would help less than a second run"
    slow = replace(COSTS, wait=0.099)
    assert plan(slow, 400 * DAY).limit == "the games"
    assert plan(slow, 400 * DAY).cores < plan(slow, 400 * DAY).games
    assert plan(replace(COSTS, learn=5.0), 1e9).limit in ("the learner", "the games")
    assert plan(replace(COSTS, learn=0.01, copy=0.01), 1e6).limit == "carrying episodes"
    assert plan(replace(COSTS, step_bytes=10**8), 1e8).limit == "the network"
    assert plan(COSTS, 1e8, Cluster(store=1e6)).limit == "the object store"


@settings(deadline=None)
@given(step=positive, learn=positive, wait=st.floats(0, 1), steps=st.floats(1, 1e4), wanted=st.floats(1, 1e9))
def test_a_plan_is_enough_and_not_too_much(step, learn, wait, steps, wanted):
    costs = Costs(step, learn, steps, 4000, 1, wait)
    found = plan(costs, wanted)
    assert found.steps_a_day >= wanted * (1 - 1e-6)
    assert 0 < found.learner < 1 and found.cores <= found.games
    if found.games > 1:
        fewer = math.ceil((found.games - 1) * step / (step + wait) - 1e-9)
        assert speed(costs, found.games - 1, fewer) * found.runs * DAY < wanted * (1 + 1e-6)
    elif found.runs > 1:
        assert speed(costs, 1, 1) * (found.runs - 1) * DAY < wanted * (1 + 1e-6)


@pytest.mark.parametrize("bad", [{"step": 0}, {"learn": -1.0}, {"wait": -0.1}, {"steps": math.nan}])
def test_costs_that_cannot_be_are_refused(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        replace(COSTS, **bad)
    with pytest.raises(ConfigError, match="steps_a_day"):
        plan(COSTS, 0)


# --- beside measured runs ---


@pytest.fixture
def work(monkeypatch):
    """The clock of everything that runs in this thread counts calls, so that a busy machine changes nothing."""
    with working() as clock:
        for name in ("perf_counter", "process_time"):
            monkeypatch.setattr(time, name, clock)
        monkeypatch.setattr(time, "sleep", clock.sleep)
        yield clock


@pytest.mark.slow
def test_one_process_is_as_fast_as_its_costs_say(work):
    """Costs from a few updates, by their traces; then another run, by all the work of this process."""
    config = omg.OMGConfig(env="skirmish:partners", n_agents=3, batch_size=4, batch_size_run=3, learner="iql",
                           teammates="scripted", device="cpu", updates=4, test_nepisode=3)  # fmt: skip
    costs = measure(config, updates=2)
    with omg.Training(config) as run:
        reports = iter(run)
        first, began = next(reports), work()
        steps = [report.t_env for report in reports][-2] - first.t_env  # the last update ends with a test
        seconds = work() - began
    assert 1 / WIDE < speed(costs, 1, 1) / (steps / seconds) < WIDE
    assert costs.weight_bytes > 10_000 and costs.step_bytes > 100


def test_a_game_that_waits_is_as_slow_as_is_said(work):
    """The cost of a step from a game that does not wait; the rest is the model."""
    config = omg.OMGConfig(env="skirmish:partners", n_agents=3, batch_size=4, learner="iql", teammates="scripted",
                           device="cpu")  # fmt: skip

    def played(wait):
        env = SlowGame(3, wait=wait)
        runner = Runner(config, env, Controller(config, env.info, omg.training.resolve_device("cpu")))
        runner.run()
        began, before = work(), runner.t_env
        for _ in range(3):
            runner.run()
        return (runner.t_env - before) / (work() - began)

    costs = Costs(1 / played(0.0), 1e-9, 100, 1, 1, wait=0.01)
    assert 1 / WIDE < speed(costs, 1, 1) / played(0.01) < WIDE


def test_recorded_actors_are_as_fast_as_is_said():
    """Recorded speeds of this process and of one actor with a cheap game predict those of 1 to 8 actors with a game
    that waits. Takes the best round of each, the one least disturbed by other processes.
    """
    with (ROOT / "data/results/ray_runner.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = {(row["game"], row["runner"], row["width"], row["actors"]): float(row["high"]) for row in rows}
    step, wait = 1 / found["battle", "local", "1", "0"], float(rows[0]["wait_ms"]) / 1000
    costs = Costs(step, 1e-9, 100, 1, 1, wait, carrying(rows))
    cores = int(rows[0]["cores"])
    for actors in (1, 2, 4, 8):
        assert 1 / WIDE < speed(costs, actors, cores) / found["slow game", "ray", "8", str(actors)] < WIDE, actors


def test_the_page_holds_the_table_of_the_recorded_costs():
    costs = Costs(**json.loads((ROOT / "data/results/capacity.json").read_text()))
    assert table(costs) in (ROOT / "benchmarks/capacity.md").read_text()
