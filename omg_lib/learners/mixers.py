"""Mixers: one value for the whole team from the values of what each seat does."""

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
    | state | [N, S] | not read: taken so that every mixer is called alike |
    | result | [N] | value of the team |
    """

    def forward(self, q: Float[Tensor, "N A"], state: Float[Tensor, "N S"]) -> Float[Tensor, " N"]:
        return q.sum(dim=1)


class QMixer(nn.Module):
    """A small network over the seats' values whose weights come from the state (Rashid et al. 2018, "QMIX").

    | symbol | shape | meaning |
    |---|---|---|
    | q | [N, A] | value of each seat's action |
    | state | [N, S] | read by the hypernetworks alone |
    | result | [N] | value of the team |
    | E | | `embed_dim`, width of the mixing network |

    Its weights are made positive, its biases are not: what is better for one seat is never worse for the team, so each
    seat's own best action is its part of the team's best, while the state may still shift the value in any way.
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
    """The mixer of the learner of this name."""
    return {"vdn": VDNMixer, "qmix": lambda: QMixer(n_agents, state_dim)}[learner]()
