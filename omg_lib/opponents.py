"""Opponent models: what an agent reads about its co-players besides its own observation. "Opponents" is the paper's
word; here they are teammates.

| learner | the agent also reads | source |
|---|---|---|
| oracle | which teammate set is playing, one-hot | a control: an upper bound on what modelling can gain |
| naive_om | the co-players' next actions, predicted from the seat's own history | DRON (He et al. 2016), section 5.1 |
| liam | an embedding from which their observations and actions can be decoded | LIAM (Papoudakis et al. 2021) |
| omg | a subgoal: `subgoals.SubgoalInference` | Eq. 5 |

`iql_actions`, the control that sees what OMG's inference sees, needs no model: its agent reads the co-players' last
actions directly (`OMGConfig.sees_actions`).

W is the width of a model's output, K that of its recurrent memory; P counts packed steps (see `PackedRows`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from omg_lib.config import OMGConfig
from omg_lib.envs import EnvInfo
from omg_lib.episodes import PackedRows, masked_mean
from omg_lib.networks import gru_step, one_hot, own_action, unroll_gru


class Seen(NamedTuple):
    """What a seat, or its model, may read in one step."""

    obs: Tensor  # [N, O]
    previous_obs: Tensor  # [N, O] zeros at t = 0
    last: Tensor  # [N, A] every player's previous action; -1 at t = 0
    identity: Tensor  # [N, A] the own seat, one-hot
    team: Tensor | None  # [N] number of the teammate set; None unless the learner may know it


class OpponentModel(nn.Module):
    """Base class: no memory, no loss. `width` is W, `context_dim` is K."""

    width: int
    context_dim: int = 0
    noise_dim: int = 0

    def step(self, seen: Seen, context: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """Return the memory after this step."""
        return context

    def unroll(self, seen: Seen, rows: PackedRows) -> Float[Tensor, "P K"]:
        """Return the memory after each packed step, starting from zero at t = 0."""
        return seen.obs.new_zeros(len(seen.obs), self.context_dim)

    def agent_input(
        self, seen: Seen, context: Float[Tensor, "N K"], noise: Float[Tensor, "N Z"] | None = None
    ) -> Float[Tensor, "N W"]:
        """Return what the agent reads."""
        raise NotImplementedError


class Identity(OpponentModel):
    """`oracle`: the number of the teammate set, one-hot. W is the number of sets in the pool."""

    def __init__(self, n_sets: int) -> None:
        super().__init__()
        self.width = n_sets

    def agent_input(
        self, seen: Seen, context: Float[Tensor, "N K"], noise: Float[Tensor, "N Z"] | None = None
    ) -> Float[Tensor, "N W"]:
        return one_hot(seen.team, self.width)


class RecurrentModel(OpponentModel):
    """A GRU over conditions (the memory) plus features of the current observation. All models share this trunk, so
    they have the same size.
    """

    def __init__(self, obs_dim: int, condition_dim: int, feature_dim: int, context_dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(obs_dim, feature_dim)
        self.rnn = nn.GRU(condition_dim, context_dim)
        self.context_dim, self.trunk_dim = context_dim, feature_dim + context_dim

    def condition(self, seen: Seen) -> Float[Tensor, "N I"]:
        """Return what the recurrent part reads at one step."""
        raise NotImplementedError

    def step(self, seen: Seen, context: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return gru_step(self.rnn, self.condition(seen), context)

    def unroll(self, seen: Seen, rows: PackedRows) -> Float[Tensor, "P K"]:
        start = seen.obs.new_zeros(rows.counts[0], self.context_dim)
        return unroll_gru(self.rnn, self.condition(seen), rows, start)

    def trunk(self, obs: Float[Tensor, "N O"], context: Float[Tensor, "N K"]) -> Float[Tensor, "N trunk"]:
        return torch.cat([F.relu(self.fc(obs)), context], dim=-1)


class OwnHistoryModel(RecurrentModel):
    """A model that reads only the seat's own history: observation and own last action."""

    def __init__(self, obs_dim: int, n_agents: int, n_actions: int, feature_dim: int, context_dim: int) -> None:
        super().__init__(obs_dim, obs_dim + n_actions, feature_dim, context_dim)
        self.n_agents, self.n_actions = n_agents, n_actions

    def condition(self, seen: Seen) -> Float[Tensor, "N I"]:
        return torch.cat([seen.obs, own_action(seen.last, seen.identity, self.n_actions)], dim=-1)

    def action_loss(
        self, logits: Float[Tensor, "P AC"], actions: Int[Tensor, "P A"], other: Bool[Tensor, "P A"]
    ) -> Float[Tensor, ""]:
        """Return the cross entropy of the co-players' real actions, in nats per co-player and step, where `other`."""
        split = rearrange(logits, "p (a c) -> p a c", a=self.n_agents)
        error = F.cross_entropy(rearrange(split, "p a c -> p c a"), actions.clamp(min=0), reduction="none")
        return masked_mean(error, other)


class ActionPredictor(OwnHistoryModel):
    """`naive_om`: the agent reads the predicted probabilities of its co-players' actions (Eq. 3). W = A * C; its own
    block is zero.
    """

    def __init__(self, obs_dim: int, n_agents: int, n_actions: int, feature_dim: int, context_dim: int) -> None:
        super().__init__(obs_dim, n_agents, n_actions, feature_dim, context_dim)
        self.head = nn.Linear(self.trunk_dim, n_agents * n_actions)
        self.width = n_agents * n_actions

    def agent_input(
        self, seen: Seen, context: Float[Tensor, "N K"], noise: Float[Tensor, "N Z"] | None = None
    ) -> Float[Tensor, "N W"]:
        logits = rearrange(self.head(self.trunk(seen.obs, context)), "n (a c) -> n a c", a=self.n_agents)
        return rearrange(logits.softmax(dim=-1) * (1 - seen.identity).unsqueeze(-1), "n a c -> n (a c)")

    def loss(
        self,
        seen: Seen,
        context: Float[Tensor, "P K"],
        obs: Float[Tensor, "P A O"],
        actions: Int[Tensor, "P A"],
        real: Bool[Tensor, " P"],
    ) -> Float[Tensor, ""]:
        """Return the cross entropy of the co-players' actions over real transitions; ignores their observations."""
        other = (seen.identity == 0) & real.unsqueeze(1)
        return self.action_loss(self.head(self.trunk(seen.obs, context)), actions, other)


class TeammateEncoder(OwnHistoryModel):
    """`liam`: encodes the seat's own history; in training, decodes the co-players' observations and actions. W = Z."""

    def __init__(
        self, obs_dim: int, n_agents: int, n_actions: int, width: int, feature_dim: int, context_dim: int
    ) -> None:
        super().__init__(obs_dim, n_agents, n_actions, feature_dim, context_dim)
        self.head = nn.Linear(self.trunk_dim, width)
        self.decoder = nn.Sequential(nn.Linear(width, 2 * feature_dim), nn.ReLU())
        self.seen_by_others = nn.Linear(2 * feature_dim, n_agents * obs_dim)
        self.done_by_others = nn.Linear(2 * feature_dim, n_agents * n_actions)
        self.width = width

    def agent_input(
        self, seen: Seen, context: Float[Tensor, "N K"], noise: Float[Tensor, "N Z"] | None = None
    ) -> Float[Tensor, "N W"]:
        return self.head(self.trunk(seen.obs, context))

    def loss(
        self,
        seen: Seen,
        context: Float[Tensor, "P K"],
        obs: Float[Tensor, "P A O"],
        actions: Int[Tensor, "P A"],
        real: Bool[Tensor, " P"],
    ) -> Float[Tensor, ""]:
        """Return squared error of co-players' observations plus cross entropy of their actions (real transitions)."""
        decoded = self.decoder(self.agent_input(seen, context))
        other = (seen.identity == 0) & real.unsqueeze(1)
        guess = rearrange(self.seen_by_others(decoded), "p (a o) -> p a o", a=self.n_agents)
        return masked_mean(((guess - obs) ** 2).mean(dim=-1), other) + self.action_loss(
            self.done_by_others(decoded), actions, other
        )


def make_baseline(config: OMGConfig, info: EnvInfo, n_sets: int) -> OpponentModel | None:
    """Build the model of a learner other than OMG; None if the agent reads only its own observation."""
    sizes = (info.obs_dim, info.n_agents, info.n_actions)
    widths = (config.feature_dim, config.context_dim)
    if config.base == "oracle":
        return Identity(n_sets)
    if config.base == "naive_om":
        return ActionPredictor(*sizes, *widths)
    if config.base == "liam":
        return TeammateEncoder(*sizes, config.subgoal_dim, *widths)
    return None
