"""The panel's model, without Jupyter: everything a student can do, in any order, and every error."""

import csv
import json
import os
import re
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from omg_lib import ConfigError, OMGConfig, Report, predict
from omg_lib.widgets import FlowModel, flow_model, job
from omg_lib.widgets.flow_model import device_text

LONG = 120.0
"""Seconds after which something hangs, however busy the machine is."""
SMALL = dict(n_agents=2, batch_size=2, learner="iql", device="cpu")


@pytest.fixture
def model():
    """A model for one test: everything it started has ended."""
    model = FlowModel(**SMALL)
    yield model
    if model.state != "idle":
        model.stop()
    assert model.wait(LONG)


def until(condition, seconds: float = LONG) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def threads() -> int:
    return sum(thread.name == "omg-training" for thread in threading.enumerate())


class Fast:
    """A fake of Training: updates as fast as possible, each with the plan as its trace."""

    def __init__(self, config, progress, **_):
        self.buffer = SimpleNamespace(rings=[SimpleNamespace(episodes=[], capacity=1)])
        self.config, self.stopped, self.update = config, threading.Event(), 0
        self.plan = predict(config)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __iter__(self):
        while not self.stopped.is_set():
            self.update += 1
            self.trace = replace(self.plan, update=self.update)
            yield Report(self.update, self.update, {"loss": 1.0})

    def stop(self):
        self.stopped.set()


def test_a_run_measures_what_was_predicted(model):
    heard = []
    model.listen(heard.append)
    trace = model.run(updates=2)
    assert trace is model.trace and trace.update == 2
    assert model.differences == [] and [report.update for report in model.reports] == [1, 2]
    assert (model.status, model.state) == ("Finished at update 2", "idle")
    assert {"flow", "curves", "progress", "status"} <= set(heard)


@pytest.mark.slow
def test_omg_names_its_phases_before_the_first_update():
    model, said = FlowModel(n_agents=2, batch_size=2, device="cpu"), []
    model.listen(lambda part: said.append(model.status) if part == "status" else None)
    assert model.run(updates=1).update == 1
    assert said == [
        "Starting",
        "Collecting the first 4 episodes",
        "Pre-training the subgoal prior",
        "Training with n_agents 2, batch_size 2: every prediction held",
        "Finished at update 1",
    ]


def test_run_goes_on_until_stop(model):
    model.start()
    until(lambda: len(model.reports) > 3)
    with model.lock:  # nothing is reported meanwhile
        model.stop()
        assert (model.state, model.status) == ("stopping", "Stopping")
        count = len(model.reports)
    assert model.wait(LONG) and len(model.reports) <= count + 1, "the update in which it was is the last"
    assert model.status == f"Stopped at update {len(model.reports)}"
    assert model.trace.update == len(model.reports)  # the last one is shown, however recent the one before was


def test_a_moved_slider_makes_predictions_of_all_rows(model):
    model.run(updates=1)
    model.set(n_agents=3)
    assert model.trace is None and model.plan == predict(model.config)
    assert model.plan.sizes["A"] == 3
    assert "the sample holds 2" in model.status


def test_a_slider_moved_in_mid_run_keeps_the_old_trace_away(model):
    model.start()
    until(lambda: model.trace)
    model.set(n_agents=4)
    count = len(model.reports)
    until(lambda: len(model.reports) > count + 3)
    assert model.state == "running" and model.trace is None
    model.set(n_agents=2)
    until(lambda: model.trace)  # back at the run's settings, its measurements are right again


def test_what_a_run_reports_does_not_speak_over_other_settings(model):
    model.start()
    until(lambda: model.trace)
    model.set(n_agents=4)
    said = []
    model.listen(lambda part: said.append(model.status) if part == "status" else None)
    model.progressed(model._shown, "Another phase", "text", 0.5)  # as the run's thread does, however late
    assert said == [] and model.status.startswith("Training continues with the previous settings")
    model.set(n_agents=2)
    assert model.status == "Another phase"


def test_run_pressed_again_and_again_leaves_one_run(model):
    for _ in range(5):
        model.start()
    until(lambda: len(model.reports) > 2)
    assert threads() == 1 and model.state == "running" and model.differences == []


def test_what_memory_cannot_hold_is_refused_before_it_begins(model, monkeypatch):
    model.run(updates=1)
    trace = model.trace
    monkeypatch.setattr(flow_model, "usable_memory", lambda: 2**20)
    model.set(batch_size=64)
    assert model.status.startswith("Predicted"), "a prediction costs nothing"
    plan = model.plan
    model.start()
    assert re.match(
        r"batch_size=64: with n_agents 2 one update takes [\d.]+ MB of memory; this process may use 1\.05 MB$",
        model.status,
    )
    assert model.state == "idle" and model.plan is plan and len(model.reports) == 1
    with pytest.raises(ConfigError, match="batch_size=64"):
        model.run(updates=1)
    monkeypatch.setattr(flow_model, "usable_memory", lambda: None)
    model.set(batch_size=2)
    assert model.run(updates=1) == replace(trace, stages=model.trace.stages)


def test_run_in_mid_run_starts_again_with_the_new_settings(model, monkeypatch):
    gone_on = threading.Event()

    class Slow(Fast):
        def __exit__(self, *error):
            assert gone_on.wait(LONG)

    monkeypatch.setattr(job, "Training", Slow)
    model.start()
    until(lambda: model.reports)
    model.set(n_agents=4)
    model.start()  # it does not wait for the old one
    assert threads() == 2 and model.status == "Starting"
    gone_on.set()
    until(lambda: model.trace)
    assert model.trace.sizes["A"] == 4 and model.previous and threads() == 1


def test_many_quick_runs_leave_one(model):
    for batch_size in (1, 2, 3, 4):
        model.set(batch_size=batch_size)
        model.start()
    until(lambda: model.trace)
    assert model.trace.sizes["G"] == 4 and threads() == 1


def test_stop_at_once_and_stop_twice(model):
    model.stop()
    assert model.status == "Nothing is running"
    model.start()
    model.stop()
    model.stop()
    assert model.wait(LONG) and model.status == "Stopped at update 0"


def test_previous_curves_stay_until_the_next_run_has_some(model):
    model.run(updates=2)
    model.run(updates=1)
    assert (len(model.previous), len(model.reports)) == (2, 1)
    model.start()
    model.stop()
    model.wait(LONG)
    model.start()
    assert len(model.previous) == 1


@pytest.mark.parametrize(
    ("env", "n_agents", "module", "named"),
    [
        ("predator_prey", 2, "mpe2.simple_tag_v3", "env='predator_prey'.*mpe2 is not installed.*pip install"),
        ("pettingzoo:mpe2.simple_spread_v3,N=2", 2, "pettingzoo", "env='pettingzoo:.*not installed.*pip install"),
    ],
)
def test_an_environment_whose_package_is_missing_is_one_sentence(model, monkeypatch, env, n_agents, module, named):
    monkeypatch.setitem(sys.modules, module, None)
    model.set(env=env, n_agents=n_agents)
    model.start(1)
    assert model.wait(LONG) and model.state == "idle"
    assert re.search(named, model.status) and "\n" not in model.status
    model.set(**SMALL, env="skirmish")
    model.run(1)
    assert model.status == "Finished at update 1"


@pytest.mark.parametrize(
    "bad, named",
    [
        (dict(batch_size_run=3), "batch_size_run=3"),
        (dict(buffer_size=1), "batch_size=2"),
        (dict(n_agents=99), "n_agents=99"),
        (dict(learner="sarsa"), "learner='sarsa'"),
        (dict(runner="sideways"), "runner='sideways'"),
        (dict(device="tpu"), "device='tpu'"),
    ],
)
def test_what_is_not_allowed_is_one_sentence_and_the_picture_stays(bad, named):
    model = FlowModel(**SMALL | dict(learner="omg"))
    plan = model.plan
    model.set(**bad)
    assert model.status.startswith(named) and "\n" not in model.status
    assert model.plan is plan
    model.start()
    assert model.state == "idle" and model.status.startswith(named)
    with pytest.raises(ConfigError):
        model.run(updates=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_where_there_is_none(model):
    model.set(device="cuda")
    assert model.status.startswith("device='cuda'") and "auto, cpu" in model.status


@pytest.mark.parametrize("error", [RuntimeError("out of\nmemory"), MemoryError(), ConfigError("device", "x", "no")])
def test_a_run_that_fails_is_said_and_another_one_works(model, monkeypatch, error):
    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(job, "Training", fail)
        with pytest.raises(type(error)):
            model.run(updates=1)
        assert model.state == "idle" and "\n" not in model.status
        assert str(error).split("\n")[0] in model.status
    assert model.run(updates=1)


def test_fast_updates_are_not_drawn_one_by_one(model, monkeypatch):
    """120 of them, each in a hundredth of a second of a clock of their own."""

    class Timed(Fast):
        def __iter__(self):
            for report in super().__iter__():
                clock.now += 0.01
                yield report

    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(job, "Training", Timed)
    monkeypatch.setattr(flow_model, "time", clock)
    heard = []
    model.listen(heard.append)
    model.run(updates=120)
    assert len(model.reports) == 120
    assert 2 <= heard.count("flow") <= 6 and heard.count("curves") <= 5 and heard.count("progress") <= 14
    assert model.trace.update == len(model.reports)


def test_reset(model):
    model.set(n_agents=5)
    model.start()
    until(lambda: model.reports)
    model.reset()
    assert model.settings["n_agents"] == 2 and model.plan.sizes["A"] == 2
    assert (model.trace, model.reports, model.previous, model.state) == (None, [], [], "idle")
    assert model.wait(LONG)
    assert model.reports == [] and model.status.startswith("Predicted")
    assert model.run(updates=1).update == 1


@pytest.mark.slow
def test_save(model, tmp_path):
    assert json.loads(model.save(tmp_path / "before")[0].read_text())["update"] is None  # the prediction
    model.run(updates=2)
    files = model.save(tmp_path / "a" / "b")
    assert [file.name for file in files] == ["trace.json", "flow.svg", "flow.html", "curves.csv", "curves.png"]
    assert json.loads(files[0].read_text())["update"] == 2
    assert 'data-state="equal"' in files[1].read_text(encoding="utf-8")
    assert '"update":2' in files[2].read_text(encoding="utf-8")
    with files[3].open() as lines:
        table = list(csv.DictReader(lines))
    assert [float(row["loss"]) for row in table] == [report.metrics["loss"] for report in model.reports]
    assert files[4].read_bytes().startswith(b"\x89PNG")
    assert model.status.startswith("Saved trace.json")


def test_a_folder_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert model.save(tmp_path / "file" / "folder") == []
    assert model.status.startswith("folder=") and "cannot be written" in model.status


@pytest.fixture
def outside(tmp_path):
    """A file that links lead to; it must not change."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    yield precious
    assert precious.read_text() == "precious"


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows")
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
@pytest.mark.parametrize("name", ["trace.json", "curves.png", "export"])
def test_what_lies_at_a_name_is_neither_followed_nor_half_replaced(model, tmp_path, outside, name, kind):
    path = tmp_path / "at" / name
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(outside if kind == "link" else "/dev/full")
    assert not (model.export(path) if name == "export" else model.save(path.parent))
    what = "link, which is not followed" if kind in ("link", "device") else "not a regular file"
    assert what in model.status and model.status.count("cannot be written") == 1 and len(model.status) <= 300
    assert [one.name for one in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("way", ["save", "export"])
@pytest.mark.parametrize("name", ["a\0b", "a\ud800", "x" * 300, "~nobody-here/x", "/dev/null", "/dev/null/x"])
def test_a_name_that_cannot_be_written_is_one_sentence(model, tmp_path, monkeypatch, way, name):
    monkeypatch.chdir(tmp_path)
    assert not getattr(model, way)(name)
    assert "it cannot be written" in model.status and len(model.status) <= 300 and model.status.isprintable()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_what_is_said_of_a_saved_file_holds_no_command_for_a_terminal(model, tmp_path):
    assert model.save(tmp_path / "a\x1b[2J\u202eb") and model.status.isprintable()


def test_a_gpu_is_named_with_its_memory(monkeypatch):
    card = SimpleNamespace(name="NVIDIA Test", total_memory=8 * 2**30)
    for name, value in (
        ("is_available", True),
        ("device_count", 1),
        ("get_device_properties", card),
        ("max_memory_allocated", 2**30),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    assert device_text(OMGConfig()) == "GPU NVIDIA Test, 8 GiB, of which 1.00 GiB used at most"
    assert device_text(OMGConfig(device="cpu")) == "CPU"


@pytest.mark.parametrize(("took", "pause"), [(0.01, 3.0), (0.5, 25.0)])
def test_what_is_slow_to_draw_is_drawn_less_often(model, monkeypatch, took, pause):
    now = [100.0]
    monkeypatch.setattr(flow_model.time, "monotonic", lambda: now[0])

    def draw(part):
        now[0] += took

    model.listen(draw)
    model._tell("curves")
    drawn = now[0]
    due = []
    for later in (pause - 0.1, pause + 0.1):
        now[0] = drawn + later
        due.append(model._due("curves"))
    assert due == [False, True]
