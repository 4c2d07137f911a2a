"""Where data is born: one batched interface, one module per environment.

A new environment is one module with a subclass of `BatchedEnv` (of `Games`, where its games are played one by one), a
line in `ENVIRONMENTS` and one in `omg_lib.config`; from outside, a call of `register`. README.md beside this file
shows how.
"""

from __future__ import annotations

from typing import Any

import torch

from omg_lib import config as settings
from omg_lib.config import PETTINGZOO, ConfigError, team_sizes
from omg_lib.envs.base import BatchedEnv, EnvInfo, GameLost
from omg_lib.envs.foraging import Foraging
from omg_lib.envs.pettingzoo import PettingZoo
from omg_lib.envs.predator_prey import PredatorPrey
from omg_lib.envs.skirmish import Partners, Skirmish
from omg_lib.envs.smacv2 import Protoss, Smacv2, Terran, Zerg
from omg_lib.system.torch_state import check_torch

__all__ = [
    "ENVIRONMENTS", "BatchedEnv", "EnvInfo", "GameLost", "env_info", "find_env", "make_env", "register", "side_by_side",
]  # fmt: skip

ENVIRONMENTS: dict[str, type[BatchedEnv]] = {
    "skirmish": Skirmish,
    "skirmish:partners": Partners,
    "foraging": Foraging,
    "predator_prey": PredatorPrey,
    "smacv2": Smacv2,
    "smacv2:10gen_terran": Terran,
    "smacv2:10gen_protoss": Protoss,
    "smacv2:10gen_zerg": Zerg,
}
OWN = tuple(ENVIRONMENTS)


def register(name: str, env: type[BatchedEnv], sizes: range) -> None:
    """Let `name` stand for an environment wherever a configuration names one, for teams of these sizes.

    It lasts as long as this process; called again, it replaces. ConfigError for a name of the library's own.
    """
    if name in OWN or name.startswith(PETTINGZOO):
        raise ConfigError("env", name, "the library has that name for its own; allowed is another one")
    ENVIRONMENTS[name], settings.ENVIRONMENTS[name] = env, sizes


def find_env(name: str | Any) -> tuple[type[BatchedEnv], dict[str, Any]]:
    """The class that plays an environment of this name, and what the name says beyond it, as options."""
    team_sizes(name)
    if name.startswith(PETTINGZOO):
        return PettingZoo, {"spec": name.removeprefix(PETTINGZOO)}
    return ENVIRONMENTS[name], {}


def side_by_side(name: str | Any, most: int) -> int:
    """How many games to play at once where up to `most` would do: one where each is a program of its own."""
    return 1 if find_env(name)[0].a_program_each else most


def env_info(name: str | Any, n_agents: int | Any, **options: Any) -> EnvInfo:
    """The sizes of an environment, by arithmetic only; those of PettingZoo's are looked up in a game that is made.

    ConfigError for a bad name, size or option.
    """
    env, implied = find_env(name)
    return env.describe(n_agents, **implied, **options)


def make_env(
    name: str | Any,
    n_agents: int | Any,
    batch: int | Any = 1,
    seed: int | Any = 0,
    device: str | torch.device = "cpu",
    **options: Any,
) -> BatchedEnv:
    """`batch` copies of an environment that step together; `reset()` starts their first episodes (0, 1, ...).

    `options` are the environment's own. ConfigError for a name, a size or an option that is not allowed, and for a
    package that is missing.
    """
    check_torch()
    env, implied = find_env(name)
    return env(n_agents, batch=batch, seed=seed, device=device, **implied, **options)
