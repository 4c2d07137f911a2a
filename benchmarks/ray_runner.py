"""Environment steps a second of local runners and Ray actors, for a cheap game and a slow one.

    python -m benchmarks.ray_runner --out data/results/ray_runner.csv      some minutes

The cheap game is the embedded battle. The slow one is the same battle, but in each step of each game the process also
waits `--step` milliseconds, like a client of a game in another process. All arms play R = 8 episodes a round (one arm
R = 1), with the same episode numbers and network. Rounds alternate, so anything that slows the machine slows all arms.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from benchmarks.slow_game import Slow, SlowGame
from omg_lib import config, envs
from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.distributed.processes import Processes
from omg_lib.distributed.ray_runner import RayRunner, start_here
from omg_lib.runner import Runner
from omg_lib.system.files import write_rows

WIDTH, SLOW = 8, "slow game"
CPUS = 24
"""Passed to Ray: actors that wait need no core, and all arms exist at the same time."""
Arm = tuple[str, str, int, int]
"""Game, runner, width, actors."""
COLUMNS = ("game", "runner", "width", "actors", "steps_per_second", "low", "high", "rounds", "cores", "wait_ms")
SETTINGS = dict(env="skirmish:partners", n_agents=8, batch_size=1, learner="iql", teammates="scripted", device="cpu",
                epsilon_start=0.05)  # fmt: skip


def arms(cores: int) -> list[Arm]:
    """Return all arms, with actors from 1 up to the number of cores, or up to R for the game that waits."""
    found = []
    for game, most in (("battle", cores), ("slow game", WIDTH)):
        found += [(game, "local", 1, 0), (game, "local", WIDTH, 0), (game, "processes", WIDTH, 0)]
        found += [(game, "ray", WIDTH, actors) for actors in (1, 2, 4, 8) if actors <= most]
    return found


def runner_of(arm: Arm, wait: float) -> Runner:
    game, kind, width, actors = arm
    make = Slow(wait if game == "slow game" else 0.0)
    settings = OMGConfig(**SETTINGS, batch_size_run=width, runner=kind, actors=actors or None)
    if kind == "processes":
        env = Processes(settings.n_agents, batch=width, seed=settings.seed, name=SLOW, wait=make.wait)
    else:
        env = make(settings.env, settings.n_agents, batch=width, seed=settings.seed)
    controller = Controller(settings, env.info, torch.device("cpu"))
    return RayRunner(settings, env, controller, make) if kind == "ray" else Runner(settings, env, controller)


def measure(chosen: Sequence[Arm], wait: float, rounds: int, seconds: float) -> list[dict[str, object]]:
    """Return a row for each arm; a round plays for at least `seconds`. Idle arms wait and use no core."""
    runners = {arm: runner_of(arm, wait) for arm in chosen}
    speeds: dict[Arm, list[float]] = {arm: [] for arm in chosen}
    for runner in runners.values():
        runner.run()  # starts processes, loads libraries
    for turn in range(rounds):
        for arm in [*chosen[turn % len(chosen) :], *chosen[: turn % len(chosen)]]:
            runner, began, before = runners[arm], time.perf_counter(), runners[arm].t_env
            while time.perf_counter() - began < seconds:
                runner.run()
            speeds[arm].append((runner.t_env - before) / (time.perf_counter() - began))
            print(*arm, f"{speeds[arm][-1]:.0f} steps/s", flush=True)
    for runner in runners.values():
        runner.close()
    end = (rounds, os.cpu_count(), 1000 * wait)
    return [dict(zip(COLUMNS, (*arm, *rounded(found), *end), strict=True)) for arm, found in speeds.items()]


def rounded(found: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 1) for value in (median(found), min(found), max(found)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the table here")
    parser.add_argument("--step", type=float, default=10.0, metavar="MS", help="wait per step of the slow game")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="per round and arm")
    args = parser.parse_args()
    torch.set_num_threads(1)
    envs.ENVIRONMENTS[SLOW], config.ENVIRONMENTS[SLOW] = SlowGame, range(2, 17)
    start_here(num_cpus=CPUS)
    rows = measure(arms(os.cpu_count() or 1), args.step / 1000, args.rounds, args.seconds)
    if args.out:
        write_rows(args.out, rows, COLUMNS)


if __name__ == "__main__":
    main()
