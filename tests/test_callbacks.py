"""Callbacks hear of everything once and in order, and the event file for TensorBoard holds what they heard."""

import csv
import dataclasses
import json
import platform
import struct

import pytest
import torch

import omg_lib as omg
from omg_lib.callbacks import Callback, CallbackError, TensorBoard
from omg_lib.runs.folder import RunFolder, saved_config
from omg_lib.runs.follow import follow
from tests.helpers.batches import echo_registered, quick_config, short_pretraining


@pytest.fixture(autouse=True)
def echo():
    with echo_registered(), short_pretraining(20):
        yield


class Heard(Callback):
    def __init__(self):
        self.told = []

    def on_episode(self, played):
        self.told.append(("episode", played))

    def on_test(self, tested):
        self.told.append(("test", tested))

    def on_update(self, report):
        self.told.append(("update", report))

    def on_stop(self, finished):
        self.told.append(("stop", finished))

    def of(self, event):
        return [what for name, what in self.told if name == event]


def test_callbacks_hear_of_everything_once_and_in_order():
    heard, config = Heard(), quick_config("iql", updates=4, test_interval=20)
    with omg.Training(config, callbacks=[heard]) as run:
        reports = list(run)
        lengths = run.runner.t_env
    assert heard.of("update") == reports and heard.of("stop") == [True] and heard.told[-1][0] == "stop"
    played = heard.of("episode")
    assert [one.episode for one in played] == list(range(run.runner.episode))
    assert sum(one.length for one in played) == lengths
    assert sum(one.total for one in played) / len(played) == pytest.approx(reports[-1].metrics["train_return"])
    tested = [r for r in reports if "test_return" in r.metrics]
    assert [(t.update, t.t_env, t.test_return) for t in heard.of("test")] == [
        (r.update, r.t_env, r.metrics["test_return"]) for r in tested
    ]
    assert 1 < len(tested), "one at its interval, one at the end"


def test_a_loop_that_is_left_or_stopped_ends_unfinished():
    heard = Heard()
    with omg.Training(quick_config("iql", updates=4), callbacks=[heard]) as run:
        for _ in run:
            break
        for _ in run:
            run.stop()
    assert heard.of("stop") == [False, False] and len(heard.of("update")) == 2


GIVEN = {"number": [3], "class": [Heard], "one": Heard(), "none": None, "word": "x"}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_what_is_no_list_of_callbacks_is_refused(given):
    with pytest.raises(omg.ConfigError, match="callbacks=.*: allowed is a list of instances of omg_lib.Callback"):
        omg.Training(quick_config("iql", updates=1), callbacks=given)


@pytest.mark.parametrize("event", ["on_episode", "on_test", "on_update"])
def test_a_callback_that_fails_ends_the_run_and_loses_nothing(event, tmp_path):
    def fail(self, what):
        raise KeyError("no such key")

    config = quick_config("iql", updates=4, test_interval=1)
    broken = type("Broken", (Callback,), {event: fail})()
    with omg.Training(config, callbacks=[broken, heard := Heard()]) as run:
        with pytest.raises(CallbackError, match=f"update 1: Broken.{event} raised KeyError|update 0: Broken.on_epis"):
            list(follow(run, RunFolder.create(tmp_path, config)))
        assert run.update == 1 and len(heard.of("update")) == 1
    with omg.Training(config) as run:
        list(follow(run, RunFolder.resume(tmp_path, run)))
        assert run.update == 4
    assert [row["update"] for row in rows_of(tmp_path)] == ["1", "2", "3", "4"]


def rows_of(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_have_a_time_that_grows_also_over_a_resume_and_no_old_test(tmp_path):
    config = quick_config("iql", updates=3, test_interval=15)
    with omg.Training(config) as run:
        list(follow(run, RunFolder.create(tmp_path, config)))
    longer = dataclasses.replace(config, updates=6)
    with omg.Training(longer) as run:
        list(follow(run, RunFolder.resume(tmp_path, run)))
    rows = rows_of(tmp_path)
    times = [float(row["time"]) for row in rows]
    assert times == sorted(times) and times[0] > 0 and len(rows) == 6
    tested = [bool(row["test_return"]) for row in rows]
    assert tested == [bool(row["test_length"]) for row in rows] == [bool(row["win_rate"]) for row in rows]
    assert tested[2] and tested[-1] and not all(tested)


def test_the_folder_says_what_it_was_computed_with(tmp_path):
    config = quick_config("iql", updates=1)
    with omg.Training(config) as run:
        list(follow(run, RunFolder.create(tmp_path, config)))
        threads = torch.get_num_threads()
    found = json.loads((tmp_path / "config.json").read_text())["versions"]
    assert (found["omg"], found["torch"]) == (omg.__version__, torch.__version__)
    assert (found["python"], found["threads"]) == (platform.python_version(), threads) and found["cpu"]
    assert saved_config(tmp_path) == config, "versions are no setting"


def events(folder):
    """Read scalars back from event files: (tag, step) -> value. A record: its length, a checksum, data, a checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in folder.glob("events.out.tfevents.*"):
        data, start = path.read_bytes(), 0
        while start < len(data):
            (length,) = struct.unpack_from("<Q", data, start)
            event = Event.FromString(data[start + 12 : start + 12 + length])
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
            start += 16 + length
    return found


def test_the_event_file_for_tensorboard_holds_every_number(tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    heard, config = Heard(), quick_config("omg", updates=3)
    with omg.Training(config, callbacks=[heard, TensorBoard(tmp_path / "tb")]) as run:
        list(run)
    expected = {}
    for one in heard.of("episode"):
        expected |= {("episode/return", one.episode): one.total, ("episode/length", one.episode): one.length}
    for one in heard.of("test"):
        expected |= {("test/return", one.t_env): one.test_return, ("test/length", one.t_env): one.test_length}
        expected[("test/win_rate", one.t_env)] = one.win_rate
    for report in heard.of("update"):
        kept = {k: v for k, v in report.metrics.items() if k not in ("win_rate", "test_return", "test_length")}
        expected |= {(f"train/{key}", report.t_env): value for key, value in kept.items()}
    found = events(tmp_path / "tb")
    assert found.keys() == expected.keys() and ("train/recon_loss", heard.of("update")[-1].t_env) in found
    assert all(found[key] == pytest.approx(value, rel=1e-6) for key, value in expected.items())


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    (tmp_path / "file").write_text("")
    with pytest.raises(omg.ConfigError, match="folder=.*cannot be written"):
        TensorBoard(tmp_path / "file" / "tb")
