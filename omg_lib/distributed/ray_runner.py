"""A runner whose episodes Ray actors play, on this machine or on any node of a cluster.

Ray is the optional extra `ray`: it is imported only when you use it.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from omg_lib import registry
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.controller import Controller
from omg_lib.envs import BatchedEnv, make_env, register, registered
from omg_lib.runner import ATTEMPTS, Runner
from omg_lib.settings.modules import IMPORTED, import_modules
from omg_lib.words import _

OBJECT_STORE = 256 * 2**20
"""Bytes for Ray's object store if this process starts Ray: a few dozen rounds of episodes."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_enable_worker_prestart": "0", "RAY_prestart_worker_first_driver": "0"}
"""Send no usage reports over the network, and start no worker before it is needed."""
Weights = dict[str, np.ndarray]
Row = dict[str, np.ndarray]
"""One episode as an actor returns it: field -> [n+1, ...]; constant fields (seat, team) -> [L+1, 1]."""
ENTIRE = ("seat", "team")
OwnCode = tuple[list[str], dict[str, tuple[type[BatchedEnv], range]], dict[str, type]]
"""Modules to import, games and learners to register. Ray sends classes of a script or notebook by their value."""


def connect() -> ModuleType:
    """Return the module `ray`, connected to the cluster that RAY_ADDRESS names, or to one started here.

    ConfigError if Ray is not installed or the cluster does not answer.
    """
    ray = extra("ray")
    if ray.is_initialized():
        return ray
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        start_here()
        return ray
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            "RAY_ADDRESS", address, _("no cluster answers there ({reason})").format(reason=reason)
        ) from None
    return ray


def start_here(**settings: object) -> None:
    """Start Ray on this machine only, silently. Retries a start that exceeds Ray's limit of half a minute."""
    ray = extra("ray")
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
    mine = dict(object_store_memory=OBJECT_STORE, include_dashboard=False, log_to_driver=False) | settings
    for attempt in range(1, ATTEMPTS + 1):
        try:
            ray.init(address="local", logging_level=logging.ERROR, **mine)
            return
        except Exception as error:  # Ray raises a plain Exception for a timeout
            if attempt == ATTEMPTS or "timed out" not in str(error):
                raise
            ray.shutdown()


def extra(name: str) -> ModuleType:
    """Import a module of the extra `ray`. If it is missing, ConfigError gives the command to install it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError("package", name, _('it is not installed; run pip install -e ".[ray]"')) from None


class EpisodeActor:
    """Play some of a round's episodes in a separate process, with the networks it receives each round."""

    def __init__(
        self,
        config: OMGConfig,
        batch: int,
        make: Callable[..., BatchedEnv] = make_env,
        sets: Sequence[int] | None = None,
        code: OwnCode | None = None,
    ) -> None:
        torch.set_num_threads(1)
        adopt(code)
        env = make(config.env, config.n_agents, batch=batch, seed=config.seed)
        self.controller = Controller(config, env.info, torch.device("cpu"), sets)
        self.runner = Runner(config, env, self.controller)

    def play(
        self, weights: Weights, first: int, epsilon: float, test_mode: bool
    ) -> tuple[list[Row], np.ndarray, np.ndarray]:
        """Play episodes `first`, first + 1, ...; return them without padding, with their returns and wins."""
        for name, module in networks(self.controller).items():
            module.load_state_dict({key: torch.tensor(weights[f"{name}.{key}"]) for key in module.state_dict()})
        self.runner.epsilon = epsilon
        data, _ = self.runner._play_whole(first, test_mode)
        lengths = data["filled"].sum(dim=1).flatten().tolist()
        arrays = {key: x.numpy() for key, x in data.items()}
        rows = [
            {key: x[r] if key in ENTIRE else x[r, :length] for key, x in arrays.items()}
            for r, length in enumerate(lengths)
        ]
        return rows, self.runner.returns, self.runner.wins


class RayRunner(Runner):
    """R episodes, played by actors in parallel: the same episodes as a local runner of the same width plays.

    Before each round the networks go to Ray's object store once, and every node reads them there. Episodes return
    through shared memory and are copied once, into the batch. The batch owns its memory, because Ray's objects are
    read-only: writing to one would crash the process. An actor that is lost restarts, if there is room, and replays
    its episodes.
    """

    def __init__(
        self,
        config: OMGConfig,
        env: BatchedEnv,
        controller: Controller,
        make: Callable[..., BatchedEnv] = make_env,
    ) -> None:
        super().__init__(config, env, controller)
        self.ray = connect()
        cores = int(self.ray.cluster_resources().get("CPU", 0))
        count = config.actors or max(1, min(self.batch_size, cores))
        if count > cores:
            raise ConfigError(
                "actors", count, _("the cluster has {cores} CPUs and each actor needs one").format(cores=cores)
            )
        kind = self.ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=ATTEMPTS - 1)(EpisodeActor)
        rows = [len(part) for part in np.array_split(np.arange(self.batch_size), count)]
        self.firsts = np.cumsum([0, *rows[:-1]]).tolist()
        sets = controller.coplayers and controller.coplayers.sets
        self.actors = [kind.remote(elsewhere(config), batch, make, sets, own_code()) for batch in rows]

    def _play_whole(self, first: int, test_mode: bool) -> tuple[dict[str, Tensor], int]:
        weights = self.ray.put(
            {
                f"{name}.{key}": x.numpy(force=True)
                for name, module in networks(self.controller).items()
                for key, x in module.state_dict().items()
            }
        )
        played = [
            actor.play.remote(weights, first + start, self.epsilon, test_mode)
            for actor, start in zip(self.actors, self.firsts, strict=True)
        ]
        try:
            parts, returns, wins = zip(*self.ray.get(played), strict=True)
        except self.ray.exceptions.RayTaskError as error:  # say what the game said, not that an actor failed
            fault = error.cause
            fault.add_note(f"In a Ray actor:\n{error}")
            raise fault from None
        self.returns, self.wins = np.concatenate(returns), np.concatenate(wins)
        rows = [row for part in parts for row in part]
        length = self.env.info.episode_limit + 1
        data = {}
        for key, one in rows[0].items():
            whole = np.zeros((len(rows), length, *one.shape[1:]), one.dtype)
            for r, row in enumerate(rows):
                whole[r, : len(row[key])] = row[key]
            data[key] = torch.from_numpy(whole)
        return data, int(data["filled"].sum()) - len(rows)

    def close(self) -> None:
        for actor in self.actors:
            self.ray.kill(actor)
        self.actors = []
        super().close()


def own_code() -> OwnCode:
    """Return what a process on Ray needs before it can read a configuration."""
    return list(IMPORTED), registered(), dict(registry.OWN)


def adopt(code: OwnCode | None) -> None:
    """Import and register what `own_code` returned in the process that started this one."""
    modules, games, learners = code or ([], {}, {})
    import_modules(modules)
    for name, (env, sizes) in games.items():
        register(name, env, sizes)
    registry.OWN.update(learners)


def networks(controller: Controller) -> dict[str, torch.nn.Module]:
    """Return what an episode depends on: the agent, and the opponent model if there is one."""
    found = {"agent": controller.agent, "model": controller.model}
    return {name: module for name, module in found.items() if module is not None}


def elsewhere(config: OMGConfig, device: str = "cpu") -> OMGConfig:
    """Return the configuration for another process, with paths that do not depend on its current folder."""
    paths = {name: getattr(config, name) for name in ("teammates", "prior")}
    found = {name: str(Path(p).absolute()) for name, p in paths.items() if p not in (None, "none", "scripted")}
    return replace(config, device=device, runner="local", actors=None, **found)
