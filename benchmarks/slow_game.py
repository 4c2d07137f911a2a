"""The embedded battle, as slow as a game in another process: its client waits for each step."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor

from omg_lib.envs import BatchedEnv
from omg_lib.envs.skirmish import Partners


class SlowGame(Partners):
    """`skirmish:partners` in which each step of each unfinished game takes `wait` extra seconds, one after another."""

    def __init__(self, n_agents: int, batch: int = 1, seed: int = 0, device: str = "cpu", wait: float = 0.0) -> None:
        super().__init__(n_agents, batch=batch, seed=seed, device=device)
        self.wait, self.playing = wait, self.batch

    @classmethod
    def describe(cls, n_agents: int, wait: float = 0.0) -> Any:
        return super().describe(n_agents)

    def reset(self, mask: Any = None, first: Any = None) -> None:
        super().reset(mask, first)
        self.playing = self.batch

    def step(self, actions: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        time.sleep(self.wait * self.playing)
        reward, done, info = super().step(actions)
        self.playing = int((~done).sum())
        return reward, done, info


class Slow:
    """Makes slow games in any process, for `RayRunner`."""

    def __init__(self, wait: float) -> None:
        self.wait = wait

    def __call__(self, name: str, n_agents: int, batch: int = 1, seed: int = 0) -> BatchedEnv:
        return SlowGame(n_agents, batch=batch, seed=seed, wait=self.wait)
