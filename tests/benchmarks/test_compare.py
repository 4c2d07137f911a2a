"""The command runs without a checkout, its JSON is as documented, and its picture can be drawn."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import memory, plot, sweep
from benchmarks.timing import Reading, interleave, ratio, spread
from omg_lib.config import OMGConfig
from tests.helpers import warm

ROOT = Path(__file__).parents[2]
SPEEDS = ("runner_1", "runner_8", "runner_32", "insert", "sample", "train_32", "train_256", "iteration")


@pytest.mark.slow
def test_the_command_without_a_checkout(tmp_path):
    target = tmp_path / "ours.json"
    command = [*warm.module("benchmarks.compare"), "--rounds", "1", "--repeats", "1", "--episodes", "256"]
    subprocess.run([*command, "--parts", "speed", "--json", target], cwd=ROOT, check=True, capture_output=True)
    result = json.loads(target.read_text())
    assert {"machine", "commit", "torch", "threads", "ratios", "ours", "pymarl"} <= result.keys()
    assert result["threads"] == 1
    assert result["ratios"] == result["pymarl"] == {}
    for key in SPEEDS:
        assert result["ours"][key]["min"] <= result["ours"][key]["median"] <= result["ours"][key]["max"]


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("OMG_PYMARL"), reason="OMG_PYMARL names no checkout of oxwhirl/pymarl")
def test_the_command_with_a_checkout(tmp_path):
    target = tmp_path / "both.json"
    command = [*warm.module("benchmarks.compare"), "--rounds", "1", "--repeats", "1", "--episodes", "256"]
    command += ["--parts", "speed", "memory", "--pymarl", os.environ["OMG_PYMARL"], "--json", target]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    ratios = json.loads(target.read_text())["ratios"]
    wanted = SPEEDS + (("buffer_bytes", "train_peak_bytes") if memory.AVAILABLE else ())
    for key in wanted:
        assert 0 < ratios[key]["min"] <= ratios[key]["median"] <= ratios[key]["max"]


def test_interleaving_takes_every_operation_once_a_round():
    calls = []
    operations = {name: lambda name=name: calls.append(name) or 2 for name in "abc"}
    readings = interleave(operations, rounds=2, threads=1, min_time=0)
    assert "".join(calls) == "abc" + "abc" + "bca"
    assert all(len(column) == 2 for column in readings.values())


def test_a_ratio_is_taken_within_its_round():
    ours, theirs = [Reading(r, 0.0) for r in (10, 1, 6)], [Reading(r, 0.0) for r in (5, 0.5, 2)]
    assert ratio(ours, theirs) == {"median": 2, "min": 2, "max": 3}
    assert spread([3.0]) == {"median": 3, "min": 3, "max": 3}


def test_the_picture_shows_what_the_json_has():
    ratios = {"runner_1": {"median": 6, "min": 5, "max": 7}, "buffer_bytes": {"median": 0.5, "min": 0.5, "max": 0.5}}
    result = {"ratios": ratios, "threads": 1, "torch": "2", "machine": {"cpu": "a CPU"}}
    speed, share = plot.draw(result).axes
    assert [label.get_text() for label in speed.get_yticklabels()] == ["runner, 1 environment"]
    assert [label.get_text() for label in share.get_yticklabels()] == ["buffer of 5,000 episodes"]


def test_prediction_doubles_with_the_batch_and_more_than_doubles_with_the_team():
    for learner in sweep.LEARNERS:
        base, wide, large = (
            sweep.predicted(OMGConfig(learner=learner, n_agents=n, batch_size=size))
            for n, size in ((4, 8), (4, 16), (8, 8))
        )
        for key in base:
            assert wide[key] == pytest.approx(2 * base[key])
            assert large[key] > 2 * base[key]


def test_what_does_not_fit_is_drawn_as_refused():
    rows = [
        dict(learner="iql", n_agents=2, batch_size=size, multiply_adds=size, tensor_bytes=size, refused=refused)
        | dict(seconds=size / 100, peak_bytes=size * 1e6)
        for size, refused in ((8, ""), (16, ""), (32, "does not fit"))
    ]
    panel = sweep.draw(rows, "made up").axes[0]
    crosses = [line for line in panel.lines if line.get_marker() == "X"]
    assert [line.get_xdata().tolist() for line in crosses] == [[32]]


@pytest.mark.slow
@pytest.mark.skipif(not memory.AVAILABLE, reason="memory is measured on Linux only")
def test_an_update_that_may_not_take_enough_is_refused():
    settings = dict(learner="iql", n_agents=4, batch_size=64)
    assert "refused" in memory.in_fresh_process(memory.update, settings, 1, 20_000_000)
    cell = memory.in_fresh_process(memory.update, settings, 1)
    assert cell["peak_bytes"] > 0
    assert cell["seconds"] > 0
