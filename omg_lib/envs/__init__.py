"""Where the data comes from: one batched interface, one module per environment.

To add an environment, write one module with a subclass of `BatchedEnv` (or of `Games`, if its games are played one by
one), a line in `ENVIRONMENTS` here, and its team sizes in `omg_lib.registry`. From outside the library, call
`register`, or name the class in your package's entry points (group `omg_lib.envs`). README.md in this folder shows how.
"""

from __future__ import annotations

from typing import Any

import torch

from omg_lib import registry
from omg_lib.envs.base import BatchedEnv, EnvInfo, GameLost
from omg_lib.envs.check import check_contract
from omg_lib.envs.foraging import Foraging
from omg_lib.envs.pettingzoo import PettingZoo
from omg_lib.envs.predator_prey import PredatorPrey
from omg_lib.envs.skirmish import Partners, Skirmish
from omg_lib.envs.smacv2 import Protoss, Smacv2, Terran, Zerg
from omg_lib.errors import ConfigError
from omg_lib.registry import ENV_POINTS, PETTINGZOO, offered, team_sizes
from omg_lib.system.torch_state import check_torch
from omg_lib.words import _

__all__ = [
    "ENVIRONMENTS", "BatchedEnv", "EnvInfo", "GameLost", "check", "env_info", "find_env", "make_env", "register",
    "registered", "side_by_side",
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


def register(name: str | Any, env: type[BatchedEnv] | Any, sizes: range | Any = None) -> None:
    """Register an environment class under `name`, for teams of these sizes, by default `env.sizes`.

    The registration lasts as long as this process; a second call replaces the first. Games in other processes and on
    Ray find it too. ConfigError for a name that the library uses, and for anything that is not an environment.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigError("env", name, _("allowed is a name, such as my game"))
    if name in OWN or name.startswith(PETTINGZOO):
        raise ConfigError("env", name, _("the library uses this name; allowed is another one"))
    if not (isinstance(env, type) and issubclass(env, BatchedEnv)):
        raise ConfigError(
            "env", name, _("{env!r} is no environment; allowed is a subclass of BatchedEnv or Games").format(env=env)
        )
    sizes = env.sizes if sizes is None else sizes
    if not isinstance(sizes, range) or not sizes:
        raise ConfigError("sizes", sizes, _("allowed is a range of team sizes, such as range(2, 9)"))
    ENVIRONMENTS[name], registry.ENVIRONMENTS[name] = env, sizes


def registered() -> dict[str, tuple[type[BatchedEnv], range]]:
    """Return what was registered in this process, for another process to register."""
    return {name: (env, registry.ENVIRONMENTS[name]) for name, env in ENVIRONMENTS.items() if name not in OWN}


def check(name: str, n_agents: int | Any, **options: Any) -> EnvInfo:
    """Play a game for a team of this size, and check it against the whole contract of an environment. Return its sizes.

    ConfigError for the first call that breaks the contract: the method, what it returned, and what is expected.
    """
    info = env_info(name, n_agents, **options)
    check_contract(info, lambda rows: make_env(name, n_agents, batch=rows, seed=1, **options))
    return info


def find_env(name: str | Any) -> tuple[type[BatchedEnv], dict[str, Any]]:
    """Return the class that plays an environment of this name, and the options the name contains."""
    team_sizes(name)
    if name.startswith(PETTINGZOO):
        return PettingZoo, {"spec": name.removeprefix(PETTINGZOO)}
    return ENVIRONMENTS.get(name) or offered(ENV_POINTS, "env", name), {}


def side_by_side(name: str | Any, most: int) -> int:
    """Return how many games to play at once, at most `most`: one if each is a separate program."""
    return 1 if find_env(name)[0].a_program_each else most


def env_info(name: str | Any, n_agents: int | Any, **options: Any) -> EnvInfo:
    """Return the sizes of an environment, by arithmetic only. (To read a PettingZoo game's sizes, it creates the game.)

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
    """Create `batch` copies of an environment that step together; `reset()` starts the first episodes (0, 1, ...).

    `options` go to the environment. ConfigError for a name, a size or an option that is not allowed, and for a
    missing package.
    """
    check_torch()
    env, implied = find_env(name)
    return env(n_agents, batch=batch, seed=seed, device=device, **implied, **options)
