"""Which saved runs are seeds of one configuration, and what tells the other ones apart."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.envs import env_info
from omg_lib.system.files import sha256
from omg_lib.teammates.pool import pool_of

ANYWHERE = ("device", "runner", "actors", "deterministic")
"""Where and how a run was computed, which changes nothing that it learns."""
NAMED = ("learner", "subgoal_mode")
"""What tables of scores have columns for."""


def distinct(folders: Iterable[str]) -> list[str]:
    """Each folder once: `runs/a`, `./runs/a` and a link to it are one. What is not there stays."""
    found: dict[object, str] = {}
    for folder in folders:
        try:
            place = os.stat(folder)
        except (OSError, ValueError):  # opening it will say what is wrong
            found.setdefault(folder, folder)
        else:
            found.setdefault((place.st_dev, place.st_ino), folder)
    return list(found.values())


def told_apart(configs: Mapping[str, OMGConfig]) -> dict[str, str]:
    """The settings of each run that are not the same in all of them, such as "n_agents=3 td_steps=5": runs of one
    learner and of the same words are seeds of one configuration.

    Pools and priors are told apart by what they hold, not by their paths. ConfigError for two runs of one configuration
    and seed: they are one result, which would count twice.
    """
    settings = {folder: _settings(config) for folder, config in configs.items()}
    first: dict[tuple[object, ...], str] = {}
    for folder, mine in settings.items():
        twin = first.setdefault((configs[folder].seed, *mine.values()), folder)
        if twin != folder:
            raise ConfigError("runs", folder, f"it has the seed and all settings of {twin}: allowed is one of the two")
    names = [key for key in next(iter(settings.values())) if len({mine[key] for mine in settings.values()}) > 1]
    words = [key for key in names if key not in NAMED]
    return {folder: " ".join(f"{key}={mine[key]}" for key in words) for folder, mine in settings.items()}


def _settings(config: OMGConfig) -> dict[str, Any]:
    """All fields but the seed and ANYWHERE."""
    kept = [field.name for field in fields(config) if field.name not in ("seed", *ANYWHERE)]
    found = {name: getattr(config, name) for name in kept}
    if config.has_teammates:
        digest = pool_of(config, env_info(config.env, config.n_agents)).digest
        if digest is not None:
            found["teammates"] = f"{Path(config.teammates).name}:{digest[:8]}"
    if config.prior is not None:
        found["prior"] = f"{Path(config.prior).name}:{sha256(Path(config.prior))[:8]}"
    return found
