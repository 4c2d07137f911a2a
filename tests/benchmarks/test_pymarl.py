"""Against PyMARL itself: the same loss, the same gradients. OMG_PYMARL is the path of a checkout of oxwhirl/pymarl."""

import os

import pytest
import torch

from benchmarks.our_side import Ours
from benchmarks.pymarl_side import PyMARL

CHECKOUT = os.environ.get("OMG_PYMARL")
pytestmark = pytest.mark.skipif(not CHECKOUT, reason="OMG_PYMARL names no checkout of oxwhirl/pymarl")


@pytest.fixture
def ours():
    """Our IQL with a target network that differs from the online network."""
    ours = Ours(256, learner="iql")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in ours.learner.target.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return ours


@pytest.mark.parametrize("size", [32, 256])
def test_loss_and_gradients_are_pymarls(ours, size):
    batch = ours.whole_sample(size)
    peer = PyMARL(CHECKOUT, buffer_size=1)
    peer.load_weights(ours.learner.agent, ours.learner.target)
    peer.learner.train(peer.batch(batch), 0, 0)
    loss = ours.learner.train(batch, 0, 0)["loss"]
    assert loss == pytest.approx(peer.logger.latest["loss"], rel=1e-6)
    expected = peer.gradients()
    for key, weight in ours.learner.agent.named_parameters():
        difference = (weight.grad - expected[key]).norm() / expected[key].norm()
        assert difference < 1e-6, key
    for key, weight in peer.mac.agent.state_dict().items():
        ours_now = ours.learner.agent.state_dict()[f"{key}_l0" if key.startswith("rnn.") else key]
        assert torch.allclose(ours_now, weight, rtol=0, atol=1e-5), key


def test_both_buffers_hold_the_same_and_pymarls_runner_fills_its_own(ours):
    peer = PyMARL(CHECKOUT, buffer_size=64)
    peer.fill(ours.buffer)
    assert peer.buffer.can_sample(64)
    episode = peer.runner.run(test_mode=False)
    length, _ = peer.runner.env.world.begin(0, 0)
    assert peer.runner.t == length
    assert int(episode["filled"].sum()) == length + 1
