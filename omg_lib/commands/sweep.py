"""`sweep`: train at many sizes, on a Ray cluster or this machine."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from omg_lib.commands.options import (
    add_config,
    add_settings,
    count,
    given_settings,
    picture,
    read_settings,
    with_options,
)
from omg_lib.config import ConfigError
from omg_lib.experiment.sweep import FINISHED, STOPPED, grid, sweep, trial_name
from omg_lib.plots.sweeps import sweep_figure
from omg_lib.system.files import write_bytes

OPTIONS = ("env", "batch_size_run", "td_steps", "teammates", "updates", "t_max", "device")
SWEPT = {"n_agents": "2,4,8", "batch_size": "8,32", "learner": "iql,omg"}
"""What a sweep goes through, and by default."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, OPTIONS)
    add_config(parser)
    for name, default in SWEPT.items():
        parser.add_argument("--" + name.replace("_", "-"), default=default, help=f"joined by commas; default {default}")
    parser.add_argument("--seeds", default="1", help="trials of each size and learner; default 1")
    parser.add_argument("--asha", action="store_true", help="stop trials early that are worse than others (ASHA)")
    parser.add_argument("--gpus", default="0", help="share of a GPU for each trial, such as 0.25; default 0")
    parser.add_argument("--out", metavar="DIR", required=True, help="called again, only what is missing is run")


def run(args: argparse.Namespace) -> int:
    given = {key: value for key, value in given_settings(args).items() if key in OPTIONS}
    settings = with_options(read_settings(args.config), given)
    axes = {name: _listed(name, getattr(args, name)) for name in SWEPT}
    trials = grid(settings, **axes, seeds=count("seeds", args.seeds))
    rows = sweep(trials, args.out, args.asha, _share("gpus", args.gpus))
    write_bytes(Path(args.out) / "results.svg", picture(sweep_figure(rows), "svg"))
    names = {trial_name(config) for config in trials}
    states = Counter(row["state"] for row in rows if row["trial"] in names)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    print(f"{len(trials)} trials: {told}; {Path(args.out) / 'results.csv'}")
    return 0 if states[FINISHED] + states[STOPPED] == len(trials) else 1


def _listed(name: str, text: str) -> list[Any]:
    """The values of an option that are joined by commas: whole numbers, but for the learners."""
    values = [value.strip() for value in text.split(",")]
    return values if name == "learner" else [count(name, value) for value in values]


def _share(name: str, text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise ConfigError(name, text, "allowed is a number, 0 or more")
