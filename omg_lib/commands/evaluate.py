"""`evaluate`: play saved runs with teammates, seen and unseen."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from omg_lib.commands.options import Output, add_import, count, picture, progress_bar, show_progress
from omg_lib.config import SPLITS, ConfigError, OMGConfig
from omg_lib.envs import env_info
from omg_lib.experiment.evaluate import check_company, check_rounds
from omg_lib.experiment.groups import distinct, told_apart
from omg_lib.experiment.scores import means_of_each, scores_of, write_rows
from omg_lib.plots.results import bars_figure
from omg_lib.runs.folder import saved_config
from omg_lib.settings.modules import import_modules
from omg_lib.system.files import write_bytes
from omg_lib.teammates.pool import Pool, pool_of
from omg_lib.words import _, listing, padded
from omg_lib.words import width as width_of

PICTURES = (".svg", ".png")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", nargs="+", metavar="DIR", required=True, help=_("folders written by train --out"))
    parser.add_argument("--teammates", metavar="POOL", help=_("other teammates than the runs' own pools"))
    parser.add_argument("--splits", default="train+test", help=_("sets to play with, joined by +; default train+test"))
    parser.add_argument("--episodes", default="128", help=_("battles with each set; default 128"))
    tuning = _("first learn on for so many episodes with each set, a multiple of n_agents; default 0")
    parser.add_argument("--fine-tune", default="0", help=tuning)
    parser.add_argument("--out", metavar="FILE", help=_("write every score to this CSV file"))
    parser.add_argument("--figure", metavar="FILE", help=_("draw the summary as an SVG or PNG file"))
    add_import(parser)


def run(args: argparse.Namespace) -> int:
    import_modules(args.modules)
    splits = args.splits.split("+")
    if not set(splits) <= set(SPLITS):
        raise ConfigError(
            "splits", args.splits, _("allowed are {splits}, joined by +").format(splits=listing(SPLITS))
        )
    episodes, tuning = count("episodes", args.episodes), count("fine_tune", args.fine_tune, least=0)
    if tuning and args.teammates:
        raise ConfigError("fine_tune", tuning, _("goes without --teammates: runs learn on with their own pool's sets"))
    configs = {folder: saved_config(folder) for folder in distinct(args.runs)}
    check_runs(configs, args.teammates, splits, tuning)
    out, figure = Output("out", args.out), Output("figure", args.figure, PICTURES)
    won = check_winners(configs, args.figure)
    apart, rows = told_apart(configs), []
    with progress_bar() as bar:
        for done, (folder, settings) in enumerate(apart.items()):
            show_progress(bar)("evaluate", done, len(apart))
            rows += scores_of(folder, settings, args.teammates, splits, episodes, tuning)
    lines = means_of_each(rows)
    width = max(map(len, apart.values()))
    widths = (12, 13, 11, 14, width, 9, 15, 0)
    head = (
        _("learner"), _("mode"), _("split"), _("kind"), _("settings") if width else "",
        _("win rate") if won else _("return"), _("95 % interval"), _("runs x sets"),
    )  # fmt: skip
    print(columns(head, widths))
    for line in lines:
        names = (line["method"], line["mode"], line["split"], line["kind"], line["settings"])
        spread = _("{low:.3f} to {high:.3f}").format(**line) if math.isfinite(line["high"]) else _("unknown")
        tables = f"{line['seeds']} x {line['sets']}" + (_(" of its own") if line["own"] else "")
        print(columns((*names, f"{line['mean']:.3f}", spread, tables), widths))
    out.write(lambda path: write_rows(path, rows))
    figure.write(lambda path: write_bytes(path, picture(bars_figure(_named(lines)), Path(path).suffix[1:])))
    return 0


def columns(parts: Sequence[object], widths: Sequence[int]) -> str:
    """Return one line of the table; the mean stands on the right of its column."""
    texts = [padded(str(part), n) for part, n in zip(parts, widths, strict=True)]
    texts[5] = " " * (widths[5] - width_of(str(parts[5]))) + f"{parts[5]} "
    return " ".join(texts)


def check_runs(configs: Mapping[str, OMGConfig], pool_path: str | None, splits: Sequence[str], tuning: int) -> None:
    """Refuse runs that cannot meet these sets, before any battle is played."""
    for config in configs.values():
        info = env_info(config.env, config.n_agents)
        if pool_path or config.has_teammates:
            (Pool.load(pool_path, config.env, info) if pool_path else pool_of(config, info)).ids(*splits)
        if tuning:
            check_company(config)
            check_rounds(config, tuning)


def check_winners(configs: Mapping[str, OMGConfig], figure: str | None) -> bool:
    """Return whether the games of these runs have a winner; otherwise returns are compared, without a figure."""
    won = {env_info(config.env, config.n_agents).has_winner for config in configs.values()}
    if len(won) > 1:
        raise ConfigError(
            "runs", len(configs), _("some games have a winner, others none: allowed are runs of one kind")
        )
    if figure and not all(won):
        raise ConfigError("figure", figure, _("it draws win rates, and this game has no winner; allowed is --out"))
    return all(won)


def _named(lines: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Return the lines with kinds that tell apart all that the figure draws beside each other."""
    kinds = [" ".join(filter(None, (line["split"], line["kind"], line["settings"]))) for line in lines]
    return [line | {"kind": kind} for line, kind in zip(lines, kinds, strict=True)]
