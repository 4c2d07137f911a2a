"""A run that is saved, loaded and continued is the run that was never interrupted."""

import csv
import json

import pytest
import torch

import omg_lib as omg
from omg_lib.checkpoint import RunFolder


def config(**changes):
    settings = dict(env="skirmish:partners", n_agents=2, batch_size=2, test_nepisode=4, test_interval=100)
    return omg.OMGConfig(**settings | changes)


def train(settings, folder, updates=None):
    """Train into a folder with a checkpoint at the end; the reports."""
    with omg.Training(settings) as run:
        reports = []
        for report in run:
            folder.record(report)
            reports.append(report)
            if report.update == updates:
                break
        folder.save(run)
    return reports


@pytest.mark.parametrize("learner", ["iql", "omg"])
@pytest.mark.parametrize("buffer_size", [5000, 8], ids=["roomy", "overwritten"])
def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path, learner, buffer_size):
    settings = config(learner=learner, updates=12, buffer_size=buffer_size)
    with omg.Training(settings) as run:
        straight = list(run)
    folder = RunFolder.create(tmp_path, settings)
    train(settings, folder, updates=5)
    with omg.Training(settings) as resumed:
        folder = RunFolder.resume(tmp_path, resumed)
        rest = []
        for report in resumed:
            rest.append(report)
            folder.save(resumed)
        assert omg.compare(omg.predict(settings), resumed.trace) == []
    assert rest == straight[5:]
    loaded = omg.load(tmp_path)
    for mine, theirs in zip(loaded.learner.agent.parameters(), run.learner.agent.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert loaded.test() == straight[-1].metrics["win_rate"]


def test_rows_and_episodes_after_the_checkpoint_are_removed(tmp_path):
    settings = config(learner="iql", updates=6)
    folder = RunFolder.create(tmp_path, settings)
    with omg.Training(settings) as run:
        for report in run:
            folder.record(report)
            if report.update == 3:
                folder.save(run)
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


def test_segments_that_the_buffer_forgot_are_removed(tmp_path):
    settings = config(learner="iql", updates=12, buffer_size=4)
    folder = RunFolder.create(tmp_path, settings)
    with omg.Training(settings) as run:
        for _ in run:
            folder.save(run)
    first = min(int(path.stem) for path in (tmp_path / "checkpoints" / "episodes").glob("*.safetensors"))
    assert first >= run.buffer.inserted[0] - settings.buffer_size > 0


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    RunFolder.create(tmp_path, config())
    with pytest.raises(omg.ConfigError, match="holds a run already"):
        RunFolder.create(tmp_path, config())


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
