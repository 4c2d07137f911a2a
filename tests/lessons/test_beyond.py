"""The statements of the notebook on clusters, with and without Ray, and what it reads from recorded tables."""

import doctest
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import omg_lib as omg
from omg_lib.lessons import beyond
from omg_lib.lessons.capacity import Costs
from omg_lib.plots.capacity import recorded_speeds
from omg_lib.plots.sweeps import cells

DATA = Path(__file__).parents[2] / "data/results"


@pytest.mark.parametrize(
    ("found", "fast", "live", "words"),
    [
        (None, "", False, 'pip install -e ".[ray]"'),
        (None, "1", False, 'pip install -e ".[ray]"'),
        ("ray", "1", False, "OMG_FAST"),
        ("ray", "", True, "has started"),
        ("ray slow", "", False, "did not start (The current node timed out"),
    ],
)
def test_whether_it_runs_live_and_why(monkeypatch, found, fast, live, words):
    def start(num_cpus):
        assert num_cpus >= 4
        if found == "ray slow":
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(beyond, "start_here", start)
    monkeypatch.setattr(beyond, "extra", lambda name: SimpleNamespace(is_initialized=lambda: False))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    monkeypatch.setenv("OMG_FAST", fast)
    state, why = beyond.ray_state()
    assert state is live and words in why


def test_this_process_is_compared_with_itself():
    config = omg.OMGConfig(env="skirmish:partners", n_agents=2, batch_size=2, batch_size_run=2, learner="iql")
    (one,) = beyond.play_with(config, actors=())
    assert one.actors == 0 and one.same and one.episodes == 6
    assert "this process" in repr(beyond.played_table([one, beyond.Played(2, 6, False)]))
    assert "NO" in repr(beyond.played_table([beyond.Played(2, 6, False)]))


def test_recorded_speeds_say_what_the_notebook_says():
    """For the battle, this process is fastest; for a game that waits, actors are, and more actors are faster."""
    battle, slow = (beyond.best_speeds(DATA / "ray_runner.csv", game) for game in ("battle", "slow game"))
    assert battle["local"] > battle["ray"]
    assert slow["ray"] > 2 * slow["local"]
    table = recorded_speeds(DATA / "ray_runner.csv")
    assert slow["processes"] < slow["ray"] and battle["processes"] < battle["ray"], "each step goes there and back"
    assert {table.rows[row][:2] for row, _ in table.strong} >= {("battle", "this process")}


def test_recorded_trials_are_those_of_the_command_in_the_notebook():
    rows = beyond.read_table(DATA / "sweep.csv")
    assert len(rows) == 16 and {(row["state"], row["update"]) for row in rows} == {("finished", "100")}
    assert len(beyond.sweep_table(rows).rows) == 16
    assert beyond.sweep_table([rows[0] | {"state": "failed", "update": "", "t_env": ""}]).rows[0][2:4] == ("0", "")


def test_the_recorded_sweep_shows_what_the_notebook_says_of_its_figure():
    steps, memory = (cells(beyond.read_table(DATA / "sweep.csv"), "n_agents", name) for name in ("steps", "peak_bytes"))
    for size in (4, 16):
        two, four = (steps["omg", size][n][0] for n in (2, 4))
        assert 2 < four / two < 2.5, "with twice the seats about twice the steps"
        two, four = (steps["iql", size][n][0] for n in (2, 4))
        assert 1 <= four / two < 1.2, "whatever the team"
    for learner in ("omg", "iql"):
        for n in (2, 4):
            assert 1 < steps[learner, 16][n][0] / steps[learner, 4][n][0] < 1.2, "nearly flat along batch_size"
    sizes = [point[0] for points in memory.values() for point in points.values()]
    assert max(sizes) < 1.15 * min(sizes), "nearly all of it is Python and its libraries"


def test_examples():
    assert doctest.testmod(beyond).failed == 0


def test_another_run_adds_most_steps_a_day():
    more = beyond.ways_to_more(Costs(**json.loads((DATA / "capacity.json").read_text())))
    assert 1 <= more["core"] <= more["game"] < more["learner"] < more["run"]
