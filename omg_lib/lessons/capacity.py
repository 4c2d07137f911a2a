"""Plan for a number of environment steps a day: games, cores, runs and GPUs, from the cost of a step and an update.

The loop alternates: it plays the games of one update, then the learner trains. So the seconds of one update are

    collect + carry + learn,    collect = S * max((step + wait) / games, step / cores),    carry = S * copy

with S environment steps per update. A game that waits (for an external program) needs no core meanwhile, so there can
be more games than cores. With any number of games, no run is faster than S / (carry + learn): then the learner is the
limit, and only another run, with its own learner, adds steps.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from dataclasses import dataclass, replace

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.memory.need import row_bytes
from omg_lib.training import Training
from omg_lib.words import N_, _

Number = int | float
DAY = 86_400
LEARNING = ("buffer.sample", "truncate", "to_device", "learner.", "controller.init_hidden")
"""Prefixes of the stages of a trace during which no game is played."""
FULL = 0.7
"""Share of a link or a store above which it counts as the limit, because its use is uneven."""


@dataclass(frozen=True)
class Costs:
    """Measured or assumed costs of one configuration. Times are wall-clock seconds.

    | field | meaning |
    |---|---|
    | step | an environment step on a core: the game, the acting networks, storing it |
    | wait | extra per environment step while the game's external program works and the core is free |
    | copy | moving an environment step from an actor into the batch; 0 if one process does everything |
    | learn | an update: sample, regrouping, losses, gradients |
    | steps | environment steps played per update (S) |
    | step_bytes | bytes of an environment step, as stored and sent |
    | weight_bytes | bytes of the networks that each node receives before each round |
    """

    step: Number
    learn: Number
    steps: Number
    step_bytes: int
    weight_bytes: int
    wait: Number = 0.0
    copy: Number = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least_is_open = name in ("step", "learn", "steps")
            if not (value > 0 or (value == 0 and not least_is_open)) or not math.isfinite(value):
                raise ConfigError(
                    name,
                    value,
                    _("allowed is a number above 0") if least_is_open else _("allowed is a number of 0 or more"),
                )


@dataclass(frozen=True)
class Cluster:
    """The machines: cores per node, capacity of its link (bytes per second) and of its object store (bytes)."""

    cores: int = 16
    link: Number = 1.25e9
    store: Number = 20e9


@dataclass(frozen=True)
class ClusterPlan:
    """What a number of steps a day requires. `games`, `cores` and the shares are for one of the `runs`."""

    runs: int
    games: int
    cores: int
    nodes: int
    gpus: float
    steps_a_day: float
    learner: float
    network: float
    store: float
    limit: str


def cycle(costs: Costs, games: int, cores: int) -> tuple[float, float, float]:
    """Return the seconds of one update: collect, carry, learn."""
    collect = costs.steps * max((costs.step + costs.wait) / games, costs.step / min(cores, games))
    return collect, costs.steps * costs.copy, costs.learn


def speed(costs: Costs, games: int, cores: int) -> float:
    """Return the environment steps per second of one run."""
    return costs.steps / sum(cycle(costs, games, cores))


def plan(costs: Costs, steps_a_day: Number, cluster: Cluster | None = None) -> ClusterPlan:
    """Return the smallest setup that plays `steps_a_day`.

    A run gets more games until it is fast enough, or until learning and carrying take as long as playing; from then on
    another run adds more than another game. ConfigError unless `steps_a_day` is positive and finite.
    """
    if not steps_a_day > 0 or not math.isfinite(steps_a_day):
        raise ConfigError("steps_a_day", steps_a_day, _("allowed is a number above 0"))
    cluster, wanted = cluster or Cluster(), steps_a_day / DAY
    most = max(1, math.ceil(costs.steps * (costs.step + costs.wait) / (costs.learn + costs.steps * costs.copy)))

    def cores_of(games: int) -> int:
        return math.ceil(games * costs.step / (costs.step + costs.wait) - 1e-9)

    fastest = speed(costs, most, cores_of(most))
    runs = max(1, math.ceil(wanted / fastest - 1e-9))
    games = 1 + bisect_left(range(1, most), wanted / runs, key=lambda k: speed(costs, k, cores_of(k)))
    cores, rate = cores_of(games), speed(costs, games, cores_of(games))
    collect, carry, learn = cycle(costs, games, cores)
    nodes = math.ceil(runs * cores / cluster.cores)
    updates = rate / costs.steps
    network = runs * (rate * costs.step_bytes + nodes * updates * costs.weight_bytes) / cluster.link
    store = runs * costs.steps * costs.step_bytes / cluster.store
    busy = learn / (collect + carry + learn)
    limits = {N_("the network"): network, N_("the object store"): store}
    limit = max(limits, key=limits.get)
    if limits[limit] < FULL:
        shares = {N_("the learner"): learn, N_("carrying episodes"): carry, N_("the games"): collect}
        limit = max(shares, key=shares.get)
    return ClusterPlan(runs, games, cores, nodes, runs * busy, runs * rate * DAY, busy, network, store, limit)


def measure(config: OMGConfig, updates: int = 10) -> Costs:
    """Measure the costs of a configuration from the traces of `updates` updates.

    This process plays the games, without waiting. On a CPU, only the time that it actually ran counts: on an idle
    machine that is all of it.
    """
    with Training(replace(config, updates=updates + 1)) as run:
        play = learn = 0.0
        for report in run:
            if report.update == 1:  # warm-up
                began, clock, worked = report.t_env, time.perf_counter(), time.process_time()
            else:
                seconds = {stage.name: stage.seconds for stage in run.trace.stages}
                play += seconds["runner.run"] + seconds["buffer.insert_episode_batch"]
                learn += sum(value for name, value in seconds.items() if name.startswith(LEARNING))
        modules = (run.controller.agent, run.controller.model)
        weights = sum(x.nbytes for module in modules if module is not None for x in module.state_dict().values())
        steps, share = report.t_env - began, 1.0
        if run.device.type == "cpu":
            share = min(1.0, (time.process_time() - worked) / (time.perf_counter() - clock))
    step_bytes = sum(row_bytes(config).values())
    return Costs(share * play / steps, share * learn / updates, steps / updates, step_bytes, weights)
