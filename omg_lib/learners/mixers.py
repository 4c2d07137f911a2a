"""Mixers: combine the values of all seats' actions into one value for the team."""

from __future__ import annotations

import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn


class VDNMixer(nn.Module):
    """The team's value is the sum over its seats (Sunehag et al. 2018, "Value-Decomposition Networks").

    | symbol | shape | meaning |
    |---|---|---|
    | q | [N, A] | value of each seat's action |
    | state | [N, S] | not used; all mixers have the same signature |
    | result | [N] | value of the team |
    """

    def forward(self, q: Float[Tensor, "N A"], state: Float[Tensor, "N S"]) -> Float[Tensor, " N"]:
        return q.sum(dim=1)


class QMixer(nn.Module):
    """A small network over the seats' values, with weights computed from the state (Rashid et al. 2018, "QMIX").

    | symbol | shape | meaning |
    |---|---|---|
    | q | [N, A] | value of each seat's action |
    | state | [N, S] | read only by the hypernetworks |
    | result | [N] | value of the team |
    | E | | `embed_dim`, width of the mixing network |

    Its weights are non-negative: a higher value of one seat never lowers the team's value, so each seat's best action
    is part of the team's best. Its biases are unconstrained, so the state can still shift the value either way.
    """

    def __init__(self, n_agents: int, state_dim: int, embed_dim: int = 32) -> None:
        super().__init__()
        self.n_agents = n_agents
        self.hyper_w_1 = nn.Linear(state_dim, n_agents * embed_dim)
        self.hyper_b_1 = nn.Linear(state_dim, embed_dim)
        self.hyper_w_final = nn.Linear(state_dim, embed_dim)
        self.V = nn.Sequential(nn.Linear(state_dim, embed_dim), nn.ReLU(), nn.Linear(embed_dim, 1))

    def forward(self, q: Float[Tensor, "N A"], state: Float[Tensor, "N S"]) -> Float[Tensor, " N"]:
        w_1 = rearrange(self.hyper_w_1(state).abs(), "n (a e) -> n a e", a=self.n_agents)
        hidden = F.elu(einsum(q, w_1, "n a, n a e -> n e") + self.hyper_b_1(state))
        return einsum(hidden, self.hyper_w_final(state).abs(), "n e, n e -> n") + self.V(state).squeeze(1)


def make_mixer(learner: str, n_agents: int, state_dim: int) -> VDNMixer | QMixer:
    """Build the mixer of the learner with this name."""
    return VDNMixer() if learner == "vdn" else QMixer(n_agents, state_dim)
