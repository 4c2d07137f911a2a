"""python -m omg_lib: shapes, train, doctor; teammates, pretrain, evaluate, sweep (in `commands`)."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from omg_lib.commands.experiment import (
    add_evaluate,
    add_pretrain,
    add_sweep,
    add_teammates,
    check_writable,
    progress_bar,
    run_evaluate,
    run_pretrain,
    run_sweep,
    teammates,
    teller,
)
from omg_lib.config import ConfigError, OMGConfig, RunError
from omg_lib.predict import predict
from omg_lib.runs.folder import RunFolder, saved_config
from omg_lib.runs.follow import follow
from omg_lib.runs.state import check_config
from omg_lib.system.doctor import check_setup
from omg_lib.system.files import read_json, reason
from omg_lib.system.streams import open_streams
from omg_lib.trace import ShapeTrace
from omg_lib.training import Report, Training

SHAPE_OPTIONS = ("env", "n_agents", "batch_size", "learner", "batch_size_run", "horizon")
TRAIN_OPTIONS = (
    *SHAPE_OPTIONS,
    "teammates",
    "prior",
    "subgoal_mode",
    "td_steps",
    "updates",
    "t_max",
    "device",
    "runner",
    "actors",
    "seed",
)
POOL_OPTIONS = ("env", "n_agents", "td_steps", "batch_size", "batch_size_run", "t_max", "device", "runner")
SWEEP_OPTIONS = ("env", "batch_size_run", "td_steps", "teammates", "updates", "t_max", "device")
PRIOR_OPTIONS = ("env", "n_agents", "teammates", "seed")
HELP = {"t_max": "environment steps of a learner's seat: with teammates a run takes n_agents times as many; "}
"""What the name of an option does not say."""
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError("command line", " ".join(sys.argv[1:]), message)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m omg_lib", description="Shapes and training of OMG, predicted and measured.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    shapes = commands.add_parser("shapes", help="predict every shape of one update")
    train = commands.add_parser("train", help="train; with --out into a folder that can be resumed")
    commands.add_parser("doctor", help="what this machine has, and what is missing")
    pool = commands.add_parser("teammates", help="train a pool of fixed teammates")
    prior = commands.add_parser("pretrain", help="pre-train a subgoal prior on states that a pool visits")
    evaluation = commands.add_parser("evaluate", help="play saved runs with teammates, seen and unseen")
    many = commands.add_parser("sweep", help="train at many sizes, on a Ray cluster or this machine")
    add_teammates(pool)
    add_pretrain(prior)
    add_evaluate(evaluation)
    add_sweep(many)
    options = (
        (shapes, SHAPE_OPTIONS), (train, TRAIN_OPTIONS), (pool, POOL_OPTIONS), (prior, PRIOR_OPTIONS),
        (many, SWEEP_OPTIONS),
    )  # fmt: skip
    for command, names in options:
        for field in dataclasses.fields(OMGConfig):
            if field.name in names:
                option = "--" + field.name.replace("_", "-")
                told = f"{HELP.get(field.name, '')}default {field.default}"
                command.add_argument(option, default=argparse.SUPPRESS, help=told)
    shapes.add_argument("--json", metavar="FILE", help="also write the trace here")
    for command in (train, many):
        command.add_argument("--config", metavar="FILE", help="a JSON file of settings; options win over it")
    train.add_argument("--out", metavar="DIR", help="a new folder for config, metrics and checkpoints")
    train.add_argument("--resume", metavar="DIR", help="go on with the run of this folder")
    train.add_argument("--trace", metavar="FILE", help="write the measured trace of the last update here")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 a run failed, 2 bad input, 130 interrupted."""
    open_streams()
    try:
        args = build_parser().parse_args(argv)
        return COMMANDS[args.command](args)
    except ConfigError as error:
        print(" ".join(str(error).split())[:299], file=sys.stderr)
        return 2
    except RunError as error:
        print(f"the run failed: {error}"[:299], file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe went away: nothing to say, and nobody to say it to
        sys.stderr.close()
        return 1
    except Exception as error:
        print(f"the run failed: {type(error).__name__}: {' '.join(str(error).split())}"[:299], file=sys.stderr)
        return 1


def given_settings(args: argparse.Namespace) -> dict[str, object]:
    """The configuration fields named on the command line, as the types that the fields declare."""
    settings: dict[str, object] = {}
    for field in dataclasses.fields(OMGConfig):
        if hasattr(args, field.name):
            text = getattr(args, field.name)
            settings[field.name] = whole(text) if str(field.type).startswith("int") else text
    return settings


def whole(text: str) -> int | str | None:
    """The number that a text is, None for "none", or the text itself, which OMGConfig then refuses by name."""
    try:
        return None if text == "none" else int(text)
    except ValueError:
        return text


def shapes(args: argparse.Namespace) -> int:
    trace = predict(OMGConfig(**given_settings(args)))
    check_writable("json", args.json)
    if args.json:
        trace.save(args.json)
    print(table(trace))
    return 0


def table(trace: ShapeTrace) -> str:
    """A trace as text: one line per field, its axes by name and by size."""
    sizes = ", ".join(f"{letter} = {size}" for letter, size in trace.sizes.items())
    lines = [
        sizes,
        f"{'stage':<28}{'calls':>5}  {'field':<15}{'axes':<24}{'shape':<26}{'dtype':<9}{'bytes':>13}",
    ]
    for entry in trace.stages:
        head = f"{entry.name:<28}{entry.calls:>5}"
        for key, f in entry.fields.items():
            axes, shape = f"[{', '.join(f.axes)}]", str(list(f.shape))
            lines.append(f"{head:<33}  {key:<15}{axes:<24}{shape:<26}{f.dtype:<9}{f.bytes:>13,}")
            head = ""
        if not entry.fields:
            lines.append(head)
    return "\n".join(lines)


def doctor(args: argparse.Namespace) -> int:
    print(check_setup())
    return 0


def sweep(args: argparse.Namespace) -> int:
    given = {key: value for key, value in given_settings(args).items() if key in SWEEP_OPTIONS}
    return run_sweep(args, with_options(read_settings(args.config), given))


def train(args: argparse.Namespace) -> int:
    config = train_config(args)
    check_writable("trace", args.trace)
    bar, folder, report, code = progress_bar(), None, None, 0
    with Training(config, teller(bar)) as run, bar:
        if args.resume:
            folder = RunFolder.resume(args.resume, run)
            if folder.notice:
                print(folder.notice, file=sys.stderr)
        elif args.out:
            folder = RunFolder.create(args.out, config)
        if config.updates is None and config.has_teammates:
            seats = f"t_max={config.t_max:,} for each of {config.n_agents} learner's seats"
            print(f"{seats}: this run takes {config.t_max_total:,} environment steps", file=sys.stderr)
        try:
            for report in follow(run, folder):
                log(report)
        except KeyboardInterrupt:
            code = INTERRUPTED
    if args.trace and run.trace:
        run.trace.save(args.trace)
    print(result_line(run, report))
    return code


def train_config(args: argparse.Namespace) -> OMGConfig:
    """The configuration of `train`: defaults, then --config or the resumed run's, then the options."""
    given = given_settings(args)
    if args.resume:
        if args.config:
            raise ConfigError("resume", args.resume, "goes without --config: the folder has it")
        if args.out and os.path.realpath(args.out) != os.path.realpath(args.resume):
            allowed = f"the run goes on in the folder of --resume, {args.resume}: allowed is the same one, or no --out"
            raise ConfigError("out", args.out, allowed)
        saved = saved_config(args.resume)
        asked = dataclasses.replace(saved, **with_options({}, given))
        check_config("resume", args.resume, saved.to_dict(), asked)
        return asked
    return OMGConfig.from_dict(with_options(read_settings(args.config), given))


def with_options(settings: dict[str, object], given: dict[str, object]) -> dict[str, object]:
    """Settings with the options of the command line: a budget of steps replaces one of updates, and they never both
    stand there, because only one of them could end the run.
    """
    if given.get("updates") is not None and "t_max" in given:
        allowed = f"--updates {given['updates']} ends the run already; allowed is one of the two"
        raise ConfigError("t_max", given["t_max"], allowed)
    budget = {"updates": None} if "t_max" in given else {}
    return settings | budget | given


def read_settings(path: str | None) -> dict[str, object]:
    """The settings of a JSON file; {} without a file."""
    if path is None:
        return {}
    try:
        return read_json(Path(path))
    except (OSError, ValueError) as error:
        allowed = f"is no readable JSON file ({reason(error)}); allowed is a JSON object of settings"
        raise ConfigError("config", path, allowed) from None


def log(report: Report) -> None:
    """One line of progress for readers that are no terminal; a terminal has the bar."""
    if not sys.stderr.isatty() and (report.update == 1 or report.update % 100 == 0):
        print(
            f"update {report.update}, {report.t_env} steps, {numbers(report.metrics)}",
            file=sys.stderr,
            flush=True,
        )


def result_line(run: Training, report: Report | None) -> str:
    if report is None:
        return f"{run.config.env} {run.config.learner}: update {run.update}, nothing trained in this call"
    head = f"{run.config.env} {run.config.learner}: update {report.update}, t_env {report.t_env}"
    return f"{head}, {numbers(report.metrics)}"


def numbers(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


COMMANDS = {
    "shapes": shapes,
    "train": train,
    "doctor": doctor,
    "teammates": lambda args: teammates(args, given_settings(args)),
    "pretrain": lambda args: run_pretrain(args, given_settings(args)),
    "evaluate": run_evaluate,
    "sweep": sweep,
}

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # until here omg_lib.early had it
    sys.exit(main())
