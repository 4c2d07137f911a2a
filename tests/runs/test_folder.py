"""A run that is saved, loaded and continued equals the run that was never interrupted."""

import csv
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import omg_lib as omg
from omg_lib.config import LEARNERS
from omg_lib.runs.folder import RunFolder
from omg_lib.runs.follow import follow
from omg_lib.runs.state import read_state, tensors_of
from omg_lib.teammates.pool import Member, Pool, TeammateSet
from tests.helpers.batches import echo_pool, echo_registered, short_pretraining


@pytest.fixture(scope="module", autouse=True)
def quick():
    with echo_registered(), short_pretraining():
        yield


def config(**changes):
    settings = dict(env="skirmish:partners", n_agents=2, batch_size=2, test_nepisode=4, test_interval=100)
    return omg.OMGConfig(**settings | changes)


def train(settings, folder, updates=None):
    """Train into a folder with a checkpoint at the end; return the reports."""
    with omg.Training(settings) as run:
        reports = []
        for report in run:
            folder.record(report)
            reports.append(report)
            if report.update == updates:
                break
        folder.save(run)
    folder.close()
    return reports


def same_weights(one, other):
    """Return whether two runs agree in every network and every optimiser's state."""
    mine, theirs = tensors_of(one), tensors_of(other)
    return mine.keys() == theirs.keys() and all(torch.equal(x, theirs[key]) for key, x in mine.items())


def check_resumed_run(folder_path, settings, updates):
    """Without a break, and interrupted after `updates` and resumed: the same reports, weights and test."""
    with omg.Training(settings) as run:
        straight = list(run)
    folder = RunFolder.create(folder_path, settings)
    train(settings, folder, updates)
    with omg.Training(settings) as resumed:
        folder = RunFolder.resume(folder_path, resumed)
        rest = []
        for report in resumed:
            rest.append(report)
            folder.save(resumed)
        assert omg.compare(omg.predict(settings), resumed.trace) == []
    assert rest == straight[updates:]
    loaded = omg.load(folder_path)
    assert same_weights(loaded, run)
    assert loaded.test() == straight[-1].metrics["win_rate"]


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg"])
@pytest.mark.parametrize("buffer_size", [5000, 8], ids=["roomy", "overwritten"])
def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path, learner, buffer_size):
    check_resumed_run(tmp_path, config(learner=learner, updates=12, buffer_size=buffer_size), updates=5)


@pytest.mark.slow
@pytest.mark.parametrize("learner", [name for name in LEARNERS if name not in ("iql", "omg")])
def test_every_learner_goes_on_as_if_it_had_never_stopped(tmp_path, learner):
    settings = config(env="echo", n_agents=3, learner=learner, updates=8, target_update_interval=4, test_interval=20)
    check_resumed_run(tmp_path, settings, updates=3)


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg", "oracle"])
def test_a_run_with_a_pool_goes_on_with_the_same_teammates(tmp_path, learner):
    echo_pool(3).save(tmp_path / "pool")
    settings = config(env="echo", n_agents=3, learner=learner, updates=6, teammates=str(tmp_path / "pool"))
    check_resumed_run(tmp_path / "run", settings, updates=3)


@pytest.mark.slow
def test_ablations_go_on_as_if_they_had_never_stopped(tmp_path):
    ablated = dict(subgoal_choice="random", subgoal_model="supervised", q_subgoal="prior", see_actions=True)
    check_resumed_run(tmp_path, config(env="echo", learner="omg", updates=6, **ablated), updates=3)


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA")),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_checkpoint_holds_no_device_and_loads_onto_the_runs_own(tmp_path, learner, device):
    settings = config(env="echo", learner=learner, updates=1, device="cpu")
    train(settings, RunFolder.create(tmp_path, settings))
    (tmp_path / "config.json").write_text(json.dumps(settings.to_dict() | {"device": device, "updates": 2}))
    loaded, found = omg.load(tmp_path), load_file(tmp_path / "checkpoints" / "update-000000001" / "weights.safetensors")
    for name, module in loaded.learner.modules().items():
        for key, x in module.state_dict().items():
            assert x.device.type == device and torch.equal(x.cpu(), found[f"{name}.{key}"]), (name, key)
    for name, optimiser in loaded.learner.optimisers().items():
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        assert {weight.device.type for weight in weights} == {device}
        for index, weight in enumerate(weights):
            for key, x in optimiser.state.get(weight, {}).items():
                assert x.device.type == ("cpu" if key == "step" else device), (name, key)
                assert torch.equal(x.cpu(), found[f"optimiser.{name}.{index}.{key}"]), (name, key)
    moved = [key for key in found if key.startswith("optimiser.")]
    assert len(moved) >= len(list(loaded.learner.agent.parameters())), "the optimiser's state is part of it"
    (report,) = list(loaded)
    assert report.update == 2


def test_rows_and_episodes_after_the_checkpoint_are_removed(tmp_path):
    settings = config(learner="iql", updates=6)
    folder = RunFolder.create(tmp_path, settings)
    with omg.Training(settings) as run:
        for report in run:
            folder.record(report)
            if report.update == 3:
                folder.save(run)
    folder.close()
    with omg.Training(settings) as run:
        RunFolder.resume(tmp_path, run)
        assert run.update == 3
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["update"] for row in rows] == ["1", "2", "3"]


def test_only_the_last_two_checkpoints_are_kept(tmp_path):
    settings = config(learner="iql", updates=5)
    folder = RunFolder.create(tmp_path, settings)
    with omg.Training(settings) as run:
        for _ in run:
            folder.save(run)
    names = sorted(path.name for path in (tmp_path / "checkpoints").glob("update-*"))
    assert names == ["update-000000004", "update-000000005"]


@pytest.mark.slow
def test_segments_that_the_buffer_forgot_are_removed(tmp_path):
    settings = config(learner="iql", updates=12, buffer_size=4)
    folder = RunFolder.create(tmp_path, settings)
    with omg.Training(settings) as run:
        for _ in run:
            folder.save(run)
    there = sorted(path.name for path in (tmp_path / "checkpoints" / "episodes").iterdir())
    named = [read_state(path)["segments"] for path in sorted((tmp_path / "checkpoints").glob("update-*"))]
    assert there == sorted({**named[0], **named[1]}), "the checkpoint before may need one that the latest does not"
    assert min(int(name.split(".")[0]) for name in named[1]) >= run.buffer.inserted[0] - settings.buffer_size > 0


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    settings = config(learner="iql", updates=1)
    train(settings, RunFolder.create(tmp_path, settings))
    with pytest.raises(omg.ConfigError, match="already holds a run"):
        RunFolder.create(tmp_path, settings)


def test_a_run_that_was_broken_before_its_first_checkpoint_needs_no_cleaning(tmp_path):
    """Neither starting again, with any configuration, nor continuing."""
    settings = config(learner="iql", updates=2)
    RunFolder.create(tmp_path, config(learner="omg")).close()
    RunFolder.create(tmp_path, settings).close()
    assert omg.OMGConfig.from_dict(json.loads((tmp_path / "config.json").read_text())) == settings
    (tmp_path / "checkpoints" / "episodes" / "000000000.safetensors").write_text("half of it")
    with omg.Training(settings) as run:
        folder = RunFolder.resume(tmp_path, run)
        assert "starts from the beginning" in folder.notice and len(list(follow(run, folder))) == 2
    with omg.load(tmp_path) as loaded:
        assert loaded.update == 2


@pytest.mark.parametrize("damage", ["no folder", "no checkpoint", "cut weights", "bad state", "other sizes"])
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path, damage):
    path = tmp_path / "run"
    if damage != "no folder":
        settings = config(learner="iql", updates=1)
        train(settings, RunFolder.create(path, settings))
        checkpoint = path / "checkpoints" / "update-000000001"
        if damage == "no checkpoint":
            checkpoint.rename(path / "elsewhere")
        if damage == "cut weights":
            weights = checkpoint / "weights.safetensors"
            weights.write_bytes(weights.read_bytes()[:-100])
        if damage == "bad state":
            (checkpoint / "state.json").write_text('{"update": 1')
        if damage == "other sizes":
            values = settings.to_dict() | {"rnn_hidden_dim": 32}
            (path / "config.json").write_text(json.dumps(values))
    with pytest.raises(omg.ConfigError) as error:
        omg.load(path)
    assert "\n" not in str(error.value) and "run" in str(error.value)


@pytest.mark.parametrize("change", ["a set more", "other weights", "another order"])
def test_a_run_whose_pool_has_changed_is_refused_and_stays_as_it_is(tmp_path, change):
    """Extended in place, say: the run would meet other teammates from here on, unnoticed."""
    pool = echo_pool(3)
    pool.save(tmp_path / "pool")
    settings = config(env="echo", n_agents=3, learner="iql", updates=2, teammates=str(tmp_path / "pool"))
    train(settings, RunFolder.create(tmp_path / "run", settings), updates=1)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    if change == "other weights":
        pool.policies["iql-0"].fc2.bias.add_(1.0)
        other = pool
    else:
        more = (replace(pool.sets[0], name="more"),) if change == "a set more" else ()
        other = replace(pool, sets=(*more, *pool.sets[::-1]) if change == "another order" else (*pool.sets, *more))
    other.save(tmp_path / "pool")
    for open_run in (
        lambda: omg.load(tmp_path / "run"),
        lambda: RunFolder.resume(tmp_path / "run", omg.Training(settings)),
    ):
        with pytest.raises(omg.ConfigError, match="is not the one it was trained with") as error:
            open_run()
        assert str(error.value).startswith("resume=") and "\n" not in str(error.value)
    assert before == {path: path.read_bytes() for path in before}
    echo_pool(3).save(tmp_path / "pool")
    with omg.load(tmp_path / "run") as run:
        assert run.update == 1


def test_what_does_not_change_who_plays_may_be_written_anew(tmp_path):
    """A win rate, a curve, the pool's settings; and checkpoints older than the record of pools prove nothing."""
    pool = echo_pool(3)
    pool.save(tmp_path / "pool")
    settings = config(env="echo", n_agents=3, learner="iql", updates=1, teammates=str(tmp_path / "pool"))
    train(settings, RunFolder.create(tmp_path / "run", settings))
    members = tuple(replace(member, win_rate=0.1, curve=()) for member in pool.members)
    replace(pool, members=members, config={}).save(tmp_path / "pool")
    with omg.load(tmp_path / "run") as run:
        assert run.update == 1
    (state,) = tmp_path.glob("run/checkpoints/*/state.json")
    values = json.loads(state.read_text())
    values.pop("sha256"), values.pop("pool")
    state.write_text(json.dumps(values))
    replace(pool, sets=pool.sets[::-1]).save(tmp_path / "pool")
    with omg.load(tmp_path / "run") as run:
        assert run.update == 1


def test_a_run_finds_its_pool_from_wherever_it_is_loaded(tmp_path, monkeypatch):
    """A pool with a relative path is searched for from the run's folder upwards."""
    root, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    elsewhere.mkdir()
    members, sets = (Member("nearest"),), (TeammateSet("nearest", "train", "homologue", ("nearest",)),)
    Pool("skirmish:partners", 2, members, sets).save(root / "pools" / "near")
    monkeypatch.chdir(root)
    near = config(teammates="pools/near", updates=1)
    with omg.Training(near) as run:
        folder = RunFolder.create("runs/one", near)
        for report in run:
            folder.record(report)
        folder.save(run)
    monkeypatch.chdir(elsewhere)
    with omg.load(root / "runs" / "one") as run:
        assert [s.name for s in run.controller.coplayers.pool.sets] == ["nearest"] and run.update == 1
