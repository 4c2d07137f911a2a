"""Priors of the game Echo: their configuration, their weights, and a folder of their own."""

import pytest
import torch

from omg_lib.config import OMGConfig
from omg_lib.subgoals import SubgoalPrior
from tests.helpers.batches import SMALL, Echo, echo_registered

WIDTHS = Echo.ACTIONS + 2, SMALL["subgoal_dim"]


@pytest.fixture(autouse=True)
def echo(tmp_path, monkeypatch):
    """The game of the tests; and short names for files, as on a command line."""
    monkeypatch.chdir(tmp_path)
    with echo_registered():
        yield


def config(**changes):
    common = dict(env="echo", n_agents=3, batch_size=1, device="cpu", updates=2, test_nepisode=1)
    return OMGConfig(**(common | SMALL | changes))


def make_prior(seed=0, widths=WIDTHS):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SubgoalPrior(*widths)


def flat(prior):
    return torch.cat([weight.detach().flatten() for weight in prior.parameters()])
