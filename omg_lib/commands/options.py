"""What several commands share: settings from the command line and from files, files to write, progress."""

from __future__ import annotations

import argparse
import dataclasses
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from tqdm import tqdm

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.system.files import read_json, reason
from omg_lib.system.places import check_target

HELP = {"t_max": "environment steps of a learner's seat: with teammates a run takes n_agents times as many; "}
"""What the name of an option does not say."""

# --- settings --------------------------------------------------------------------------------------------------------


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """An option for each of these fields of OMGConfig."""
    for field in dataclasses.fields(OMGConfig):
        if field.name in names:
            option = "--" + field.name.replace("_", "-")
            shown = f"{HELP.get(field.name, '')}default {field.default}"
            parser.add_argument(option, default=argparse.SUPPRESS, help=shown)


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="a JSON file of settings; options win over it")


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
        allowed = f"cannot be read as JSON ({reason(error)}); allowed is a JSON object of settings"
        raise ConfigError("config", path, allowed) from None


def count(name: str, text: str, least: int = 1) -> int:
    """The whole number that an option holds. ConfigError for anything else."""
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(name, text, f"allowed is a whole number, {least} or more")
    return int(text)


# --- files -----------------------------------------------------------------------------------------------------------


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


def picture(figure: Figure, kind: str) -> bytes:
    """A figure as the bytes of a file of this kind, such as svg. ValueError for one that is not known."""
    out = io.BytesIO()
    figure.savefig(out, format=kind, transparent=True)
    return out.getvalue()


# --- progress --------------------------------------------------------------------------------------------------------


def progress_bar() -> tqdm:
    """A bar on a terminal's stderr; nothing elsewhere."""
    return tqdm(file=sys.stderr, mininterval=0.5, disable=None if sys.stderr.isatty() else True)


def show_progress(bar: tqdm) -> Callable[[str, int, int], None]:
    """A progress callback that moves a bar."""

    def show(name: str, done: int, total: int) -> None:
        bar.total, bar.n = total, min(done, total)
        bar.set_description(name, refresh=False)
        bar.update(0)

    return show
