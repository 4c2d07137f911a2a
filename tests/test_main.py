"""The commands as a user types them: tables on stdout, one line for bad input, the promised exit codes."""

import csv
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import omg_lib as omg
from omg_lib.__main__ import main
from omg_lib.runs.folder import saved_config
from omg_lib.runs.state import digest
from tests.helpers.batches import echo_registered

TINY = ["--env", "skirmish:partners", "--n-agents", "2", "--batch-size", "1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shapes", "--n-agents", "0"], ["n_agents=0", "2 to 16"]),
        (["shapes", "--n-agents", "17"], ["n_agents=17", "2 to 16"]),
        (["shapes", "--n-agents", "2.5"], ["n_agents='2.5'", "whole number"]),
        (["shapes", "--n-agents", "x"], ["n_agents='x'", "whole number"]),
        (["train", "--batch-size", "0"], ["batch_size=0", "1 or more"]),
        (["train", "--batch-size", "-1"], ["batch_size=-1", "1 or more"]),
        (["train", "--batch-size-run", "3"], ["batch_size_run=3", "1, 2, 4, 8"]),
        (["train", "--batch-size", "1000"], ["batch_size=1000", "buffer_size=5000", "625"]),
        (["train", "--env", "chess"], ["env='chess'", "skirmish"]),
        (["train", "--learner", "ppo"], ["learner='ppo'", "iql, vdn", "omg"]),
        (["train", "--device", "tpu"], ["device='tpu'", "cuda"]),
        (["train", "--device", "cuda:99"], ["device='cuda:99'", "CUDA devices"]),
        (["train", "--teammates", "nobody"], ["teammates='nobody'", "scripted"]),
        (["train", "--trace", "no/such/folder/trace.json"], ["trace=", "folder that exists"]),
        (["train", "--config", "no-such-file.json"], ["config=", "is no readable JSON file"]),
        (["train", "--resume", "no-such-folder"], ["resume='no-such-folder'", "--out"]),
        (["shapes", "--json", "no/such/folder/trace.json"], ["json=", "folder that exists"]),
        (["shapes", "--colour", "red"], ["--colour"]),
        ([], ["required"]),
        (["dance"], ["dance", "train"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, words, said):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and len(err) <= 301
    assert all(part in err for part in said), err


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["train", *TINY, "--out", str(tmp_path / "file" / "run")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_shapes_writes_the_same_trace_that_it_shows(tmp_path, capsys):
    assert main(["shapes", "--n-agents", "3", "--json", str(tmp_path / "trace.json")]) == 0
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace == omg.predict(omg.OMGConfig(n_agents=3)).to_dict()
    assert trace["schema"] == 1 and "seconds" not in trace["stages"][0]
    assert "[96, 121, 3, 30]" in capsys.readouterr().out


def test_the_default_trace_is_the_documented_one():
    sample = next(s for s in omg.predict(omg.OMGConfig()).to_dict()["stages"] if s["name"] == "buffer.sample")
    assert sample["calls"] == 1 and sample["leading"] == 256
    assert sample["fields"]["obs"] == {
        "shape": [256, 121, 8, 80], "axes": ["G*A", "L+1", "A", "O"], "dtype": "float32", "bytes": 79298560,
    }  # fmt: skip


@pytest.mark.slow
def test_train_writes_what_it_promises_and_resumes(tmp_path, capsys):
    out, trace = tmp_path / "run", tmp_path / "trace.json"
    assert main(["train", *TINY, "--updates", "2", "--out", str(out), "--trace", str(trace)]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    measured = json.loads(trace.read_text())
    assert measured["update"] == 2 and all("seconds" in stage for stage in measured["stages"])
    assert main(["train", "--resume", str(out), "--updates", "3"]) == 0
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["update"] for row in rows] == ["1", "2", "3"]
    assert all(row["loss"] and row["omg_loss"] for row in rows) and rows[-1]["win_rate"]
    assert main(["train", "--resume", str(out), "--n-agents", "3"]) == 2
    assert "n_agents=3" in capsys.readouterr().err


@pytest.mark.slow
def test_resume_and_out_may_name_the_same_folder_and_no_other(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "--updates", "1", "--out", "run"]) == 0
    (tmp_path / "way").symlink_to(tmp_path / "run", target_is_directory=True)
    for update, same in enumerate(["run", "./run", str(tmp_path / "run"), "way"], start=2):
        assert main(["train", "--resume", "run", "--out", same, "--updates", str(update)]) == 0
        assert f"update {update}," in capsys.readouterr().out
    assert main(["train", "--resume", "run", "--out", "other", "--updates", "9"]) == 2
    err = capsys.readouterr().err
    assert "out='other'" in err and "allowed is the same one, or no --out" in err and err.count("\n") == 1
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows")
@pytest.mark.parametrize("kind", ["link", "pipe", "device", "folder", "no folder"])
def test_a_trace_is_written_to_a_plain_file_or_refused_before_anything_is_trained(tmp_path, capsys, kind):
    target = tmp_path / "trace.json"
    (tmp_path / "precious").write_text("precious")
    if kind == "no folder":
        target = tmp_path / "nowhere" / "trace.json"
    elif kind in ("pipe", "folder"):
        {"pipe": os.mkfifo, "folder": os.mkdir}[kind](target)
    else:
        target.symlink_to({"link": tmp_path / "precious", "device": "/dev/null"}[kind])
    for words in (["train", *TINY, "--updates", "1", "--trace"], ["shapes", "--json"]):
        assert main([*words, str(target)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and f"={str(target)!r}: cannot be written (" in err and err.count("\n") == 1
    assert (tmp_path / "precious").read_text() == "precious"


def test_settings_come_from_a_file_and_options_win(tmp_path, capsys):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"env": "skirmish:partners", "n_agents": 2, "batch_size": 1, "updates": 5}))
    assert main(["train", "--config", str(path), "--updates", "1", "--learner", "iql"]) == 0
    assert "iql: update 1," in capsys.readouterr().out
    path.write_text('{"n_agent": 2}')
    assert main(["train", "--config", str(path)]) == 2
    assert "n_agent" in capsys.readouterr().err


@pytest.mark.slow
def test_a_budget_of_steps_replaces_one_of_updates(tmp_path, capsys):
    out, settings = tmp_path / "run", tmp_path / "settings.json"
    small = dict(env="skirmish:partners", n_agents=2, batch_size=1, learner="iql", updates=1, test_nepisode=2)
    settings.write_text(json.dumps(small))

    def steps(*words):
        assert main(["train", *words]) == 0
        return int(re.search(r"t_env (\d+)", capsys.readouterr().out)[1])

    assert steps("--config", str(settings), "--out", str(out)) < 100
    assert saved_config(out).updates == 1
    assert steps("--resume", str(out), "--t-max", "100") >= 100
    assert steps("--resume", str(out), "--t-max", "200", "--updates", "none") >= 200
    assert steps("--config", str(settings), "--t-max", "100") >= 100


@pytest.mark.slow
def test_a_continued_run_changes_by_name_and_the_folder_records_it(tmp_path, capsys):
    out, more = tmp_path / "run", ["--set", "test_nepisode=2", "epsilon_finish=0.1"]
    assert main(["train", *TINY, "--device", "cpu", "--updates", "1", "--out", str(out), *more]) == 0
    assert not (out / "changes.csv").exists()
    assert main(["train", "--resume", str(out), "--updates", "2", "--set", "lr=0.01", "epsilon_finish=0.2"]) == 0
    assert main(["train", "--resume", str(out), "--updates", "2"]) == 0  # nothing changes
    assert main(["train", "--resume", str(out), "--steps", "200"]) == 0
    with (out / "changes.csv").open() as file:
        changes = [tuple(row.values()) for row in csv.DictReader(file)]
    assert changes[:3] == [
        ("1", "updates", "1", "2"),
        ("1", "lr", "0.0005", "0.01"),
        ("1", "epsilon_finish", "0.1", "0.2"),
    ]
    assert changes[3:] == [("2", "updates", "2", "None"), ("2", "steps", "None", "200")]
    saved = saved_config(out)
    assert (saved.lr, saved.epsilon_finish, saved.steps, saved.updates) == (0.01, 0.2, 200, None)
    with omg.load(out, lr=0.5) as run:
        assert run.runner.t_env >= 200
        assert [group["lr"] for group in run.learner.optimiser.param_groups] == [0.5]
    assert main(["train", "--resume", str(out), "--set", "gamma=0.5"]) == 2
    assert "gamma=0.5 here and 0.99 there; only updates, t_max, steps, lr" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_is_loaded_without_starting_ray_or_processes(tmp_path, monkeypatch):
    """Played in other processes, loaded in this one; what may not change is refused."""
    out = tmp_path / "run"
    words = [
        "--updates",
        "1",
        "--runner",
        "processes",
        "--device",
        "cpu",
        "--out",
        str(out),
        "--set",
        "test_nepisode=2",
    ]
    assert main(["train", *TINY, *words]) == 0
    assert saved_config(out).runner == "processes"

    def start(*args, **kwargs):
        raise AssertionError("other processes were started")

    monkeypatch.setattr("omg_lib.training.Processes", start)
    monkeypatch.setattr("omg_lib.training.RayRunner", start)
    for runner, actors in (("processes", None), ("ray", 1)):
        for path in [out / "config.json", *out.glob("checkpoints/update-*/state.json")]:
            saved = json.loads(path.read_text())
            changed = saved.get("config", saved)
            changed |= {"runner": runner, "actors": actors}
            if "sha256" in saved:
                saved["sha256"] = digest({key: value for key, value in saved.items() if key != "sha256"})
            path.write_text(json.dumps(saved))
        with omg.load(out) as run:
            assert (run.config.runner, run.config.actors) == ("local", None) and run.test() is not None
            assert run.explain().batch_size[1] == 2 and multiprocessing.active_children() == []
        with pytest.raises(AssertionError, match="other processes"):
            omg.load(out, runner=runner)
    with pytest.raises(omg.ConfigError, match="gamma=0.5: the run was trained with its own; only updates"):
        omg.load(out, gamma=0.5)


@pytest.mark.slow
def test_random_teammates_are_named_as_such(capsys):
    """A game without scripts: one line says that the learner plays among networks that know nothing."""
    with echo_registered():
        words = ["--env", "silent echo", "--n-agents", "2", "--batch-size", "1", "--updates", "1", "--device", "cpu"]
        assert main(["train", *words, "--set", "test_nepisode=2"]) == 0
        assert "teammates: 4 random networks, as silent echo has no scripts" in capsys.readouterr().err
        assert main(["train", *words, "--learner", "iql", "--set", "test_nepisode=2"]) == 0
        assert "random networks" not in capsys.readouterr().err


def test_two_budgets_are_refused(capsys):
    assert main(["train", *TINY, "--updates", "1", "--t-max", "300"]) == 2
    assert "t_max=300: --updates 1 ends the run already" in capsys.readouterr().err


@pytest.mark.slow
def test_nothing_is_written_without_being_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "--updates", "1"]) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--t-max", "20"],
            "t_max=20 for each of 2 learner's seats: this run takes 40 environment steps\n"
            "epsilon_anneal_time=50,000 and mix_anneal_time=50,000 count steps of the whole run; "
            "--steps N sets the whole run too\n",
        ),
        (
            ["--set", "t_max=20", "epsilon_anneal_time=70000", "--learner", "iql_actions"],
            "t_max=20 for each of 2 learner's seats: this run takes 40 environment steps\n"
            "epsilon_anneal_time=70,000 count steps of the whole run; --steps N sets the whole run too\n",
        ),
        (["--updates", "1"], ""),
        (["--steps", "20"], ""),
        (["--t-max", "20", "--teammates", "none", "--learner", "iql"], ""),
    ],
)
def test_a_run_says_at_its_start_how_many_steps_it_takes(capsys, options, said):
    """With teammates, each seat gets this many: a run that takes A times the typed number must say so."""
    assert main(["train", *TINY, "--device", "cpu", *options]) == 0
    err = capsys.readouterr().err
    assert err.startswith(said) and ("environment steps" in err) == bool(said)


def test_the_help_says_what_t_max_counts(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "with teammates a run takes n_agents times as many; default 200000" in " ".join(
        capsys.readouterr().out.split()
    )


def test_doctor_names_starcraft_and_always_succeeds(capsys):
    assert main(["doctor"]) == 0
    assert "StarCraft II" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX here")
def test_ctrl_c_finishes_the_update_saves_and_can_be_resumed(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "omg_lib", "train", *TINY, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not list(out.glob("checkpoints/update-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130 and "saved" in err and "Traceback" not in err
    last = int(max(out.glob("checkpoints/update-*")).name.removeprefix("update-"))
    rows = (out / "metrics.csv").read_text().splitlines()
    assert int(rows[-1].split(",")[0]) == last
    assert main(["train", "--resume", str(out), "--updates", str(last + 1)]) == 0
