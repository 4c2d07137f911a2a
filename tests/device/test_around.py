"""Around training, on a device: pre-training, fine-tuning, callbacks, own metrics, the panel's model, memory."""

import pytest
import torch

import omg_lib as omg
from omg_lib import subgoals, training
from omg_lib.callbacks import Callback
from omg_lib.config import LEARNERS, OMGConfig
from omg_lib.experiment.evaluate import evaluate, fine_tune
from omg_lib.learners.q_learner import QLearner
from omg_lib.memory.peak import predicted_peak
from omg_lib.subgoals import SubgoalPrior
from omg_lib.widgets import flow_model
from omg_lib.widgets.flow_model import FlowModel
from tests.device.test_runs import config_of
from tests.helpers import device_double
from tests.helpers.batches import weights
from tests.helpers.device_double import counting


@pytest.mark.slow
@pytest.mark.parametrize("teammates", ["scripted", "none"])
def test_a_run_is_evaluated_on_a_device_with_and_without_teammates(device, teammates):
    learner = "omg" if teammates == "scripted" else "iql"
    with omg.Training(config_of(learner, teammates=teammates)) as run:
        list(run)
        scores = evaluate(run, ["train"], episodes=4)
        assert scores and all(score.episodes == 4 for score in scores)


@pytest.mark.slow
def test_fine_tuning_on_a_device_leaves_the_run_as_it_was(device):
    with omg.Training(config_of("omg", teammates="scripted")) as run:
        list(run)
        before = weights(run).cpu()
        found = [fine_tune(run, 0, episodes=4, battles=2) for _ in range(2)]
        assert found[0] == found[1]
        assert torch.equal(weights(run).cpu(), before)


def fitted(device, steps):
    torch.manual_seed(0)
    prior, states = SubgoalPrior(5, 4).to(device), torch.randn(30, 5).to(device)
    with counting() as counts:
        errors = prior.fit(states, torch.Generator().manual_seed(0), kl_weight=0.001, steps=steps, batch=8)
    return prior, errors, counts


@pytest.mark.slow
def test_pre_training_copies_and_waits_no_more_for_more_steps(double, monkeypatch):
    monkeypatch.setattr(subgoals, "DRAWN", 10)
    _, _, few = fitted(double, 3)
    _, _, more = fitted(double, 10)
    _, _, two_copies = fitted(double, 11)
    assert (few.uploads, few.downloads, few.waits) == (more.uploads, more.downloads, more.waits) == (2, 0, 1)
    assert (two_copies.uploads, two_copies.waits) == (4, 1)


@pytest.mark.slow
def test_pre_training_on_the_device_learns_what_it_learns_on_the_host(double):
    (there, found, _), (here, expected, _) = fitted(double, 20), fitted(torch.device("cpu"), 20)
    assert found == pytest.approx(expected, rel=1e-4)
    for one, other in zip(there.parameters(), here.parameters(), strict=True):
        torch.testing.assert_close(one.detach().cpu(), other.detach(), rtol=1e-3, atol=1e-5)


def test_own_metrics_and_callbacks_add_no_wait(double, monkeypatch):
    class Listening(Callback):
        def on_update(self, report):
            heard.append(report.metrics)

    def counts(**callbacks):
        with omg.Training(config_of("iql", updates=3), **callbacks) as run:
            updates = iter(run)
            next(updates)
            with counting() as found:
                next(updates)
        return found

    def own(learner, batch, steps, online):
        return {"q_mean": online["q"].mean(), "rows": len(online["q"])}

    heard, plain = [], counts()
    monkeypatch.setattr(QLearner, "own_metrics", own)
    found = counts(callbacks=[Listening()])
    assert [{"q_mean", "rows"} <= metrics.keys() for metrics in heard] == [True, True]
    assert (found.waits, found.uploads, found.downloads) == (plain.waits, plain.uploads, plain.downloads)


def test_the_panel_s_model_trains_on_a_device(double, monkeypatch):
    monkeypatch.setattr(flow_model, "resolve_device", training.resolve_device)
    model = FlowModel(n_agents=2, batch_size=2, learner="iql", device="cuda")
    trace = model.run(1)
    assert omg.compare(model.plan, trace) == []
    assert model.measured() is not None


@pytest.mark.slow
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_train_takes_the_memory_that_was_predicted_for_a_card(double, learner):
    """The peak of one train above its start. The prediction is for whole sequences, as a GPU computes them."""
    config = OMGConfig(n_agents=3, batch_size=8, learner=learner, device="cuda", t_max=10**6, batch_size_run=1)
    with omg.Training(config) as run:
        updates = iter(run)
        next(updates)
        memory = device_double.MEMORY
        memory.peak = start = memory.used
        next(updates)
        measured = memory.peak - start
    peak = predicted_peak(config)
    assert 0.9 <= (peak.sample + peak.update) / measured <= 1.8
