"""Where data is born: one batched interface, one module per environment.

A new environment is one module with a subclass of `BatchedEnv`, and one line in `ENVIRONMENTS`.
"""

from __future__ import annotations

from typing import Any

import torch

from omg_lib.config import ConfigError
from omg_lib.envs.base import BatchedEnv, EnvInfo, GameLost
from omg_lib.envs.foraging import Foraging
from omg_lib.envs.skirmish import Partners, Skirmish

__all__ = ["ENVIRONMENTS", "BatchedEnv", "EnvInfo", "GameLost", "env_info", "make_env"]

ENVIRONMENTS: dict[str, type[BatchedEnv]] = {
    "skirmish": Skirmish,
    "skirmish:partners": Partners,
    "foraging": Foraging,
}


def env_info(name: str | Any, n_agents: int | Any, **options: Any) -> EnvInfo:
    """The sizes of an environment, by arithmetic only. ConfigError for a bad name, size or option."""
    return _find(name).describe(n_agents, **options)


def make_env(
    name: str | Any,
    n_agents: int | Any,
    batch: int | Any = 1,
    seed: int | Any = 0,
    device: str | torch.device = "cpu",
    **options: Any,
) -> BatchedEnv:
    """`batch` copies of an environment that step together; `reset()` starts their first episodes (0, 1, ...).

    `options` are the environment's own. ConfigError for a name, a size or an option that is not allowed.
    """
    return _find(name)(n_agents, batch=batch, seed=seed, device=device, **options)


def _find(name: str | Any) -> type[BatchedEnv]:
    if name not in tuple(ENVIRONMENTS):
        raise ConfigError("env", name, f"allowed are {', '.join(ENVIRONMENTS)}")
    return ENVIRONMENTS[name]
