"""Whole runs on a device: no mixing of places, the predicted shapes, and counts within their bounds."""

import csv
from dataclasses import replace

import pytest
import torch

import omg_lib as omg
from omg_lib.config import LEARNERS, OMGConfig, RunError
from omg_lib.experiment.evaluate import evaluate
from omg_lib.faults import NotFiniteError
from omg_lib.runs.folder import RunFolder
from omg_lib.runs.follow import follow
from tests.helpers import device_double
from tests.helpers.batches import quick_config, weights
from tests.helpers.launches import TABLE, counts_of_update


def config_of(learner, **changes):
    return quick_config(learner, **(dict(device="cuda", updates=2) | changes))


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_trains_with_every_runner(device, learner, width):
    with omg.Training(config_of(learner, batch_size_run=width)) as run:
        losses = [report.metrics["loss"] for report in run]
        assert len(losses) == 2 and all(abs(loss) < 1e6 for loss in losses)
        assert omg.compare(run.plan, run.trace) == []
        assert {w.device.type for m in run.learner.modules().values() for w in m.parameters()} == {device.type}


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_the_device_learns_what_the_host_learns(double, learner, monkeypatch):
    """The first update, with the same noise: other forms, the same mathematics."""
    there, here = (omg.Training(config_of(learner, device=name)) for name in ("cuda", "cpu"))
    with there, here:
        if learner == "omg":
            draw = there.learner.draw_noise

            def same(steps):
                assert steps.rows.shape == noise["eta"].shape
                return {name: x.cpu() for name, x in noise.items()}

            noise = {}
            monkeypatch.setattr(there.learner, "draw_noise", lambda steps: noise.update(draw(steps)) or noise)
            monkeypatch.setattr(here.learner, "draw_noise", same)
        found, expected = next(iter(there)).metrics, next(iter(here)).metrics
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("buffer_device", ["cpu", "cuda"])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(double, tmp_path, buffer_device):
    """Where the buffer is on the device, the resumed run uploads its episodes again."""
    config = config_of("omg", updates=4, buffer_device=buffer_device)
    with omg.Training(replace(config, updates=2)) as run:
        folder = RunFolder.create(tmp_path / "run", run.config)
        list(follow(run, folder))
        folder.close()
    with omg.Training(config) as run:
        RunFolder.resume(tmp_path / "run", run).close()
        assert run.update == 2
        list(run)
        resumed = weights(run).cpu()
    with omg.Training(config) as run:
        list(run)
        assert torch.equal(weights(run).cpu(), resumed)


def test_evaluation_plays_with_the_latest_weights(double):
    with omg.Training(config_of("omg", teammates="scripted")) as run:
        list(run)
        assert evaluate(run, ["train"], episodes=2)
        assert run.controller.actor is not run.controller.agent
        for copy, weight in zip(run.controller.actor.parameters(), run.controller.agent.parameters(), strict=True):
            assert torch.equal(copy, weight.detach().cpu())


def test_nan_on_the_device_stops_the_run_before_it_learns(double, monkeypatch):
    with omg.Training(config_of("iql")) as run:
        next(iter(run))
        before = weights(run).cpu()
        with torch.no_grad():
            run.learner.target.fc2.bias.fill_(torch.nan)
        with pytest.raises(NotFiniteError, match="loss of learner.td_loss"):
            next(iter(run))
        after = weights(run).cpu()
        assert torch.equal(before[before == after], after[~after.isnan()])


def test_a_full_device_ends_the_run_in_one_sentence(double):
    with omg.Training(config_of("iql")) as run:
        updates = iter(run)
        next(updates)
        with device_double.memory_of(500), pytest.raises(RunError, match="no memory left; allowed are smaller"):
            next(updates)


@pytest.mark.slow
@pytest.mark.parametrize("learner, most", [("iql", 120), ("omg", 400)])
@pytest.mark.parametrize("limit", [(2, 2), (4, 4)])
def test_an_update_asks_little_of_the_device(learner, most, limit):
    """Launches do not depend on sizes; the host copies weights once, uploads once, and waits at most three times."""
    agents, groups = limit
    found = counts_of_update(OMGConfig(n_agents=agents, batch_size=groups, learner=learner, device="cuda", t_max=10**6))
    train, played, sent = found["learner.train"], found["runner.run"], found["to_device"]
    assert train.launches <= most and train.waits <= 3 and train.uploads == train.downloads == 0
    assert (played.uploads, played.downloads, played.waits) == (0, 1, 1), "of the weights, once an update"
    assert (sent.uploads, sent.unpinned, sent.waits) == (1, 0, 0)
    if learner == "omg":
        assert found["learner.omg_loss"].launches <= 250


@pytest.mark.slow
@pytest.mark.parametrize("learner", LEARNERS)
def test_the_recorded_table_is_what_is_counted(learner):
    """`python -m tests.helpers.launches` writes it at the defaults; the counts are the same at any size."""
    with TABLE.open() as file:
        recorded = {r["stage"]: r for r in csv.DictReader(file) if r["learner"] == learner}
    config = OMGConfig(n_agents=2, batch_size=2, learner=learner, device="cuda", t_max=10**6)
    found = counts_of_update(replace(config, batch_size_run=2 if config.has_teammates else 1))
    assert recorded.keys() == found.keys()
    for stage, counts in found.items():
        for name in ("launches", "uploads", "downloads", "waits"):
            assert int(recorded[stage][name]) == getattr(counts, name), (stage, name)
