"""More commands: `teammates` trains a pool, `pretrain` a prior, `evaluate` meets the unseen, `sweep` tries sizes."""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from omg_lib.checkpoint import load
from omg_lib.config import SPLITS, ConfigError, OMGConfig
from omg_lib.envs import env_info
from omg_lib.evaluate import Score, evaluate, fine_tune, interval_of
from omg_lib.plots.results import bars_figure
from omg_lib.plots.sweeps import sweep_figure
from omg_lib.pools import Pool
from omg_lib.priors import pretrain, save_prior
from omg_lib.sweep import FINISHED, STOPPED, grid, sweep, trial_name
from omg_lib.teammates import ALGORITHMS, POOL_SETTINGS, train_pool

SWEPT = {"n_agents": "2,4,8", "batch_size": "8,32", "learner": "iql,omg"}
"""What a sweep goes through, and by default."""
COLUMNS = ("run", "env", "n_agents", "learner", "subgoal_mode", "seed", *Score.__dataclass_fields__)


def add_teammates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--algorithms", nargs="+", default=list(ALGORITHMS), help=f"default {' '.join(ALGORITHMS)}")
    parser.add_argument("--seeds", default="4", help="policies of each algorithm; default 4")
    parser.add_argument("--out", metavar="POOL", required=True, help="the pool's folder; called again, it goes on")


def teammates(args: argparse.Namespace, settings: dict[str, object]) -> int:
    config = OMGConfig.from_dict(POOL_SETTINGS | settings)
    with progress_bar() as bar:
        pool = train_pool(config, args.algorithms, _count("seeds", args.seeds), args.out, teller(bar))
    for member in pool.members:
        rate = "a script" if member.win_rate is None else f"win rate {member.win_rate:.2f}"
        sets = ", ".join(f"{s.split} ({s.kind})" for s in pool.sets if member.name in s.members)
        print(f"{member.name:<14} {rate:<14} {sets}")
    return 0


def add_pretrain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--episodes", default="640", help="episodes whose states are collected; default 640")
    parser.add_argument("--steps", default="3000", help="Adam steps of 256 states; default 3000")
    parser.add_argument("--subgoal-dim", default=argparse.SUPPRESS, help="default 64")
    parser.add_argument("--out", metavar="FILE", required=True, help="the prior's file, FILE.safetensors")


def run_pretrain(args: argparse.Namespace, settings: dict[str, object]) -> int:
    config = OMGConfig.from_dict(settings | {"learner": "omg"})
    episodes, steps = _count("episodes", args.episodes), _count("steps", args.steps)
    with progress_bar() as bar:
        prior, report = pretrain(config, episodes, steps, lambda done, total: teller(bar)("prior", done, total))
    made = {"env": config.env, "n_agents": config.n_agents, "teammates": config.teammates, "seed": config.seed}
    save_prior(prior, args.out, made | {"episodes": episodes, "steps": steps} | asdict(report))
    print(report)
    return 0


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", nargs="+", metavar="DIR", required=True, help="folders written by train --out")
    parser.add_argument("--teammates", metavar="POOL", help="other teammates than the runs' own pools")
    parser.add_argument("--splits", default="train+test", help="sets to play with, joined by +; default train+test")
    parser.add_argument("--episodes", default="128", help="battles with each set; default 128")
    parser.add_argument("--fine-tune", default="0", help="first learn on for so many episodes with each set; default 0")
    parser.add_argument("--out", metavar="FILE", help="write every score to this CSV file")
    parser.add_argument("--figure", metavar="FILE", help="draw the summary as an SVG or PNG file")


def run_evaluate(args: argparse.Namespace) -> int:
    splits = args.splits.split("+")
    if not set(splits) <= set(SPLITS):
        raise ConfigError("splits", args.splits, f"allowed are {', '.join(SPLITS)}, joined by +")
    episodes, tuning = _count("episodes", args.episodes), _count("fine_tune", args.fine_tune, least=0)
    if tuning and args.teammates:
        raise ConfigError("fine_tune", tuning, "goes without --teammates: runs learn on with their own pool's sets")
    rows = []
    with progress_bar() as bar:
        for done, folder in enumerate(args.runs):
            teller(bar)("evaluate", done, len(args.runs))
            rows += scores_of(folder, args.teammates, splits, episodes, tuning)
    if args.out:
        write_rows(args.out, rows)
    lines = summary(rows)
    won = all(row["win_rate"] is not None for row in rows)
    if args.figure:
        draw(args.figure, lines, won)
    measure = "win rate" if won else "return"
    print(f"{'learner':<12} {'mode':<13} {'split':<11} {'kind':<14} {measure:>9}  95 % interval   runs x sets")
    for line in lines:
        spread = f"{line['low']:.3f} to {line['high']:.3f}"
        print(
            f"{line['method']:<12} {line['mode']:<13} {line['split']:<11} {line['kind']:<14} {line['mean']:>9.3f}  "
            f"{spread:<15} {line['seeds']} x {line['sets']}"
        )
    return 0


def add_sweep(parser: argparse.ArgumentParser) -> None:
    for name, default in SWEPT.items():
        parser.add_argument("--" + name.replace("_", "-"), default=default, help=f"joined by commas; default {default}")
    parser.add_argument("--seeds", default="1", help="trials of each size and learner; default 1")
    parser.add_argument("--asha", action="store_true", help="stop trials early that are worse than others (ASHA)")
    parser.add_argument("--gpus", default="0", help="share of a GPU for each trial, such as 0.25; default 0")
    parser.add_argument("--out", metavar="DIR", required=True, help="called again, only what is missing is run")


def run_sweep(args: argparse.Namespace, settings: dict[str, object]) -> int:
    axes = {name: _listed(name, getattr(args, name)) for name in SWEPT}
    trials = grid(settings, **axes, seeds=_count("seeds", args.seeds))
    rows = sweep(trials, args.out, args.asha, _share("gpus", args.gpus))
    sweep_figure(rows).savefig(Path(args.out) / "results.svg", transparent=True)
    names = {trial_name(config) for config in trials}
    states = Counter(row["state"] for row in rows if row["trial"] in names)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    print(f"{len(trials)} trials: {told}; {Path(args.out) / 'results.csv'}")
    return 0 if states[FINISHED] + states[STOPPED] == len(trials) else 1


def _listed(name: str, text: str) -> list[Any]:
    """The values of an option that are joined by commas: whole numbers, but for the learners."""
    values = [value.strip() for value in text.split(",")]
    return values if name == "learner" else [_count(name, value) for value in values]


def _share(name: str, text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise ConfigError(name, text, "allowed is a number, 0 or more")


def scores_of(
    folder: str | Path, pool_path: str | None, splits: Sequence[str], episodes: int, tuning: int
) -> list[dict[str, object]]:
    """The scores of one saved run as rows; with `tuning`, after so many episodes of learning with each set."""
    with load(folder) as run:
        config = run.config
        pool = Pool.load(pool_path, config.env, env_info(config.env, config.n_agents)) if pool_path else None
        if tuning:
            numbers = run.controller.coplayers.pool.ids(*splits)
            scores = [fine_tune(run, number, tuning)[1] for number in numbers]
        else:
            scores = evaluate(run, splits, episodes, pool)
        about = {"run": str(folder), "env": config.env, "n_agents": config.n_agents, "learner": config.learner}
        mode = config.subgoal_mode if config.learner == "omg" else ""
        return [about | {"subgoal_mode": mode, "seed": config.seed} | asdict(score) for score in scores]


def summary(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Mean and 95 % interval of each learner for each split and kind of teammates."""
    keys = ("learner", "subgoal_mode", "split", "kind")
    groups = dict.fromkeys(tuple(row[key] for key in keys) for row in rows)
    lines = []
    for group in groups:
        mine = [row for row in rows if tuple(row[key] for key in keys) == group]
        mean, low, high, seeds, sets = interval_of(mine)
        learner, mode, split, kind = group
        line = {"method": learner, "mode": mode, "split": split, "kind": kind, "mean": mean, "low": low, "high": high}
        lines.append(line | {"seeds": seeds, "sets": sets})
    return lines


def draw(path: str, lines: Sequence[dict[str, object]], won: bool) -> None:
    """The summary as a picture: bars of win rates. ConfigError where a game has no winner, and for a bad file name."""
    if not won:
        raise ConfigError("figure", path, "it draws win rates, and this game has no winner; allowed is --out")
    drawn = [line | {"kind": f"{line['split']} {line['kind']}"} for line in lines]
    try:
        bars_figure(drawn).savefig(path, transparent=True)
    except (OSError, ValueError) as error:
        reason = f"cannot be written ({str(error)[:80]}); allowed is FILE.svg or FILE.png"
        raise ConfigError("figure", path, reason) from None


def write_rows(path: str | Path, rows: Sequence[dict[str, object]]) -> None:
    """Write rows as a CSV file. ConfigError if it cannot be written."""
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        reason = f"cannot be written ({error.strerror}); allowed is a file that can"
        raise ConfigError("out", str(path), reason) from None


def _count(name: str, text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(name, text, f"allowed is a whole number, {least} or more")
    return int(text)


def progress_bar() -> tqdm:
    return tqdm(file=sys.stderr, mininterval=0.5, disable=None if sys.stderr.isatty() else True)


def teller(bar: tqdm) -> Callable[[str, int, int], None]:
    """A progress callback that moves a bar."""

    def tell(name: str, done: int, total: int) -> None:
        bar.total, bar.n = total, min(done, total)
        bar.set_description(name, refresh=False)
        bar.update(0)

    return tell
