"""A notebook that has changed torch's settings: a run works as usual, or says in one sentence what to reset."""

import gc
import os

import pytest
import torch
from torch.backends import cudnn

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


# --- what a run sets for the whole process ---


def settings():
    precision = cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    return torch.get_num_threads(), precision, torch.get_deterministic_debug_mode(), workspace


HELD = 1, ("none", "none"), 2, ":4096:8"


@pytest.fixture
def two_threads(monkeypatch):
    """What a process has before any run, with two threads; runs that other tests have dropped are gone."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    gc.collect()
    before = torch.get_num_threads(), cudnn.allow_tf32
    torch.set_num_threads(2)
    cudnn.allow_tf32 = True
    yield 2, ("tf32", "tf32"), 0, None
    torch.set_num_threads(before[0])
    cudnn.allow_tf32 = before[1]


def test_a_run_puts_back_what_it_set_for_the_whole_process(two_threads):
    assert settings() == two_threads
    with Training(quick_config(deterministic=True)) as run:
        assert settings() == HELD
        next(iter(run))
    assert settings() == two_threads and cudnn.allow_tf32
    run.close()
    assert settings() == two_threads


@pytest.mark.parametrize("where", ["prior", "runner", "controller"])
def test_a_run_that_cannot_be_made_leaves_the_process_as_it_was(where, two_threads, tmp_path, monkeypatch):
    changes = {}
    if where == "prior":
        (tmp_path / "prior").write_bytes(b"no prior")
        changes["prior"] = str(tmp_path / "prior")
    else:
        name = {"runner": "make_runner", "controller": "Controller"}[where]
        monkeypatch.setattr(f"omg_lib.training.{name}", lambda *args: 1 / 0)
    with pytest.raises((ConfigError, ZeroDivisionError)):
        Training(quick_config("omg", deterministic=True, **changes))
    assert settings() == two_threads


@pytest.mark.parametrize("first", [0, 1])
def test_what_two_runs_need_stays_until_the_last_is_closed(first, two_threads):
    runs = [Training(quick_config(deterministic=True)) for _ in range(2)]
    runs[first].close()
    runs[first].close()
    assert settings() == HELD
    runs[1 - first].close()
    assert settings() == two_threads


def test_a_run_that_needs_less_puts_back_nothing_of_another(two_threads):
    with Training(quick_config(deterministic=True)):
        Training(quick_config()).close()
        assert settings() == HELD


def test_what_somebody_else_has_set_in_the_meantime_stays(two_threads):
    with Training(quick_config(deterministic=True)):
        torch.set_num_threads(3)
        torch.set_deterministic_debug_mode("warn")
    assert settings() == (3, two_threads[1], 1, None)
    torch.set_deterministic_debug_mode("default")


def test_threads_and_workspace_that_the_user_chose_are_left_alone(two_threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with Training(quick_config(deterministic=True)):
        assert settings() == (2, HELD[1], 2, ":16:8")
    assert settings() == (2, two_threads[1], 0, ":16:8")


def test_precision_that_was_set_apart_for_each_kind_of_network_comes_back(two_threads):
    cudnn.rnn.fp32_precision = "ieee"
    try:
        with Training(quick_config()):
            assert settings()[1] == HELD[1]
        assert settings()[1] == ("tf32", "ieee")
    finally:
        cudnn.allow_tf32 = True
