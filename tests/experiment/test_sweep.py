"""A sweep runs each trial once, as the normal loop would, whatever dies along the way."""

import csv
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import omg_lib as omg
from omg_lib import registry
from omg_lib.__main__ import main
from omg_lib.config import RunError
from omg_lib.experiment.sweep import (
    FAILED,
    FINISHED,
    REPORTS,
    STOPPED,
    Results,
    grid,
    named,
    recorder,
    run_trial,
    settings_in,
    sweep,
    train_in,
    trial_name,
)
from omg_lib.learners import OMGLearner, register
from omg_lib.plots.sweeps import cells, sweep_figure
from omg_lib.runs.claims import claimed
from omg_lib.runs.folder import RunFolder, saved_config
from tests.helpers import warm
from tests.helpers.batches import echo_pool, echo_registered, short_pretraining
from tests.helpers.clusters import cluster_of, ray_folder

WAIT = 280
"""Seconds; nothing is measured here, and the machine may be busy."""
UPDATES = 120
ECHO = dict(env="echo", updates=6, test_nepisode=4)


@pytest.fixture(autouse=True)
def quick():
    with echo_registered(), short_pretraining():
        yield


def metrics(folder):
    """Return the rows of a run, without the time that they took."""
    with (folder / "metrics.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "time"} for row in csv.DictReader(file)]


def train(folder, settings):
    """The same training without a sweep."""
    out = RunFolder.create(folder, settings)
    with omg.Training(settings) as run:
        for report in run:
            out.record(report)
    return metrics(folder)


# --- what has to be run ---


def test_the_grid_has_every_combination_once():
    made = grid(ECHO, [2, 3], [1, 2], ["iql", "omg"], 3)
    names = {trial_name(config) for config in made}
    assert len(made) == len(names) == 24 and "omg-n3-b2-seed2" in names
    assert {config.updates for config in made} == {6}


@pytest.mark.parametrize("common", [{"n_agent": 3}, {"runner": "ray"}, {"env": "nowhere"}])
def test_what_no_trial_allows_is_refused_before_any_starts(common):
    with pytest.raises(omg.ConfigError):
        grid(ECHO | common, [2], [1], ["iql"], 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "named"),
    [("--n-agents 2,x", "n_agents='x'"), ("--gpus all", "gpus='all'"), ("--learner dqn", "learner='dqn'")],
)
def test_bad_options_are_one_line(tmp_path, capsys, options, named):
    assert main(["sweep", "--out", str(tmp_path / "sweep"), *options.split()]) == 2
    said = capsys.readouterr()
    assert named in said.err and said.err.count("\n") == 1 and said.out == ""
    assert not (tmp_path / "sweep").exists()


def test_without_ray_one_line_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.tune", None)
    assert main(["sweep", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith('run pip install -e ".[ray]"\n')


# --- one trial ---


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_a_trial_is_the_ordinary_run_in_an_ordinary_folder(tmp_path, learner):
    settings = omg.OMGConfig(**ECHO, n_agents=3, batch_size=2, learner=learner)
    rows = list(train_in(tmp_path / "trial", settings))
    assert metrics(tmp_path / "trial") == train(tmp_path / "alone", settings)
    assert (rows[-1]["update"], rows[-1]["share"], rows[-1]["trial"]) == (6, 1.0, trial_name(settings))
    assert rows[-1]["win_rate"] == omg.load(tmp_path / "trial").test()
    assert rows[-1]["seconds"] > 0 and rows[-1]["peak_bytes"] > 50e6
    assert [row["share"] for row in rows] == sorted(row["share"] for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("reports", [0, 1, 3])
def test_a_trial_that_is_broken_off_goes_on_from_its_checkpoint(tmp_path, reports):
    settings = omg.OMGConfig(**ECHO, n_agents=3, batch_size=2, learner="omg")
    for number, row in enumerate(train_in(tmp_path / "trial", settings), 1):
        if number == reports:
            assert row["update"] == reports
            break
    if reports == 0:  # lost before its first checkpoint
        RunFolder.create(tmp_path / "lost", settings)
    folder = tmp_path / ("trial" if reports else "lost")
    first, *_, last = train_in(folder, settings)
    assert first["update"] == reports + 1 and last["share"] == 1
    assert metrics(folder) == train(tmp_path / "alone", settings)


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows")
@pytest.mark.parametrize(
    "name", ["iql-n3-b2-seed0", "iql-n3-b2-seed0/cost.json", ".tune", ".tune/x", "results.csv", "results.svg"]
)
def test_a_sweep_of_somebody_else_leads_nowhere_else(tmp_path, name):
    settings = omg.OMGConfig(**ECHO | {"updates": 1}, n_agents=3, batch_size=2, learner="iql")
    out, outside = tmp_path / "sweep", tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    if name.endswith("cost.json"):
        list(train_in_new(out / "iql-n3-b2-seed0", settings))
        (out / name).unlink()
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).symlink_to(outside if "cost" not in name and "results" not in name else outside / "precious")
    with pytest.raises(omg.ConfigError, match="is a link"):
        if name.startswith("iql"):
            list(train_in(out / "iql-n3-b2-seed0", settings))
        else:
            sweep([settings], out)
    assert [path.read_text() for path in outside.iterdir()] == ["precious"]


def train_in_new(folder, settings):
    folder.parent.mkdir(parents=True)
    return train_in(folder, settings)


def test_a_trial_that_has_ended_says_the_same_again(tmp_path):
    settings = omg.OMGConfig(**ECHO, n_agents=3, batch_size=2, learner="iql")
    *_, last = train_in(tmp_path, settings)
    assert list(train_in(tmp_path, settings)) == [last]


# --- the table ---


@pytest.fixture
def claim(tmp_path):
    with claimed(tmp_path) as claim:
        yield claim


def test_each_end_becomes_a_row_and_only_failed_trials_are_run_again(tmp_path, claim):
    results, trials = Results(tmp_path, claim), grid(ECHO, [2], [1], ["iql"], 4)
    listener = recorder(object, results)
    for config, share, end in zip(trials, (1.0, 0.4, 0.4), (FINISHED, STOPPED, FAILED), strict=False):
        folder = str(tmp_path / trial_name(config))
        made = {"trial": trial_name(config), "share": share, "update": 6 * share, "seed": config.seed, "pid": 1}
        trial = SimpleNamespace(
            last_result=made,
            config={"trial": {"folder": folder, "config": config.to_dict()}},
            get_error=lambda: "Traceback\nOSError: disk full",
        )
        if end == FAILED:
            listener.on_trial_error(0, [], trial)
        else:
            listener.on_trial_complete(0, [], trial)
    again = Results(tmp_path, claim)
    assert [row["state"] for row in again.rows.values()] == [FINISHED, STOPPED, FAILED]
    assert again.rows[trial_name(trials[2])]["error"] == "OSError: disk full"
    assert [again.lacks(trial_name(config), config) for config in trials] == [False, False, True, True]


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows")
@pytest.mark.parametrize("link", [False, True], ids=["removed", "replaced by a link"])
def test_a_sweep_whose_folder_goes_ends_and_writes_nothing_elsewhere(tmp_path, link):
    """Ray starts a failed trial again: it began anew, in the folder that was there by then."""
    out, outside = tmp_path / "sweep", tmp_path / "outside"
    outside.mkdir()
    (settings,) = grid(ECHO, [2], [1], ["iql"], 1)
    with claimed(out) as claim:
        listener = recorder(object, Results(out, claim))
        listener.on_step_begin(0, [])
        out.rename(tmp_path / "moved")
        if link:
            out.symlink_to(outside)
        with pytest.raises(RunError, match="results.csv could not be written .*removed, moved or replaced"):
            listener.on_step_begin(1, [])
        with pytest.raises(RunError, match="seed0 was removed, or the sweep's folder was"):
            run_trial({"trial": {"folder": str(out / trial_name(settings)), "config": settings.to_dict()}})
    assert not list(outside.iterdir()) and os.path.lexists(out) == link


def test_two_sweeps_in_one_folder_are_refused(tmp_path, claim):
    with pytest.raises(omg.ConfigError, match="another run, in this process or another, is training"):
        sweep(grid(ECHO, [2], [1], ["iql"], 1), tmp_path)


def test_another_trial_of_the_same_name_is_not_overwritten(tmp_path):
    (settings,) = grid(ECHO, [2], [1], ["iql"], 1)
    list(train_in(tmp_path / trial_name(settings), settings))
    (other,) = grid(ECHO | {"updates": 7}, [2], [1], ["iql"], 1)
    with pytest.raises(omg.ConfigError, match="was trained there with updates=6"):
        sweep([other], tmp_path)


def test_trials_that_differ_in_another_setting_have_names_of_their_own(tmp_path, claim):
    """Two learning rates under one name: the later row replaced the good one."""
    (base,) = grid(ECHO, [2], [1], ["iql"], 1)
    name, found = trial_name(base), named([base, replace(base, lr=1e-5), base])
    assert list(found) == [f"{name}-lr0.0005", f"{name}-lr1e-05"] and list(named([base])) == [name]
    more = [base, replace(base, lr=0.1), replace(base, seed=1), replace(base, gamma=0.5, lr=0.1)]
    assert list(named(more)) == [
        f"{name}-gamma0.99-lr0.0005", f"{name}-gamma0.99-lr0.1", f"{name}-gamma0.5-lr0.1", trial_name(more[2]),
    ]  # fmt: skip
    results = Results(tmp_path, claim)
    for folder, config in found.items():
        *_, row = train_in(tmp_path / folder, config)
        trial = SimpleNamespace(last_result=row, config={"trial": {"folder": str(tmp_path / folder)}})
        recorder(object, results).on_trial_complete(0, [], trial)
    assert [row["state"] for row in Results(tmp_path, claim).rows.values()] == [FINISHED, FINISHED]
    assert [Results(tmp_path, claim).lacks(folder, config) for folder, config in found.items()] == [False, False]


def test_pools_and_priors_of_the_same_name_are_told_apart_by_their_folders(tmp_path):
    for path in ("one", "two"):
        echo_pool(3).save(tmp_path / path / "pool")
    pools = [str(tmp_path / path / "pool") for path in ("one", "two")]
    made = grid(ECHO, [3], [2], ["omg"], 1, {"teammates": pools})
    assert list(named(made)) == ["omg-n3-b2-seed0-teammatesone_pool", "omg-n3-b2-seed0-teammatestwo_pool"]
    assert list(named(made[:1], ["teammates"])) == ["omg-n3-b2-seed0-teammatespool"]
    assert [config.teammates for config in named(made).values()] == pools


def test_priors_and_own_settings_are_axes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "OWN", {})
    register("tuned", type("Tuned", (OMGLearner,), {"settings": {"calm": 0.1}}))
    priors = [str(tmp_path / f"{name}.safetensors") for name in ("one", "two")]
    for path in priors:
        Path(path).touch()
    made = grid(ECHO, [2], [1], ["tuned"], 1, {"prior": [None, *priors], "calm": [0.1, 2.0]})
    names = list(named(made, ["prior", "calm"]))
    assert [settings_in(name) for name in names] == [
        f"prior{prior}-calm{calm}" for prior in ("None", "one.safetensors", "two.safetensors") for calm in (0.1, 2.0)
    ]
    assert [(config.prior, config.extra["calm"]) for config in named(made).values()] == [
        (prior, calm) for prior in (None, *priors) for calm in (0.1, 2.0)
    ]


def test_any_field_is_an_axis_and_none_is_lost():
    vary = {"lr": [0.1, 1e-5], "updates": [3, 4], "learner": ["iql"]}
    made = grid(ECHO, [2], [1], ["omg"], 2, vary)
    assert len(made) == len(named(made)) == 8
    assert {(config.learner, config.lr, config.updates) for config in made} == {
        ("iql", lr, updates) for lr in (0.1, 1e-5) for updates in (3, 4)
    }
    told = [settings_in(name) for name in named(made, ["gamma"])]
    assert told[0] == "updates3-gamma0.99-lr0.1" and len(set(told)) == 4
    assert settings_in(trial_name(made[0])) == ""


def test_a_figure_shows_trials_of_other_settings_as_lines_of_their_own():
    row = dict(learner="iql", n_agents=2, batch_size=4, update=1, t_env=5, seconds=1.0)
    rows = [row | {"settings": "lr0.1"}, row | {"settings": "lr0.2", "seconds": 3.0}]
    assert [series for series, _ in cells(rows, "n_agents", "seconds")] == ["iql lr0.1", "iql lr0.2"]
    sweep_figure([one | {"peak_bytes": 1, "win_rate": None} for one in rows])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--vary lrr=1,2", "vary='lrr': there is no such setting; did you mean lr?"),
        ("--vary lr=0.1,x", "lr='x': allowed is a finite number"),
        ("--vary lr=0.1 --set lr=0.2", "vary='lr=...': an option gives it as well"),
        ("--vary seed=1,2", "vary='seed=...': --seeds N takes the seeds 0 to N - 1"),
        ("--set seed=1", "seed=1: --seeds N takes the seeds 0 to N - 1"),
        ("--n-agents 2 --set n_agents=3", "n_agents=3: --n-agents gives it as well"),
        ("--set runner=ray n_agents=2", "runner='ray': a sweep's trial plays its own episodes"),
    ],
)
def test_no_axis_is_ignored(tmp_path, capsys, words, said):
    assert main(["sweep", "--out", str(tmp_path / "sweep"), *words.split()]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "sweep").exists()


# --- on a cluster ---


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_worker_and_a_killed_head_cost_one_checkpoint_interval_at_most(tmp_path):
    """Two trials on two nodes. The worker dies, and its trial continues where the other one ran. Then the head dies,
    and the command is repeated without a cluster. The result equals an undisturbed training.
    """
    words = ["--env", "skirmish:partners", "--n-agents", "2", "--batch-size", "2", "--learner", "iql", "--seeds", "2"]
    command = warm.module("omg_lib", "sweep", *words, "--updates", str(UPDATES), "--out", str(tmp_path))
    every = UPDATES // REPORTS

    def done(folder):
        return len(metrics(folder)) if (folder / "metrics.csv").is_file() else 0

    def saved(folder):
        return max(int(path.name[-9:]) for path in folder.glob("checkpoints/update-*"))

    with cluster_of(nodes=1) as cluster:
        told = (tmp_path / "told.txt").open("w")
        here = os.environ | {"RAY_ADDRESS": cluster.address}
        running = subprocess.Popen(command, env=here, stdout=told, stderr=told)

        def wait_for(condition):
            deadline = time.monotonic() + WAIT
            while not (found := condition()):
                assert running.poll() is None and time.monotonic() < deadline, (tmp_path / "told.txt").read_text()
                time.sleep(0.05)
            return found

        process, folder = wait_for(lambda: cluster.trial_of_worker())
        wait_for(lambda: done(folder) > 3 * every)
        reached = done(folder)
        cluster.kill_worker(process)
        assert reached - saved(folder) <= every
        wait_for(lambda: saved(folder) > reached)
        reached = done(folder)
        cluster.kill(cluster.head)
        assert running.wait(timeout=WAIT) == 1
        assert reached - saved(folder) <= every and saved(folder) < UPDATES
    (finished,) = Results(tmp_path).rows
    assert finished != folder.name
    untouched = {path: path.stat().st_mtime_ns for path in (tmp_path / finished).rglob("*")}
    with ray_folder():
        again = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"2 trials: 2 finished; {tmp_path / 'results.csv'}\n"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / finished).rglob("*")} == untouched
    assert metrics(folder) == train(tmp_path / "alone", saved_config(folder))
    assert [int(row["update"]) for row in Results(tmp_path).rows.values()] == [UPDATES, UPDATES]
    assert (tmp_path / "results.svg").read_text().startswith("<?xml")
