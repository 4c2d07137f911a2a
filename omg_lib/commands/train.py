"""`train`: train a run; with a folder, it can be resumed."""

from __future__ import annotations

import argparse
import os
import sys

from omg_lib.commands.options import (
    Output,
    add_config,
    add_settings,
    given_settings,
    progress_bar,
    read_config,
    show_progress,
    with_options,
)
from omg_lib.commands.shapes import OPTIONS as SHAPE_OPTIONS
from omg_lib.config import INTERRUPTED, ConfigError, OMGConfig
from omg_lib.runs.folder import RunFolder, saved_config
from omg_lib.runs.follow import follow
from omg_lib.runs.state import check_config
from omg_lib.teammates.pool import RANDOM
from omg_lib.training import Report, Training
from omg_lib.words import _, listing

OPTIONS = (
    *SHAPE_OPTIONS,
    "teammates",
    "prior",
    "subgoal_mode",
    "td_steps",
    "updates",
    "t_max",
    "steps",
    "device",
    "runner",
    "actors",
    "seed",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, OPTIONS)
    add_config(parser)
    parser.add_argument("--out", metavar="DIR", help=_("a new folder for config, metrics and checkpoints"))
    parser.add_argument("--resume", metavar="DIR", help=_("go on with the run of this folder"))
    parser.add_argument("--trace", metavar="FILE", help=_("write the measured trace of the last update here"))


def run(args: argparse.Namespace) -> int:
    config = train_config(args)
    trace = Output("trace", args.trace)
    bar, folder, report, code = progress_bar(), None, None, 0
    with Training(config, show_progress(bar)) as training, bar:
        if args.resume:
            folder = RunFolder.resume(args.resume, training)
            if folder.notice:
                print(folder.notice, file=sys.stderr)
        elif args.out:
            folder = RunFolder.create(args.out, config)
        say_steps(config)
        say_teammates(training)
        try:
            for report in follow(training, folder):
                log(report)
        except KeyboardInterrupt:
            code = INTERRUPTED
    print(result_line(training, report))
    if training.trace:
        trace.write(training.trace.save)
    return code


def train_config(args: argparse.Namespace) -> OMGConfig:
    """Return the configuration of `train`: the defaults, overridden by --config or the resumed run, then by the
    options.
    """
    given = given_settings(args)
    if args.resume:
        if args.config or args.preset:
            raise ConfigError("resume", args.resume, _("goes without --config and --preset: the folder has them"))
        if args.out and os.path.realpath(args.out) != os.path.realpath(args.resume):
            allowed = _(
                "the run goes on in the folder of --resume, {resume}: allowed is the same one, or no --out"
            ).format(resume=args.resume)
            raise ConfigError("out", args.out, allowed)
        saved = saved_config(args.resume)
        asked = OMGConfig.from_dict(saved.to_dict() | with_options({}, given))
        check_config("resume", args.resume, saved.to_dict(), asked)
        return asked
    return OMGConfig.from_dict(with_options(read_config(args, given), given))


def say_steps(config: OMGConfig) -> None:
    """If `t_max` is multiplied, say how many steps it is in all, and that the anneal times are not multiplied."""
    if config.updates is not None or config.steps is not None or not config.has_teammates:
        return
    seats = _("t_max={t_max:,} for each of {n_agents} learner's seats").format(
        t_max=config.t_max, n_agents=config.n_agents
    )
    print(
        _("{seats}: this run takes {t_max_total:,} environment steps").format(
            seats=seats, t_max_total=config.t_max_total
        ),
        file=sys.stderr,
    )
    names = ("epsilon_anneal_time", "mix_anneal_time") if config.base == "omg" else ("epsilon_anneal_time",)
    times = listing((f"{name}={getattr(config, name):,}" for name in names), " and ")
    print(
        _("{times} count steps of the whole run; --steps N sets the whole run too").format(times=times), file=sys.stderr
    )


def say_teammates(run: Training) -> None:
    """If the teammates are untrained networks, say so."""
    coplayers = run.controller.coplayers
    if coplayers and all(member.algorithm == RANDOM for member in coplayers.pool.members):
        count = len(coplayers.pool.members)
        print(
            _("teammates: {count} random networks, as {env} has no scripts; --teammates POOL names others").format(
                count=count, env=run.config.env
            ),
            file=sys.stderr,
        )


def log(report: Report) -> None:
    """Print one line of progress, unless stderr is a terminal, which has the bar."""
    if not sys.stderr.isatty() and (report.update == 1 or report.update % 100 == 0):
        print(
            _("update {update}, {t_env} steps, {numbers}").format(
                update=report.update, t_env=report.t_env, numbers=numbers(report.metrics)
            ),
            file=sys.stderr,
            flush=True,
        )


def result_line(run: Training, report: Report | None) -> str:
    """Return the command's last line on stdout."""
    if report is None:
        said = _("{env} {learner}: update {update}, nothing trained in this call")
        return said.format(env=run.config.env, learner=run.config.learner, update=run.update)
    return _("{env} {learner}: update {update}, t_env {t_env}, {numbers}").format(
        env=run.config.env,
        learner=run.config.learner,
        update=report.update,
        t_env=report.t_env,
        numbers=numbers(report.metrics),
    )


def numbers(metrics: dict[str, float]) -> str:
    return listing(f"{name} {value:.4g}" for name, value in metrics.items())
