"""Co-players: the fixed members of a pool, who play beside the learner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omg_lib.envs import BatchedEnv, EnvInfo
from omg_lib.envs.base import whole_number
from omg_lib.networks import Agent, greedy, one_hot
from omg_lib.seeds import Stream, numpy_generator
from omg_lib.teammates.pool import Pool

NOBODY = -1
"""Placeholder for the learner's own seat."""


class CoPlayers:
    """Play the members of a pool: the environment plays scripts, networks play policies greedily.

    A member's number is its position in `pool.members`; `NOBODY` marks the learner's seat. Episodes draw from
    `sets`, numbers of the pool's sets (by default all of them).
    """

    def __init__(self, pool: Pool, info: EnvInfo, device: torch.device, sets: Sequence[int] | None = None) -> None:
        self.pool, self.info, self.device = pool, info, device
        chosen = range(len(pool.sets)) if sets is None else sets
        self.sets = tuple(whole_number("sets", number, 0, len(pool.sets) - 1) for number in chosen)
        numbers = {member.name: i for i, member in enumerate(pool.members)}
        self.members_of = np.array([[numbers[name] for name in s.members] for s in pool.sets])  # [sets, A - 1]
        style = {name: i for i, name in enumerate(info.styles)}
        self.styles = np.array([style.get(m.name, 0) if m.name not in pool.policies else 0 for m in pool.members])
        self.policies = {numbers[name]: agent.to(device) for name, agent in pool.policies.items()}
        self.scripts = len(self.policies) < len(pool.members)

    def draw(self, seed: int, episodes: np.ndarray) -> np.ndarray:
        """Draw the sets [R] of the episodes with these numbers [R], each from (seed, episode)."""
        generators = (numpy_generator(seed, Stream.TEAM, int(k)) for k in episodes)
        return np.array([self.sets[generator.integers(len(self.sets))] for generator in generators])

    def seats(self, set_ids: np.ndarray, seat: np.ndarray) -> np.ndarray:
        """Return the members [R, A] of episodes with these sets [R], in seat order after the learner's `seat` [R]."""
        runs, agents = len(set_ids), self.info.n_agents
        members = np.full((runs, agents), NOBODY)
        places = (seat[:, None] + 1 + np.arange(agents - 1)) % agents
        np.put_along_axis(members, places, self.members_of[set_ids], axis=1)
        return members

    def begin(self, members: np.ndarray) -> None:
        """Assign `members` [R, A] to the seats of new episodes."""
        self.members = members
        self.scripted = np.where(members == NOBODY, 0, self.styles[members])
        self.groups = []
        for number, agent in self.policies.items():
            row, seat = np.nonzero(members == number)
            if len(row):
                self.groups.append(Group(agent, torch.from_numpy(row), torch.from_numpy(seat), self.info, self.device))

    @torch.inference_mode()
    def act(
        self, env: BatchedEnv, obs: Float[Tensor, "R A O"], avail_actions: Bool[Tensor, "R A C"]
    ) -> Int[Tensor, "R A"]:
        """Return the action of every seat with a member; the learner's seat holds an arbitrary value."""
        if self.scripts:
            actions = env.scripted_actions(self.scripted).cpu()
        else:
            actions = torch.zeros(avail_actions.shape[:2], dtype=torch.int64)
        for group in self.groups:
            actions[group.row, group.seat] = group.act(obs, avail_actions)
        return actions


class Group:
    """The seats that one policy plays in the current episodes."""

    def __init__(self, agent: Agent, row: Tensor, seat: Tensor, info: EnvInfo, device: torch.device) -> None:
        self.agent, self.row, self.seat, self.device = agent, row, seat, device
        self.identity = one_hot(seat, info.n_agents).to(device)
        self.hidden = torch.zeros(len(row), agent.hidden_dim, device=device)
        self.last = torch.full((len(row),), -1)
        self.n_actions = info.n_actions

    def act(self, obs: Float[Tensor, "R A O"], avail_actions: Bool[Tensor, "R A C"]) -> Int[Tensor, " N"]:
        """Return the policy's greedy actions, and update its recurrent state and last actions."""
        seen = obs[self.row, self.seat].to(self.device)
        x = torch.cat([seen, one_hot(self.last, self.n_actions).to(self.device), self.identity], dim=-1)
        self.hidden = self.agent.step(self.agent.read(x), self.hidden)
        self.last = greedy(self.agent.q(self.hidden).cpu(), avail_actions[self.row, self.seat].cpu())
        return self.last
