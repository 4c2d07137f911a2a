"""Two clocks for the runner: seconds per lockstep, which advances R episodes together, and per step of one episode."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from omg_lib.config import OMGConfig
from omg_lib.envs import make_env
from omg_lib.runner import Runner
from omg_lib.training import Training


@dataclass(frozen=True)
class Tick:
    """The cost of playing with R = `width` on a device, in seconds."""

    device: str
    width: int
    lockstep: float
    step: float


def acting_clock(config: OMGConfig, widths: Sequence[int] = (1, 8, 32), seconds: float = 0.5) -> list[Tick]:
    """Play with runners of several widths, each for at least `seconds`; on the CPU, and on a GPU if there is one.

    The policy explores as little as at the end of training, so the networks choose nearly all actions. The first run
    of each width does not count. Any width works: seats rotate by the number of the episode.
    """
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    ticks = []
    for device in devices:
        with Training(replace(config, device=device, epsilon_start=config.epsilon_finish)) as training:
            ticks += [_tick(training, width, seconds) for width in widths]
    return ticks


def _tick(training: Training, width: int, seconds: float) -> Tick:
    config = training.config
    env = make_env(config.env, config.n_agents, batch=width, seed=config.seed)
    runner, locksteps = Runner(config, env, training.controller), 0
    runner.run()
    played, began = runner.t_env, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        locksteps += runner.run().max_t_filled() - 1
    env.close()
    return Tick(training.device.type, width, passed / locksteps, passed / (runner.t_env - played))
