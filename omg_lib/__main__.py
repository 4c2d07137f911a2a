"""python -m omg_lib: shapes, train, doctor; teammates, pretrain, evaluate (in `commands`)."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from pathlib import Path
from typing import NoReturn

from omg_lib.checkpoint import RunFolder, saved_config
from omg_lib.commands import (
    add_evaluate,
    add_pretrain,
    add_teammates,
    progress_bar,
    run_evaluate,
    run_pretrain,
    teammates,
    teller,
)
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.doctor import check_setup
from omg_lib.predict import predict
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
    "seed",
)
POOL_OPTIONS = ("env", "n_agents", "td_steps", "batch_size", "batch_size_run", "t_max", "device", "runner")
PRIOR_OPTIONS = ("env", "n_agents", "teammates", "seed")
BUDGET = ("updates", "t_max", "device", "runner")
"""What may differ when a run is resumed."""
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
    add_teammates(pool)
    add_pretrain(prior)
    add_evaluate(evaluation)
    options = ((shapes, SHAPE_OPTIONS), (train, TRAIN_OPTIONS), (pool, POOL_OPTIONS), (prior, PRIOR_OPTIONS))
    for command, names in options:
        for field in dataclasses.fields(OMGConfig):
            if field.name in names:
                option = "--" + field.name.replace("_", "-")
                command.add_argument(option, default=argparse.SUPPRESS, help=f"default {field.default}")
    shapes.add_argument("--json", metavar="FILE", help="also write the trace here")
    train.add_argument("--config", metavar="FILE", help="a JSON file of settings; options win over it")
    train.add_argument("--out", metavar="DIR", help="a new folder for config, metrics and checkpoints")
    train.add_argument("--resume", metavar="DIR", help="go on with the run of this folder")
    train.add_argument("--trace", metavar="FILE", help="write the measured trace of the last update here")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 a run failed, 2 bad input, 130 interrupted."""
    try:
        args = build_parser().parse_args(argv)
        return COMMANDS[args.command](args)
    except ConfigError as error:
        print(" ".join(str(error).split())[:299], file=sys.stderr)
        return 2
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


def whole(text: str) -> int | str:
    """The number that a text is, or the text itself, which OMGConfig then refuses by name."""
    try:
        return int(text)
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


def train(args: argparse.Namespace) -> int:
    config = train_config(args)
    check_writable("trace", args.trace)
    bar = progress_bar()
    with Training(config, teller(bar)) as run, bar:
        folder = None
        if args.resume:
            folder = RunFolder.resume(args.resume, run)
        elif args.out:
            folder = RunFolder.create(args.out, config)
        interrupted = Interrupt(run)
        report = None
        for report in run:
            if folder:
                folder.record(report)
                folder.save_if_due(run)
            log(report)
            if interrupted:
                break
        if folder and report:
            print(f"saved {folder.save(run)}", file=sys.stderr)
    if args.trace and run.trace:
        run.trace.save(args.trace)
    print(summary(run, report))
    return INTERRUPTED if interrupted else 0


class Interrupt:
    """Ctrl-C finishes the update that is running; a second one, or one before the first update, stops at once."""

    def __init__(self, run: Training) -> None:
        self.run, self.count = run, 0
        signal.signal(signal.SIGINT, self)

    def __call__(self, number: int, frame: object) -> None:
        self.count += 1
        if self.count > 1 or self.run.update == 0:
            self.run.stop()

    def __bool__(self) -> bool:
        return self.count > 0


def train_config(args: argparse.Namespace) -> OMGConfig:
    """The configuration of `train`: defaults, then --config or the resumed run's, then the options."""
    given = given_settings(args)
    if args.resume:
        if args.out or args.config:
            raise ConfigError("resume", args.resume, "goes without --out and --config: the folder has both")
        saved = saved_config(args.resume)
        asked = dataclasses.replace(saved, **given)
        for name in given:
            if name not in BUDGET and getattr(saved, name) != getattr(asked, name):
                allowed = f"the run in {args.resume} has {getattr(saved, name)}; only {', '.join(BUDGET)} may change"
                raise ConfigError(name, getattr(asked, name), allowed)
        return asked
    return OMGConfig.from_dict(read_settings(args.config) | given)


def read_settings(path: str | None) -> dict[str, object]:
    """The settings of a JSON file; {} without a file."""
    if path is None:
        return {}
    try:
        values = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            "config",
            path,
            f"is no readable JSON file ({getattr(error, 'strerror', None) or error}); allowed is a JSON object",
        ) from None
    if not isinstance(values, dict):
        raise ConfigError("config", path, "allowed is a JSON object of settings")
    return values


def check_writable(name: str, path: str | None) -> None:
    """Refuse a file before the work that would fill it."""
    if path is not None and (Path(path).is_dir() or not Path(path).absolute().parent.is_dir()):
        raise ConfigError(name, path, "allowed is a file in a folder that exists")


def log(report: Report) -> None:
    """One line of progress for readers that are no terminal; a terminal has the bar."""
    if not sys.stderr.isatty() and (report.update == 1 or report.update % 100 == 0):
        print(
            f"update {report.update}, {report.t_env} steps, {numbers(report.metrics)}",
            file=sys.stderr,
            flush=True,
        )


def summary(run: Training, report: Report | None) -> str:
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
}

if __name__ == "__main__":
    sys.exit(main())
