"""A buffer with its episodes also on a device gives the samples of one on the host, and uploads only new ones."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import omg_lib as omg
from omg_lib import buffer as buffers
from omg_lib.buffer import ReplayBuffer
from omg_lib.config import ConfigError
from omg_lib.memory.peak import buffer_on_card, card_buffer_bytes
from omg_lib.predict import predict
from tests.device.test_runs import config_of
from tests.helpers import device_double
from tests.helpers.batches import make_sample, weights
from tests.helpers.device_double import counting

LENGTHS = st.lists(st.integers(1, 7), min_size=3, max_size=3)


def same(there, here):
    assert set(there.keys()) == set(here.keys()) and there.batch_size == here.batch_size
    for key, x in here.items():
        assert there[key].dtype == x.dtype and torch.equal(there[key].cpu(), x), key


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(
    rounds=st.lists(st.tuples(LENGTHS, st.booleans()), min_size=2, max_size=6),
    chunk=st.integers(1, 4),
)
def test_samples_are_those_of_the_host(rounds, chunk):
    """Through rings that overwrite, several insertions between two samples, and uploads in pieces."""
    with device_double.as_gpu() as device, pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffers, "UPLOADED", chunk)
        here, there = ReplayBuffer(6, 3, seed=4), ReplayBuffer(6, 3, seed=4, device=device)
        for number, (lengths, drawn) in enumerate(rounds):
            batch = make_sample([*lengths, 7], seats=(0, 1, 2, 0), ended=(), deaths={}, seed=number)
            for one in (here, there):
                one.insert_episode_batch(batch)
            if drawn:
                same(there.sample(3), here.sample(3))
        same(there.sample(3), here.sample(3))


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["omg", "qmix"])
def test_a_run_learns_the_same_wherever_its_episodes_are(double, learner):
    def found(place):
        with omg.Training(config_of(learner, updates=4, buffer_device=place, buffer_size=8)) as run:
            return [report.metrics for report in run], weights(run).cpu()

    (expected, here), (metrics, there) = found("cpu"), found("cuda")
    assert metrics == expected and torch.equal(there, here)


def test_only_new_episodes_are_uploaded_with_the_numbers_of_their_places(double):
    config = config_of("iql", updates=4, n_agents=2, batch_size=4, buffer_device="cuda", batch_size_run=2)
    with omg.Training(config) as run:
        updates = iter(run)
        next(updates)
        sent = []
        upload = buffers.upload
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(buffers, "upload", lambda batch, device: sent.append(len(batch)) or upload(batch, device))
            with counting() as counts:
                next(updates)
    played = config.batch_size_run * config.runs_per_update
    assert sent == [played + config.sample_size, played], "numbers, then the new episodes alone"
    assert (counts.uploads, counts.unpinned) == (2, 0)


def test_its_bytes_are_predicted(double):
    config = config_of("omg", buffer_device="cuda", buffer_size=9)
    with omg.Training(config) as run:
        next(iter(run))
        assert sum(x.nbytes for x in run.buffer._there.values()) == card_buffer_bytes(config)


def test_where_the_episodes_are(monkeypatch):
    config = config_of("iql", device="cpu")
    plan, card = predict(config), torch.device("cuda")
    there = {name: replace(config, buffer_device=name) for name in ("cpu", "cuda", "auto")}
    cpu = torch.device("cpu")
    assert not buffer_on_card(there["cpu"], card, plan) and not buffer_on_card(there["auto"], cpu, plan)
    with pytest.raises(ConfigError, match="buffer_device='cuda': the learner is on cpu: allowed are cpu and auto"):
        buffer_on_card(there["cuda"], cpu, plan)
    for free, expected in ((card_buffer_bytes(config), False), (2**40, True)):
        monkeypatch.setattr("omg_lib.memory.peak.left_on", lambda device, free=free: free)
        assert buffer_on_card(there["auto"], card, plan) is expected
        assert buffer_on_card(there["cuda"], card, plan)
