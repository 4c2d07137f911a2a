"""A PettingZoo environment with everything an adapter must handle: agents of different widths that arrive late, die or
are truncated, masks in both places, and actions that do not begin at 0.
"""

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from pettingzoo import ParallelEnv


class Zoo(ParallelEnv):
    metadata = {"name": "zoo_toy"}
    render_mode = None

    def __init__(self, max_cycles=12, tame=False, spaces=Discrete):
        self.possible_agents = ["ape", "bee", "cat"]
        self.max_cycles, self.tame = max_cycles, tame
        self._sees = {
            "ape": Box(-1, 1, (2, 2), np.float32),
            "bee": Discrete(3),
            "cat": Dict({"observation": Box(0, 9, (2,), np.float64), "action_mask": Box(0, 1, (4,), np.int8)}),
        }
        self._does = {"ape": spaces(3), "bee": Discrete(2, start=1), "cat": Discrete(4)}
        if not tame:
            self.state_space = Box(0, 99, (1, 2), np.float32)

    def observation_space(self, agent):
        return self._sees[agent]

    def action_space(self, agent):
        return self._does[agent]

    def reset(self, seed=None, options=None):
        self.rng, self.time, self.given = np.random.default_rng(seed), 0, {}
        self.agents = ["ape", "bee"]  # the cat arrives later
        return self._look()

    def _look(self):
        masks = {agent: self.rng.random(self._does[agent].n) < 0.5 for agent in self.agents}
        seen = {
            "ape": self.rng.random((2, 2)).astype(np.float32),
            "bee": int(self.rng.integers(3)),
            "cat": {"observation": np.array([7.0, self.time]), "action_mask": masks.get("cat", np.zeros(4))},
        }
        self.masks = masks
        infos = {agent: {"action_mask": masks[agent].astype(np.int8)} if agent == "ape" else {} for agent in masks}
        return {agent: seen[agent] for agent in self.agents}, infos

    def step(self, actions):
        assert set(actions) == set(self.agents)
        assert all(self._does[agent].contains(action) for agent, action in actions.items())
        self.time, self.given = self.time + 1, actions
        deaths = {agent: not self.tame and bool(self.rng.random() < 0.2) for agent in self.agents}
        storm = self.time >= self.max_cycles or (not self.tame and self.rng.random() < 0.1)
        cuts = {agent: bool(storm and not deaths[agent]) for agent in self.agents}
        rewards = {agent: float(self.time) for agent in self.agents}
        left = [agent for agent in self.agents if not deaths[agent] and not cuts[agent]]
        self.agents += ["cat"] * (self.time == 1 and bool(left))  # every agent that was here sees the outcome
        obs, infos = self._look()
        self.agents = left + self.agents[len(deaths) :]
        return obs, rewards, deaths, cuts, infos

    def state(self):
        return np.array([[self.time, len(self.agents)]])


parallel_env = Zoo
