"""Find which saved runs are seeds of one configuration, and how the others differ."""

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
from omg_lib.words import _

ANYWHERE = ("device", "buffer_device", "runner", "actors", "deterministic")
"""Settings for where and how a run is computed, which do not affect what it learns."""
NAMED = ("learner", "subgoal_mode")
"""Settings that have their own columns in score tables."""


def distinct(folders: Iterable[str]) -> list[str]:
    """Return each folder once: `runs/a`, `./runs/a` and a link to it are the same. Keeps missing folders."""
    found: dict[object, str] = {}
    for folder in folders:
        try:
            place = os.stat(folder)
        except (OSError, ValueError):  # opening it reports the error
            found.setdefault(folder, folder)
        else:
            found.setdefault((place.st_dev, place.st_ino), folder)
    return list(found.values())


def told_apart(configs: Mapping[str, OMGConfig]) -> dict[str, str]:
    """Return the settings in which each run differs from others, such as "n_agents=3 td_steps=5". Runs of one learner
    with the same settings are seeds of one configuration.

    Pools and priors are compared by their contents, not by their paths; a learner's own settings among the runs that
    have them. ConfigError for two runs of one configuration and seed: one result would count twice.
    """
    settings = {folder: _settings(config) for folder, config in configs.items()}
    first: dict[tuple[object, ...], str] = {}
    for folder, mine in settings.items():
        twin = first.setdefault((configs[folder].seed, *mine.values()), folder)
        if twin != folder:
            raise ConfigError(
                "runs",
                folder,
                _("it has the same seed and settings as {twin}: allowed is one of the two").format(twin=twin),
            )
    known = dict.fromkeys(key for mine in settings.values() for key in mine if key not in NAMED)
    words = [key for key in known if len({mine[key] for mine in settings.values() if key in mine}) > 1]
    return {folder: " ".join(f"{key}={mine[key]}" for key in words if key in mine) for folder, mine in settings.items()}


def _settings(config: OMGConfig) -> dict[str, Any]:
    """Return all fields but the seed and ANYWHERE."""
    kept = [field.name for field in fields(config) if field.name not in ("seed", *ANYWHERE)]
    found = {name: getattr(config, name) for name in kept if name != "extra"} | config.extra
    if config.has_teammates:
        digest = pool_of(config, env_info(config.env, config.n_agents)).digest
        if digest is not None:
            found["teammates"] = f"{Path(config.teammates).name}:{digest[:8]}"
    if config.prior is not None:
        found["prior"] = f"{Path(config.prior).name}:{sha256(Path(config.prior))[:8]}"
    return found
