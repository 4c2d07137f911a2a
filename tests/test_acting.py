"""The networks as they act, in numpy, give what the modules give; and no thread is taken that was not given."""

import numpy as np
import pytest
import torch

from omg_lib.acting import SMALL, ActingAgent, ActingInference, greedy, product
from omg_lib.networks import AGENTS, one_hot, others_actions, own_action
from omg_lib.networks import greedy as torch_greedy
from omg_lib.opponents import Seen
from omg_lib.subgoals import SubgoalInference
from omg_lib.system import compiling

COMPILED = [pytest.param(True, marks=pytest.mark.skipif(not compiling.loadable(), reason="not compiled")), False]

LAST = torch.tensor([[1, 0, 3], [2, 2, 0], [-1, -1, -1]])
SEAT = torch.tensor([0, 2, 1])
IDENTITY = one_hot(SEAT, 3)
OWN = LAST[torch.arange(3), SEAT]


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("reads", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("network", AGENTS)
@pytest.mark.parametrize("compiled", COMPILED)
def test_an_acting_agent_steps_like_the_agent(reads, dueling, network, compiled, monkeypatch):
    """Three rows of teams of 3 with 4 actions; one has not acted yet."""
    monkeypatch.setattr(compiling, "loadable", lambda: compiled)
    torch.manual_seed(0)
    sees_actions, subgoal = reads
    widths = [5, 4, 3, 12 * sees_actions]
    agent = AGENTS[network](sum(widths), 4, hidden_dim=6, subgoal_dim=2 * subgoal, dueling=dueling)
    acting, hidden = ActingAgent(agent, widths, IDENTITY.numpy()), np.zeros((3, 6), np.float32)
    expected = torch.zeros(3, 6)
    others = [others_actions(LAST, IDENTITY, 4)] if sees_actions else []
    with torch.no_grad():
        for _ in range(3):
            obs, g = torch.randn(3, 5), torch.randn(3, 2) if subgoal else None
            parts = [obs, own_action(LAST, IDENTITY, 4), IDENTITY, *others]
            expected = agent.step(agent.read(torch.cat(parts, dim=1), g), expected)
            hidden = acting.step(obs.numpy(), OWN.numpy(), LAST.numpy(), None if g is None else g.numpy(), hidden)
            torch.testing.assert_close(torch.from_numpy(hidden), expected)
            torch.testing.assert_close(torch.from_numpy(acting.q(hidden)), agent.q(expected))


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize("compiled", COMPILED)
def test_an_acting_inference_infers_like_the_model(supervised, compiled, monkeypatch):
    monkeypatch.setattr(compiling, "loadable", lambda: compiled)
    torch.manual_seed(0)
    model = SubgoalInference(5, 3, 4, 2, 6, 7, supervised)
    acting, context = ActingInference(model, IDENTITY.numpy()), np.zeros((3, 7), np.float32)
    expected, before = torch.zeros(3, 7), torch.zeros(3, 5)
    with torch.no_grad():
        for scale in (1.0, 1.0, 1000.0):  # the last one leaves the range of log variances
            obs, noise = scale * torch.randn(3, 5), torch.randn(3, 2)
            seen = Seen(obs, before, LAST, IDENTITY, None)
            expected = model.step(seen, expected)
            context = acting.step(before.numpy(), LAST.numpy(), OWN.numpy(), context)
            torch.testing.assert_close(torch.from_numpy(context), expected)
            for drawn in (noise, None):
                goal = acting.agent_input(obs.numpy(), context, None if drawn is None else drawn.numpy())
                torch.testing.assert_close(torch.from_numpy(goal), model.agent_input(seen, expected, drawn))
            before = obs


@pytest.mark.parametrize("rows", [1, 8, 300])
def test_a_product_is_one_in_both_forms(rows):
    x, w = (np.random.default_rng(0).standard_normal(size, np.float32) for size in ((rows, 64), (64, 96)))
    assert (rows * w.size <= SMALL) == (rows < 300)
    np.testing.assert_allclose(product(x, w), x.astype(float) @ w.astype(float), rtol=1e-4, atol=1e-4)


def test_greedy_is_the_networks_greedy():
    generator = torch.Generator().manual_seed(0)
    q, available = torch.randn(50, 6, generator=generator), torch.rand(50, 6, generator=generator) < 0.5
    available[:, 1] = True
    assert greedy(q.numpy(), available.numpy()).tolist() == torch_greedy(q, available).tolist()
