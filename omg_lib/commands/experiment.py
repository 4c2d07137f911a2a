"""More commands: `teammates` trains a pool, `pretrain` a prior, `evaluate` meets the unseen, `sweep` tries sizes."""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tqdm import tqdm

from omg_lib.config import SPLITS, ConfigError, OMGConfig
from omg_lib.envs import env_info
from omg_lib.experiment.evaluate import check_company, check_rounds, evaluate, fine_tune, interval_of
from omg_lib.experiment.groups import distinct, told_apart
from omg_lib.experiment.pretrain import pretrain
from omg_lib.experiment.sweep import FINISHED, STOPPED, grid, sweep, trial_name
from omg_lib.experiment.train_pool import ALGORITHMS, POOL_SETTINGS, train_pool
from omg_lib.plots.results import bars_figure
from omg_lib.plots.sweeps import sweep_figure
from omg_lib.runs.folder import load, saved_config
from omg_lib.system import files
from omg_lib.system.files import reason, write_bytes
from omg_lib.system.places import check_target
from omg_lib.teammates.pool import SCRIPT, Pool, pool_of
from omg_lib.teammates.priors import save_prior

SWEPT = {"n_agents": "2,4,8", "batch_size": "8,32", "learner": "iql,omg"}
"""What a sweep goes through, and by default."""
PICTURES = (".svg", ".png")


def add_teammates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--algorithms", nargs="+", default=list(ALGORITHMS), help=f"default {' '.join(ALGORITHMS)}")
    parser.add_argument("--seeds", default="4", help="policies of each algorithm; default 4")
    parser.add_argument("--out", metavar="POOL", required=True, help="the pool's folder; called again, it goes on")


def teammates(args: argparse.Namespace, settings: dict[str, object]) -> int:
    config = OMGConfig.from_dict(POOL_SETTINGS | settings)
    with progress_bar() as bar:
        pool = train_pool(config, args.algorithms, _count("seeds", args.seeds), args.out, teller(bar))
    for member in pool.members:
        policy = "a policy" if member.win_rate is None else f"win rate {member.win_rate:.2f}"
        rate = "a script" if member.algorithm == SCRIPT else policy
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
    check_writable("out", args.out)
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
    tuning = "first learn on for so many episodes with each set, a multiple of n_agents; default 0"
    parser.add_argument("--fine-tune", default="0", help=tuning)
    parser.add_argument("--out", metavar="FILE", help="write every score to this CSV file")
    parser.add_argument("--figure", metavar="FILE", help="draw the summary as an SVG or PNG file")


def run_evaluate(args: argparse.Namespace) -> int:
    splits = args.splits.split("+")
    if not set(splits) <= set(SPLITS):
        raise ConfigError("splits", args.splits, f"allowed are {', '.join(SPLITS)}, joined by +")
    episodes, tuning = _count("episodes", args.episodes), _count("fine_tune", args.fine_tune, least=0)
    if tuning and args.teammates:
        raise ConfigError("fine_tune", tuning, "goes without --teammates: runs learn on with their own pool's sets")
    configs = {folder: saved_config(folder) for folder in distinct(args.runs)}
    check_runs(configs, args.teammates, splits, tuning)
    check_writable("out", args.out)
    won = check_winners(configs, args.figure)
    apart, rows = told_apart(configs), []
    with progress_bar() as bar:
        for done, (folder, settings) in enumerate(apart.items()):
            teller(bar)("evaluate", done, len(apart))
            rows += scores_of(folder, settings, args.teammates, splits, episodes, tuning)
    if args.out:
        write_rows(args.out, rows)
    lines = means_of_each(rows)
    if args.figure:
        draw(args.figure, lines)
    measure, width = "win rate" if won else "return", max(map(len, apart.values()))
    head = (
        f"{'learner':<12} {'mode':<13} {'split':<11} {'kind':<14} {'settings' if width else '':<{width}} {measure:>9}"
    )
    print(f"{head}  95 % interval   runs x sets")
    for line in lines:
        names = f"{line['method']:<12} {line['mode']:<13} {line['split']:<11} {line['kind']:<14}"
        spread = f"{line['low']:.3f} to {line['high']:.3f}"
        own = " of its own" if line["own"] else ""
        print(
            f"{names} {line['settings']:<{width}} {line['mean']:>9.3f}  {spread:<15} "
            f"{line['seeds']} x {line['sets']}{own}"
        )
    return 0


def check_runs(configs: Mapping[str, OMGConfig], pool_path: str | None, splits: Sequence[str], tuning: int) -> None:
    """Refuse, before any battle, runs that cannot meet these sets."""
    for config in configs.values():
        check_company(config)
        info = env_info(config.env, config.n_agents)
        (Pool.load(pool_path, config.env, info) if pool_path else pool_of(config, info)).ids(*splits)
        if tuning:
            check_rounds(config, tuning)


def check_winners(configs: Mapping[str, OMGConfig], figure: str | None) -> bool:
    """Whether somebody can win the games of these runs: else returns are compared, which no figure shows."""
    won = {env_info(config.env, config.n_agents).has_winner for config in configs.values()}
    if len(won) > 1:
        raise ConfigError("runs", len(configs), "some games have a winner, others none: allowed are runs of one kind")
    if figure and not all(won):
        raise ConfigError("figure", figure, "it draws win rates, and this game has no winner; allowed is --out")
    check_writable("figure", figure, PICTURES)
    return all(won)


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
    write_bytes(Path(args.out) / "results.svg", picture(sweep_figure(rows), "svg"))
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
    folder: str, settings: str, pool_path: str | None, splits: Sequence[str], episodes: int, tuning: int
) -> list[dict[str, object]]:
    """The scores of one saved run as rows; with `tuning`, after so many episodes of learning with each set."""
    with load(folder) as run:
        config = run.config
        if not run.finished:
            print(f"{folder}: its training stands at update {run.update} and has not ended", file=sys.stderr)
        if tuning:
            numbers = run.controller.coplayers.pool.ids(*splits)
            scores = [fine_tune(run, number, tuning, episodes)[1] for number in numbers]
        else:
            pool = Pool.load(pool_path, config.env, run.env.info) if pool_path else None
            scores = evaluate(run, splits, episodes, pool)
        about = {"run": folder, "env": config.env, "n_agents": config.n_agents, "learner": config.learner}
        mode = config.subgoal_mode if config.learner == "omg" else ""
        about |= {"subgoal_mode": mode, "settings": settings, "seed": config.seed}
        return [about | asdict(score) for score in scores]


def means_of_each(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Mean and 95 % interval of each learner and settings for each split and kind of teammates."""
    keys = ("learner", "subgoal_mode", "settings", "split", "kind")
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    lines = []
    for group, mine in groups.items():
        mean, low, high, seeds, sets = interval_of(mine)
        line = dict(zip(("method", "mode", *keys[2:]), group, strict=True)) | {"mean": mean, "low": low, "high": high}
        own = len({row["teammates"] for row in mine}) > sets
        lines.append(line | {"seeds": seeds, "sets": sets, "own": own})
    return lines


def draw(path: str, lines: Sequence[dict[str, object]]) -> None:
    """The summary as a picture: bars of win rates. ConfigError if it cannot be written."""
    kinds = [" ".join(filter(None, (line["split"], line["kind"], line["settings"]))) for line in lines]
    drawn = [line | {"kind": kind} for line, kind in zip(lines, kinds, strict=True)]
    try:
        write_bytes(path, picture(bars_figure(drawn), Path(path).suffix[1:]))
    except OSError as error:
        raise ConfigError("figure", path, f"cannot be written ({reason(error)}); allowed is a file that can") from None


def picture(figure: Figure, kind: str) -> bytes:
    """A figure as the bytes of a file of this kind, such as svg. ValueError for one that is not known."""
    out = io.BytesIO()
    figure.savefig(out, format=kind, transparent=True)
    return out.getvalue()


def check_writable(name: str, path: str | None, endings: Sequence[str] = ()) -> None:
    """Refuse a file before the work that would fill it. None, which means that no file is wanted, is fine."""
    if path is None:
        return
    if endings and Path(path).suffix.lower() not in endings:
        raise ConfigError(name, path, f"allowed is a file that ends in {' or '.join(endings)}")
    try:
        check_target(path)
    except (OSError, ValueError) as error:  # ValueError: a name that no system takes
        allowed = f"cannot be written ({reason(error)}); allowed is a file in a folder that exists"
        raise ConfigError(name, path, allowed) from None


def write_rows(path: str | Path, rows: Sequence[dict[str, object]]) -> None:
    """Write rows as a CSV file. ConfigError if it cannot be written."""
    try:
        files.write_rows(path, rows, list(rows[0]))
    except OSError as error:
        allowed = f"cannot be written ({reason(error)}); allowed is a file that can"
        raise ConfigError("out", str(path), allowed) from None


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
