"""An environment of SMAC 8m's shape that costs almost nothing: a timing measures the library around it.

One definition of the game (`World`), two interfaces: `ScalarSynthetic` is what PyMARL's runner expects from SMAC,
`Synthetic` is our batched interface. The same seed and actions give the same episodes through both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from omg_lib.envs import BatchedEnv, EnvInfo

LIMIT, SHORTEST = 120, 30
SCENES = 256


class World:
    """The game: a walk through a table of scenes, whose path depends on the parity of the summed actions.

    A scene fixes observations, state, available actions (action 1 is always one of them) and the reward for arriving.
    Episode k of a seed draws its length, uniform in 30..120, and its first scene; an episode of 120 steps is truncated.
    """

    def __init__(self, n_agents: int) -> None:
        self.info = describe(n_agents)
        rng = np.random.default_rng(12345)
        self.obs = rng.standard_normal((SCENES, n_agents, self.info.obs_dim), np.float32)
        self.state = rng.standard_normal((SCENES, self.info.state_dim), np.float32)
        self.avail_actions = rng.random((SCENES, n_agents, self.info.n_actions)) < 0.5
        self.avail_actions[..., 1] = True
        self.reward = rng.standard_normal(SCENES, np.float32)

    def begin(self, seed: int, k: int) -> tuple[int, int]:
        """Return the length and first scene of episode k."""
        rng = np.random.default_rng((seed, k))
        return int(rng.integers(SHORTEST, LIMIT + 1)), int(rng.integers(SCENES))

    @staticmethod
    def follow(scene: Any, summed_actions: Any) -> Any:
        """Return the next scene; for integers and arrays of integers."""
        return (scene + 1 + summed_actions % 2) % SCENES


def describe(n_agents: int) -> EnvInfo:
    """SMAC's layout for n against n marines; 8m's 80, 168, 14 at n_agents 8."""
    return EnvInfo(
        name="synthetic",
        n_agents=n_agents,
        obs_dim=10 * n_agents,
        state_dim=n_agents * (n_agents + 13),
        n_actions=n_agents + 6,
        episode_limit=LIMIT,
        has_winner=False,
        styles=("steady",),
        teams=((0,) * n_agents,),
    )


class ScalarSynthetic:
    """One game at a time, with the methods and types of SMAC's StarCraft2Env (lists of arrays, lists of lists)."""

    episode_limit = LIMIT

    def __init__(self, n_agents: int = 8, seed: int = 0) -> None:
        self.world, self.seed, self.episode = World(n_agents), seed, -1
        self._obs = [list(scene) for scene in self.world.obs]
        self._avail_actions = self.world.avail_actions.astype(int).tolist()
        self._reward = self.world.reward.tolist()

    def reset(self) -> None:
        self.episode, self.time = self.episode + 1, 0
        self.length, self.scene = self.world.begin(self.seed, self.episode)

    def step(self, actions: Any) -> tuple[float, bool, dict[str, bool]]:
        self.scene = self.world.follow(self.scene, sum(int(action) for action in actions))
        self.time += 1
        info = {"battle_won": False, "episode_limit": self.time >= LIMIT}
        return self._reward[self.scene], self.time >= self.length, info

    def get_obs(self) -> list[np.ndarray]:
        return self._obs[self.scene]

    def get_state(self) -> np.ndarray:
        return self.world.state[self.scene]

    def get_avail_actions(self) -> list[list[int]]:
        return self._avail_actions[self.scene]

    def get_env_info(self) -> dict[str, int]:
        info = self.world.info
        return {
            "n_agents": info.n_agents,
            "n_actions": info.n_actions,
            "obs_shape": info.obs_dim,
            "state_shape": info.state_dim,
            "episode_limit": LIMIT,
        }

    def close(self) -> None:
        pass


class Synthetic(BatchedEnv):
    """R games that step together; the scripted teammates always play action 1."""

    @classmethod
    def describe(cls, n_agents: int, **options: Any) -> EnvInfo:
        return describe(n_agents)

    def __init__(
        self, n_agents: int, batch: int = 1, seed: int = 0, device: str | torch.device = "cpu", **options: Any
    ) -> None:
        self.world, self.batch, self.seed, self.device = World(n_agents), batch, seed, torch.device(device)
        self.info, self.episode, self._next = self.world.info, np.full(batch, -1), 0
        self.time, self.length, self.scene = (np.zeros(batch, int) for _ in range(3))
        self._nobody = torch.zeros(batch, dtype=torch.bool, device=self.device)

    def reset(self, mask: Any = None, first: int | None = None) -> None:
        self._next = self._next if first is None else first
        rows = np.arange(self.batch) if mask is None else np.flatnonzero(mask)
        self.episode = self.episode.copy()
        self.episode[rows] = self._next + np.arange(len(rows))
        self._next += len(rows)
        self.time[rows] = 0
        for row in rows:
            self.length[row], self.scene[row] = self.world.begin(self.seed, int(self.episode[row]))

    def step(self, actions: Any) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        actions = actions.numpy(force=True) if isinstance(actions, torch.Tensor) else actions
        running = self.time < self.length
        self.scene = np.where(running, self.world.follow(self.scene, actions.sum(axis=1)), self.scene)
        self.time = self.time + running
        reward = self.world.reward.take(self.scene) * running
        info = {"battle_won": self._nobody, "episode_limit": self._give(self.time >= LIMIT)}
        return self._give(reward), self._give(self.time >= self.length), info

    def _give(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        return tensor if self.device.type == "cpu" else tensor.to(self.device)

    def obs(self) -> torch.Tensor:
        return self._give(self.world.obs.take(self.scene, axis=0))

    def state(self) -> torch.Tensor:
        return self._give(self.world.state.take(self.scene, axis=0))

    def avail_actions(self) -> torch.Tensor:
        return self._give(self.world.avail_actions.take(self.scene, axis=0))

    def scripted_actions(self, styles: Any) -> torch.Tensor:
        return torch.ones(self.batch, self.info.n_agents, dtype=torch.int64, device=self.device)

    def frame(self, row: int = 0) -> dict[str, Any]:
        return {"scene": self.scene[row], "time": self.time[row]}
