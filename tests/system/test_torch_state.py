"""A notebook that has changed torch's settings: a run works as usual, or says in one sentence what to reset."""

import pytest
import torch

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.training import Training
from tests.helpers.batches import echo_registered, quick_config, short_pretraining, weights


@pytest.fixture(autouse=True)
def quick():
    with echo_registered(), short_pretraining(20):
        yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)


SET = {
    "dtype": (lambda: torch.set_default_dtype(torch.float64), "default dtype of torch='torch.float64'.*float32"),
    "half": (lambda: torch.set_default_dtype(torch.bfloat16), "default dtype of torch='torch.bfloat16'.*float32"),
    "device": (lambda: torch.set_default_device("meta"), "default device of torch='meta'.*cpu"),
}


@pytest.mark.parametrize("name", SET)
@pytest.mark.parametrize("moment", ["before", "between updates", "before a game"])
def test_other_defaults_are_one_sentence(name, moment):
    change, words = SET[name]
    if moment == "between updates":
        run = Training(quick_config())
        loop = iter(run)
        next(loop)
    change()
    ask = {
        "before": lambda: Training(quick_config()),
        "between updates": lambda: next(loop),
        "before a game": lambda: omg.make_env("skirmish", 3),
    }[moment]
    with pytest.raises(ConfigError, match=words) as error:
        ask()
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("learner", ["iql", "omg", "qmix", "liam"])
def test_disabled_gradients_change_nothing(learner):
    with Training(quick_config(learner, updates=2)) as run:
        expected, trained = list(run), weights(run).clone()
    torch.set_grad_enabled(False)
    with Training(quick_config(learner, updates=2)) as run:
        assert list(run) == expected and torch.equal(weights(run), trained)
    assert not torch.is_grad_enabled()


def test_in_inference_mode_nothing_is_trained():
    with torch.inference_mode(), pytest.raises(ConfigError, match="inference mode of torch=True"):
        Training(quick_config())


@pytest.mark.parametrize("mode", ["default", "warn"])
def test_a_deterministic_run_leaves_torch_as_it_was(mode, tmp_path):
    torch.set_deterministic_debug_mode(mode)
    try:
        before = torch.get_deterministic_debug_mode()
        (tmp_path / "prior").write_bytes(b"no prior")
        with pytest.raises(ConfigError, match="prior="):
            Training(quick_config("omg", deterministic=True, prior=str(tmp_path / "prior")))
        assert torch.get_deterministic_debug_mode() == before
        run = Training(quick_config(deterministic=True))
        assert torch.get_deterministic_debug_mode() == 2
        run.close()
        run.close()
        assert torch.get_deterministic_debug_mode() == before
    finally:
        torch.set_deterministic_debug_mode("default")


def test_a_run_that_cannot_be_made_closes_its_games(tmp_path, monkeypatch):
    closed, make = [], omg.envs.make_env

    def watched(*args, **kwargs):
        env = make(*args, **kwargs)
        monkeypatch.setattr(env, "close", lambda: closed.append(env))
        return env

    monkeypatch.setattr("omg_lib.training.make_env", watched)
    (tmp_path / "prior").write_bytes(b"no prior")
    with pytest.raises(ConfigError, match="prior="):
        Training(quick_config("omg", prior=str(tmp_path / "prior")))
    assert len(closed) == 1
