"""Whatever interrupts a run, at any moment, leaves a complete checkpoint, and continuing from it is exact."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import omg_lib as omg
from omg_lib.__main__ import main
from omg_lib.config import LEARNERS, RunError
from omg_lib.runs import folder as checkpoint
from omg_lib.runs import follow as following
from omg_lib.runs.folder import RunFolder
from omg_lib.runs.follow import follow
from omg_lib.runs.state import MAY_CHANGE, state_of, tensors_of
from tests.helpers import warm
from tests.helpers.batches import echo_registered, short_pretraining

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("OMG_KILLS", "20"))
"""Of each learner's run; at least 5, so that two of them wait for progress."""


@pytest.fixture(scope="module", autouse=True)
def quick():
    with echo_registered(), short_pretraining():
        yield


def config(**changes):
    settings = dict(env="echo", n_agents=3, batch_size=2, buffer_size=12, learner="iql", device="cpu", updates=6)
    return omg.OMGConfig(**settings | dict(test_nepisode=4, test_interval=20, teammates="scripted") | changes)


def straight(settings):
    """The reports and the run of an undisturbed training."""
    with omg.Training(settings) as run:
        return list(run), run


def go_on(path, settings):
    """Resume and train to the end; return the folder and the run. Every update has one row."""
    with omg.Training(settings) as run:
        folder = RunFolder.resume(path, run)
        for _ in follow(run, folder):
            pass
    rows = (path / "metrics.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(1, settings.updates + 1))
    return folder, run


def same(one, other):
    mine, theirs = tensors_of(one), tensors_of(other)
    assert mine.keys() == theirs.keys() and all(torch.equal(x, theirs[key]) for key, x in mine.items())
    assert state_of(one) == state_of(other)


# --- kill -9 -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The report of one process that forks, kills and resumes a run of every learner."""
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    words = ["--kills", str(KILLS), "--out", str(tmp_path_factory.mktemp("killed"))]
    command = warm.module("benchmarks.robustness.interruptions", *words)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1100)
    assert done.returncode == 0, done.stderr[-2000:]
    return {row["learner"]: row for row in map(json.loads, done.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.timeout(1200)  # half a minute; on a machine that others keep busy, much more
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_run_that_is_killed_many_times_ends_where_one_ends_that_never_was(killed, learner):
    row = killed[learner]
    assert row["differences"] == [] and len(row["reached"]) == KILLS
    assert row["reached"] == sorted(row["reached"]) and row["reached"][-1] > row["reached"][0]


# --- every step of a save ---------------------------------------------------------------------------------------


class Crash(BaseException):
    """A power failure."""


@contextmanager
def crash_at(step):
    """Make the step-th change on the disk, and everything after it, fail."""
    left = [step]

    def counted(function):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:  # nor anything after it: no cleaning up
                raise Crash
            return function(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (os, "replace"), (os, "fsync"), (os, "mkdir"), (os, "unlink"), (shutil, "rmtree"),
        ):  # fmt: skip
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield left


@pytest.mark.slow
def test_a_crash_at_any_step_of_a_save_leaves_a_checkpoint_that_is_whole(tmp_path):
    settings = config(updates=5, test_interval=1000)
    _, run = straight(settings)
    step, crashed = 0, True
    while crashed:
        path = tmp_path / str(step)
        with omg.Training(settings) as broken:
            folder = RunFolder.create(path, settings)
            for report in broken:
                folder.record(report)
                if report.update < 4:
                    folder.save(broken)
                    continue
                try:
                    with crash_at(step):
                        folder.save(broken)
                    crashed = False
                except Crash:
                    pass
                break
        folder.close()  # as the end of a process does
        resumed = go_on(path, settings)[1]
        same(resumed, run)
        step += 1
    assert step > 10, "a save has more steps than that"


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 700, 9000])
def test_a_full_disk_stops_the_run_with_a_sentence_and_loses_nothing(tmp_path, limit):
    settings = config(updates=5, rnn_hidden_dim=16)
    _, run = straight(settings)
    with omg.Training(settings) as broken:
        folder = RunFolder.create(tmp_path, settings)
        reports = iter(broken)
        for _ in range(3):
            folder.record(next(reports))
            folder.save(broken)
        next(reports)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(RunError, match="could not be written.*you can resume from update-000000003"):
                folder.save(broken)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    folder.close()
    assert not list(tmp_path.rglob("*.draft"))
    same(go_on(tmp_path, settings)[1], run)


def test_a_full_disk_on_the_command_line_is_exit_code_1_and_one_line(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    words = ["train", "--env", "skirmish:partners", "--n-agents", "2", "--batch-size", "1", "--learner", "iql"]
    monkeypatch.setattr(checkpoint, "record", full)
    assert main([*words, "--updates", "2", "--out", str(tmp_path / "run")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "row of update 1 could not be written" in err
    assert "No space left on device" in err and "Traceback" not in err


# --- damage ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with two checkpoints, and the run that continued undisturbed."""
    settings, path = config(updates=6), tmp_path_factory.mktemp("whole") / "run"
    with omg.Training(settings) as run:
        folder = RunFolder.create(path, settings)
        for report in run:
            folder.record(report)
            folder.save(run)
            if report.update == 4:
                break
    folder.close()
    return path, settings, straight(settings)[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["weights.safetensors", "state.json", "segment"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_goes_on(tmp_path, whole, name, seed):
    original, settings, run = whole
    path, chance = tmp_path / "run", random.Random(seed)
    shutil.copytree(original, path)
    newest = path / "checkpoints" / "update-000000004"
    file = max((path / "checkpoints" / "episodes").iterdir()) if name == "segment" else newest / name
    data = bytearray(file.read_bytes())
    place = chance.randrange(len(data))
    if seed == 0:
        file.unlink()
    elif seed % 2:
        data[place] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
    else:
        file.write_bytes(data[:place])
    with pytest.warns(UserWarning, match="update-000000004: .*from update-000000003"), omg.load(path) as loaded:
        assert loaded.update == 3
    folder, resumed = go_on(path, settings)
    assert "update-000000004: " in folder.notice and "continues from update-000000003" in folder.notice
    assert newest.with_name("damaged-update-000000004").is_dir()
    same(resumed, run)


def test_where_nothing_is_whole_the_sentence_says_why(tmp_path, whole):
    shutil.copytree(whole[0], tmp_path / "run")
    for state in tmp_path.rglob("state.json"):
        state.write_text("{}")
    with omg.Training(whole[1]) as run, pytest.raises(omg.ConfigError, match="no checkpoint can be read"):
        RunFolder.resume(tmp_path / "run", run)


@pytest.mark.parametrize("damage", [b"", b"\xff\x00" * 500, b"update,loss\r\n1,x\r\n", b"," * 10**6])
def test_a_damaged_metrics_file_is_kept_beside_and_the_run_goes_on(tmp_path, whole, damage):
    shutil.copytree(whole[0], tmp_path / "run")
    (tmp_path / "run" / "metrics.csv").write_bytes(damage)
    with omg.Training(whole[1]) as run:
        folder = RunFolder.resume(tmp_path / "run", run)
        list(follow(run, folder))
    same(run, whole[2])
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["5", "6"]
    kept = tmp_path / "run" / "metrics.damaged.csv"
    assert kept.exists() == ("metrics.damaged.csv" in folder.notice) == (damage.count(b"\n") > 2 or len(damage) > 10**5)


def test_a_row_that_a_crash_has_torn_is_nothing_to_speak_of(tmp_path, whole):
    shutil.copytree(whole[0], tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.csv"
    before = metrics.read_text()
    metrics.write_text(before + "5,123,0.1")
    with omg.Training(whole[1]) as run:
        assert RunFolder.resume(tmp_path / "run", run).notice == ""
    assert metrics.read_text() == before


def test_every_field_that_differs_is_named(tmp_path, whole, capsys):
    with omg.Training(config(seed=7, gamma=0.5)) as run, pytest.raises(omg.ConfigError) as error:
        RunFolder.resume(whole[0], run)
    assert "seed=7 here and 0 there; gamma=0.5 here and 0.99 there" in str(error.value)
    assert f"only {', '.join(MAY_CHANGE)} may differ" in str(error.value)
    assert main(["train", "--resume", str(whole[0]), "--seed", "7", "--batch-size", "3"]) == 2
    err = capsys.readouterr().err
    assert "batch_size=3 here and 2 there; seed=7 here and 0 there" in err and len(err) < 301


def test_a_folder_serves_one_process_at_a_time(tmp_path, whole):
    shutil.copytree(whole[0], tmp_path / "run")
    with omg.Training(whole[1]) as run:
        folder = RunFolder.resume(tmp_path / "run", run)
        child = os.fork()
        if child == 0:
            try:
                RunFolder.resume(tmp_path / "run", run)
            except omg.ConfigError as error:
                os._exit(17 if "is training in this folder" in str(error) else 1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
        folder.save(run)


# --- interrupts ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg"])
@pytest.mark.parametrize("moment", range(0, 48, 8))
def test_a_run_that_is_stopped_anywhere_is_saved_as_it_stands(tmp_path, learner, moment):
    """Also within a round, or before the first update: episodes played for the next update are part of the state."""
    settings = config(learner=learner, updates=4)
    with omg.Training(settings) as broken:
        folder, polls = RunFolder.create(tmp_path, settings), [0]
        poll = broken._poll

        def stop_there():
            polls[0] += 1
            if polls[0] == moment + 1:
                broken.stop()
            poll()

        broken._poll = broken.learner.poll = stop_there
        for _ in follow(broken, folder):
            pass
    _, run = straight(settings)
    same(go_on(tmp_path, settings)[1], run)


@pytest.mark.slow
def test_an_interrupt_finishes_the_update_saves_says_where_and_raises(tmp_path, capsys):
    settings = config()
    before = signal.getsignal(signal.SIGINT)
    with omg.Training(settings) as run:
        folder = RunFolder.create(tmp_path, settings)
        with pytest.raises(KeyboardInterrupt):
            for report in follow(run, folder):
                if report.update == 2:
                    signal.raise_signal(signal.SIGINT)
    assert report.update == run.update == 2 and signal.getsignal(signal.SIGINT) is before
    assert f"saved {tmp_path / 'checkpoints' / 'update-000000002'}" in capsys.readouterr().err
    same(go_on(tmp_path, settings)[1], straight(settings)[1])


def test_leaving_the_loop_saves_too(tmp_path):
    settings = config()
    with omg.Training(settings) as run:
        for report in follow(run, RunFolder.create(tmp_path, settings)):
            if report.update == 3:
                break
    assert omg.load(tmp_path).update == 3


def test_other_threads_leave_signals_alone():
    assert following.threading.current_thread() is following.threading.main_thread()
    with omg.Training(config(updates=1)) as run:
        thread = following.threading.Thread(target=lambda: list(follow(run)))
        thread.start()
        thread.join()
    assert run.update == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX here")
def test_ctrl_c_while_torch_loads_is_one_word():
    code = (
        "import os, runpy, signal, sys\n"
        "class Torch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Torch())\n"
        "sys.argv[:] = ['omg_lib', 'train']\n"
        "runpy.run_module('omg_lib', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="descriptors are POSIX here")
def test_an_error_does_not_go_to_stdout_where_stderr_is_closed():
    words = f"{sys.executable} -m omg_lib train --n-agents 0 2>&-"
    done = subprocess.run(words, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout) == (2, "")
