"""NaN or infinity stops a run before anything is learnt from it, and the message says where it came from."""

import json

import numpy as np
import pytest
import torch

import omg_lib as omg
from omg_lib import envs
from omg_lib.__main__ import main
from omg_lib.config import LEARNERS, RunError
from omg_lib.faults import NotFiniteError
from omg_lib.learners import q_learner
from omg_lib.runs.folder import RunFolder
from omg_lib.runs.follow import follow
from omg_lib.runs.state import tensors_of
from tests.helpers.batches import Echo, echo_registered, short_pretraining


@pytest.fixture(scope="module", autouse=True)
def quick():
    with echo_registered(), short_pretraining():
        yield


def config(**changes):
    settings = dict(env="echo", n_agents=3, batch_size=2, learner="iql", device="cpu", updates=5, test_nepisode=2)
    return omg.OMGConfig(**settings | changes)


def spoil(run, name):
    """Make one weight of a network infinite; return all tensors at that moment."""
    module = run.learner.modules()[name]
    with torch.no_grad():
        next(iter(module.parameters())).view(-1)[0] = float("inf")
    return {key: x.clone() for key, x in tensors_of(run).items()}


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_stage_and_the_field_that_were_first_are_named_and_no_weight_changes(learner):
    with omg.Training(config(learner=learner)) as run:
        reports = iter(run)
        next(reports)
        before = spoil(run, "agent")
        with pytest.raises(NotFiniteError, match="update 2: NaN or infinity, first in ") as error:
            next(reports)
        assert (error.value.stage, error.value.field) == (
            ("learner.omg_loss", "values") if learner == "omg" else ("learner.q_values", "q")
        )
        assert all(torch.equal(x, before[key]) for key, x in tensors_of(run).items()) and run.update == 1


@pytest.mark.parametrize(
    ("learner", "network", "stage", "field"),
    [
        ("omg", "inference", "learner.omg_loss", "infer_mu"),
        ("omg", "prior", "learner.omg_loss", "candidates"),
        ("iql", "target", "learner.td_loss", "loss"),
        ("qmix", "mixer", "learner.td_loss", "loss"),
    ],
)
def test_each_network_is_found_out_by_its_own_stage(learner, network, stage, field):
    with omg.Training(config(learner=learner)) as run:
        reports = iter(run)
        next(reports)
        spoil(run, network)
        with pytest.raises(NotFiniteError) as error:
            next(reports)
    assert (error.value.stage, error.value.field) == (stage, field)


def test_a_gradient_alone_is_the_steps(monkeypatch):
    with omg.Training(config()) as run:
        reports = iter(run)
        next(reports)
        run.learner.agent.fc1.weight.register_hook(lambda gradient: gradient * float("nan"))
        with pytest.raises(NotFiniteError) as error:
            next(reports)
    assert (error.value.stage, error.value.field) == ("learner.step", "grad_norm")


@pytest.mark.parametrize("field", ["obs", "state", "reward"])
def test_a_game_that_gives_no_number_stops_the_run_before_it_is_stored(tmp_path, monkeypatch, field):
    """The state before it can be inspected and resumed, and fails in the same place."""

    class Broken(Echo):
        def obs(self):
            return self.spoilt("obs", super().obs())

        def state(self):
            return self.spoilt("state", super().state())

        def step(self, actions):
            reward, done, info = super().step(actions)
            return self.spoilt("reward", reward), done, info

        def spoilt(self, name, x):
            return x * float("nan") if name == field and self.episode[0] == 10 else x

    monkeypatch.setitem(envs.ENVIRONMENTS, "echo", Broken)
    settings = config(teammates="scripted", updates=9)
    with omg.Training(settings) as run:
        folder = RunFolder.create(tmp_path, settings)
        with pytest.raises(RunError, match=f"update 3: .*{field} of runner.run.*the state before it is in") as error:
            list(follow(run, folder))
    assert run.runner.episode == 10 and "update-000000002+000000010" in str(error.value)
    with omg.load(tmp_path) as loaded:
        assert loaded.update == 2 and loaded.buffer.episodes_in_buffer == 10
        with pytest.raises(NotFiniteError, match=f"{field} of runner.run"):
            list(loaded)


@pytest.mark.slow
def test_learning_that_diverges_is_one_line_and_exit_code_1(tmp_path, capsys):
    """With a real learning rate that is far too large."""
    settings = dict(env="skirmish:partners", n_agents=2, batch_size=1, learner="iql", lr=1e30, updates=50)
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings | {"optimiser": "adam", "device": "cpu"}))
    assert main(["train", "--config", str(path), "--out", str(tmp_path / "run")]) == 1
    out, err = capsys.readouterr()
    last = err.splitlines()[-1]
    assert last.startswith("the run failed: update ") and "q of learner.q_values" in last and len(last) < 300
    assert f"the state before it is in {tmp_path / 'run' / 'checkpoints'}" in last and "Traceback" not in err
    with omg.load(tmp_path / "run") as run:
        assert f"update {run.update + 1}:" in last


@pytest.mark.parametrize("batch_size", [2, 8])
def test_the_look_costs_next_to_nothing(monkeypatch, batch_size):
    """One look at the loss and the norms for each update, and none at a tensor that grows with the sample."""
    looks, look = [], q_learner.finite_numbers
    with omg.Training(config(batch_size=batch_size, updates=4)) as run:
        monkeypatch.setattr(q_learner, "finite_numbers", lambda *asked: looks.append(len(asked[2])) or look(*asked))
        updates = sum(1 for _ in run)
    assert len(looks) == updates == 4 and max(looks) <= 6


@pytest.mark.slow
@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("deterministic", [False, True])
def test_repeated_runs_give_the_same_curves(learner, deterministic):
    settings = config(learner=learner, updates=3, deterministic=deterministic)
    curves = []
    for _ in range(2):
        with omg.Training(settings) as run:
            assert torch.are_deterministic_algorithms_enabled() == deterministic
            curves.append([report.metrics for report in run])
        assert not torch.are_deterministic_algorithms_enabled()
        np.random.seed(len(curves))  # nor does anybody else's seed enter
        torch.manual_seed(len(curves))
    assert curves[0] == curves[1]
