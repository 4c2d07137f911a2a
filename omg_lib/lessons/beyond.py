"""The experiments of the notebook on clusters: live where Ray is installed, otherwise from recorded tables."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from omg_lib.config import OMGConfig
from omg_lib.distributed.ray_runner import connect, extra, start_here
from omg_lib.experiment.sweep import grid, sweep
from omg_lib.lessons.capacity import Costs, plan, speed
from omg_lib.lessons.table import Table
from omg_lib.system.files import read_table
from omg_lib.system.limits import usable_cores
from omg_lib.training import Training
from omg_lib.words import _, plural

ROUNDS = 3
SWEPT = dict(env="skirmish:partners", updates=20, test_nepisode=16, device="cpu")


def ray_state(cpus: int = 4) -> tuple[bool, str]:
    """Return whether the experiments run live, and a sentence that says why, or how to get there.

    Start Ray with at least this many CPUs, even if the machine has fewer, unless RAY_ADDRESS names a cluster. If the
    start takes longer than Ray allows, nothing runs live.
    """
    if importlib.util.find_spec("ray") is None:
        return False, _('Ray is not installed, so you see recorded results. To install it: pip install -e ".[ray]"')
    if os.environ.get("OMG_FAST"):
        return False, _("Ray is installed, but takes too long to start for OMG_FAST, so you see recorded results.")
    try:
        if "RAY_ADDRESS" in os.environ or extra("ray").is_initialized():
            connect()
        else:
            start_here(num_cpus=max(usable_cores(), cpus))
    except Exception as error:  # Ray raises nothing more specific when a start takes too long
        why = " ".join(str(error).split())[:90]
        return False, _("Ray is installed, but it did not start ({why}), so you see recorded results.").format(why=why)
    return True, _("Ray is installed and has started.")


@dataclass(frozen=True)
class Played:
    """The same rounds, played by `actors` actors (0: this process): how many episodes, and whether all are equal."""

    actors: int
    episodes: int
    same: bool


def shares(episodes: int, actors: int) -> dict[str, int]:
    """Return how many episodes of a round each actor plays.

    >>> shares(5, 2)
    {'actor 0': 3, 'actor 1': 2}
    """
    return {_("actor {k}").format(k=k): len(part) for k, part in enumerate(np.array_split(np.arange(episodes), actors))}


def play_with(config: OMGConfig, actors: Sequence[int]) -> list[Played]:
    """Play the first rounds of a run in this process, and then with each number of actors."""
    found, expected = [], None
    for count in (0, *actors):
        with Training(replace(config, runner="ray", actors=count) if count else config) as run:
            episodes = [run.runner.run() for _ in range(ROUNDS)]
        expected = expected or episodes
        pairs = zip(expected, episodes, strict=True)
        same = all(torch.equal(one[key], other[key]) for one, other in pairs for key in one.keys())
        found.append(Played(count, ROUNDS * config.batch_size_run, same))
    return found


def played_table(played: Sequence[Played]) -> Table:
    """Return the results of `play_with` as a table."""
    who = {0: _("this process")}
    lines = [
        (
            who.get(p.actors, plural("{n} actor", "{n} actors", p.actors).format(n=p.actors)),
            str(p.episodes),
            "yes" if p.same else "NO",
        )
        for p in played
    ]
    return Table((_("played by"), _("episodes"), _("the same episodes, bit for bit")), tuple(lines))


def small_sweep() -> list[dict[str, Any]]:
    """Run two tiny trials in a temporary folder; return the rows of its results.csv."""
    with tempfile.TemporaryDirectory() as folder:
        return sweep(grid(SWEPT, [2], [4], ["iql", "omg"], 1), folder, table=False)


def best_speeds(path: str | Path, game: str) -> dict[str, float]:
    """Return runner -> the most steps per second recorded for this game at the largest R."""
    rows = [row for row in read_table(path) if row["game"] == game]
    widest = max(int(row["width"]) for row in rows)
    best: dict[str, float] = {}
    for row in rows:
        if int(row["width"]) == widest:
            best[row["runner"]] = max(best.get(row["runner"], 0.0), float(row["steps_per_second"]))
    return best


def ways_to_more(costs: Costs) -> dict[str, float]:
    """Return by what factor each change multiplies the steps a day of a run that has all the games worth having."""
    one = plan(costs, 1e9)
    now = speed(costs, one.games, one.cores)
    return {
        "game": speed(costs, one.games + 1, one.cores) / now,
        "core": speed(costs, one.games, one.cores + 1) / now,
        "learner": speed(replace(costs, learn=costs.learn / 2), one.games, one.cores) / now,
        "run": 2.0,  # it has its own games and learner, and shares nothing
    }


def sweep_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the columns of a sweep that do not depend on how busy the machine is: counts and memory."""

    def shown(row: dict[str, Any]) -> tuple[str, ...]:
        updates, memory = int(row["update"] or 0), float(row["peak_bytes"]) / 1e6
        steps = f"{int(row['t_env']) / updates:.0f}" if updates else ""  # a trial that failed before its first update
        return row["trial"], row["state"], str(updates), steps, f"{memory:,.0f} MB"

    return Table(
        (_("trial"), _("state"), _("updates"), _("steps per update"), _("peak of the process")), tuple(map(shown, rows))
    )
