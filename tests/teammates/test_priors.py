"""A prior on disk equals the saved prior, or is refused."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.runs.folder import RunFolder
from omg_lib.subgoals import SubgoalPrior
from omg_lib.teammates.priors import digest, load_prior, save_prior
from tests.helpers.batches import short_pretraining
from tests.helpers.priors import WIDTHS, config, echo, flat, make_prior  # noqa: F401

# --- the round trip ---


def test_a_prior_comes_back_bit_for_bit_and_says_how_it_was_made():
    prior, other = make_prior(), make_prior(1)
    save_prior(prior, "prior.safetensors", {"env": "echo", "seed": 3})
    assert not torch.equal(flat(prior), flat(other))
    load_prior(other, "prior.safetensors")
    assert torch.equal(flat(prior), flat(other))
    with safe_open("prior.safetensors", "pt") as file:
        made = json.loads(file.metadata()["made"])
    assert made.pop("sha256") == digest(prior.state_dict()) and made == {"env": "echo", "seed": 3}


def test_a_prior_that_cannot_be_written_is_refused_in_one_sentence(tmp_path):
    for path in ("no/such/folder/prior.safetensors", "."):
        with pytest.raises(ConfigError, match=f"^out='{path}': cannot be written .*allowed is a writable file$"):
            save_prior(make_prior(), path, {})


# --- refusals ---


def refused(path="prior.safetensors"):
    """Return the sentence that refuses a prior's file, alone and in a run that has not started."""
    prior = make_prior(7)
    with pytest.raises(ConfigError) as error:
        load_prior(prior, path)
    with pytest.raises(ConfigError) as of_run:
        omg.Training(config(prior=path))
    assert str(of_run.value) == str(error.value)
    assert torch.equal(flat(prior), flat(make_prior(7))), "nothing of a refused file is used"
    sentence = str(error.value)
    assert sentence.startswith(f"prior='{path}': ") and "\n" not in sentence and len(sentence) < 300
    return sentence


@pytest.mark.parametrize("widths", [(WIDTHS[0] + 1, WIDTHS[1]), (WIDTHS[0], 64), (80, 64), (1, 1)])
def test_a_prior_of_other_widths_is_refused_with_both(widths):
    save_prior(make_prior(0, widths), "prior.safetensors", {})
    sentence = refused()
    assert f"it is for obs_dim={widths[0]} and subgoal_dim={widths[1]}" in sentence
    assert f"this run has obs_dim={WIDTHS[0]} and subgoal_dim={WIDTHS[1]}" in sentence


@pytest.mark.parametrize("keep", [0, 1, 7, 20, 200, -100, -1])
def test_a_prior_that_was_cut_off_is_refused(tmp_path, keep):
    save_prior(make_prior(), "prior.safetensors", {})
    whole = (tmp_path / "prior.safetensors").read_bytes()
    (tmp_path / "prior.safetensors").write_bytes(whole[:keep])
    assert "is not a readable prior" in refused()


@pytest.mark.parametrize("content", [b"no prior at all", b"\xff" * 100, b'{"schema": 1}'])
def test_what_is_no_prior_is_refused(tmp_path, content):
    (tmp_path / "prior.safetensors").write_bytes(content)
    assert "is not a readable prior" in refused()


def test_a_damaged_header_is_refused(tmp_path):
    save_prior(make_prior(), "prior.safetensors", {})
    data = bytearray((tmp_path / "prior.safetensors").read_bytes())
    data[9] ^= 0xFF
    (tmp_path / "prior.safetensors").write_bytes(data)
    assert "is not a readable prior" in refused()


def changed(change):
    """A saved prior whose weights were changed."""
    save_prior(make_prior(), "prior.safetensors", {})
    weights = load_file("prior.safetensors")
    change(weights)
    save_file(weights, "prior.safetensors")


@pytest.mark.parametrize("worst", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("key", ["encoder.0.weight", "log_var.bias", "decoder.3.bias"])
def test_a_prior_that_is_not_finite_is_refused(worst, key):
    changed(lambda weights: weights[key].view(-1)[-1:].fill_(worst))
    assert f"its weights {key} contain NaN or infinity" in refused()


@pytest.mark.parametrize("key", ["encoder.2.weight", "log_var.weight", "decoder.0.bias"])
def test_a_prior_without_some_weights_or_with_others_is_refused(key):
    changed(lambda weights: weights.pop(key))
    assert f"its weights {key} are missing, or are not [" in refused()
    changed(lambda weights: weights.update({key: torch.zeros(3, 3)}))
    assert f"its weights {key} are missing, or are not [" in refused()


@pytest.mark.parametrize("key", ["encoder.0.weight", "mu.weight"])
def test_a_prior_whose_widths_cannot_be_read_is_refused(key):
    changed(lambda weights: weights.pop(key))
    assert "is not a readable prior" in refused() and key in refused()
    changed(lambda weights: weights.update({key: torch.tensor(1.0)}))
    assert "is not a readable prior" in refused()


def test_a_prior_that_is_gone_is_refused():
    with pytest.raises(ConfigError, match=r"^prior='prior.safetensors': is not a readable prior \(No such file"):
        load_prior(make_prior(), "prior.safetensors")
    with pytest.raises(ConfigError, match=r"^prior='prior.safetensors': allowed is None"):
        config(prior="prior.safetensors")


# --- a run with a prior from a file ---


def test_a_run_uses_the_prior_of_its_file_and_never_changes_it():
    save_prior(make_prior(5), "prior.safetensors", {})
    phases = []
    with omg.Training(config(prior="prior.safetensors"), lambda phase, *done: phases.append(phase)) as run:
        assert torch.equal(flat(run.learner.prior), flat(make_prior(5)))
        reports = list(run)
        assert torch.equal(flat(run.learner.prior), flat(make_prior(5)))
        assert run.prior_errors == [] and "prior" not in phases
        assert not any(weight.requires_grad for weight in run.learner.prior.parameters())
        assert omg.compare(omg.predict(run.config), run.trace) == []
    save_prior(make_prior(6), "other.safetensors", {})
    other = omg.run_sequential(config(prior="other.safetensors"))
    assert [r.metrics["kl_loss"] for r in other] != [r.metrics["kl_loss"] for r in reports]


def test_a_run_without_a_file_fits_its_own():
    with short_pretraining(), omg.Training(config()) as run:
        before = flat(run.learner.prior)
        next(iter(run))
        assert len(run.prior_errors) == 3 and not torch.equal(flat(run.learner.prior), before)


def test_a_saved_run_keeps_the_prior_that_it_was_trained_with(tmp_path):
    """Even if the file has been replaced by then."""
    save_prior(make_prior(5), "prior.safetensors", {})
    settings = config(prior="prior.safetensors")
    folder = RunFolder.create(tmp_path / "run", settings)
    with omg.Training(settings) as run:
        next(iter(run))
        folder.save(run)
        rest = list(run)
    save_prior(make_prior(6), "prior.safetensors", {})
    loaded = omg.load(tmp_path / "run")
    assert torch.equal(flat(loaded.learner.prior), flat(make_prior(5)))
    assert list(loaded) == rest


def test_a_flipped_byte_is_noticed(tmp_path):
    """safetensors itself does not check the values."""
    prior, path = SubgoalPrior(4, 3), tmp_path / "prior.safetensors"
    save_prior(prior, path, {})
    load_prior(SubgoalPrior(4, 3), path)
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match="damaged"):
        load_prior(SubgoalPrior(4, 3), path)
