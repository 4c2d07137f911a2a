"""Shared by several commands: settings from the command line and from files, files to write, progress."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from tqdm import tqdm

from omg_lib.config import ConfigError, OMGConfig, RunError
from omg_lib.registry import YOURS, check_named_in_file, env_names, learner_names
from omg_lib.runs.folder import saved_config
from omg_lib.settings.files import read_settings
from omg_lib.settings.modules import import_modules
from omg_lib.settings.presets import PRESETS, preset
from omg_lib.settings.pymarl import is_pymarl, table, translate
from omg_lib.settings.words import DEFAULTS, KINDS, WHOLE, joined, settings_of
from omg_lib.system.files import reason
from omg_lib.system.places import check_target
from omg_lib.words import N_, _, listing

BUDGETS = {name: DEFAULTS[name] for name in ("updates", "steps", "t_max")}
"""The budgets that can end a run, with their defaults; the first one that is not None applies."""
HELP = {
    "t_max": N_("environment steps of a learner's seat: with teammates a run takes n_agents times as many"),
    "steps": N_("environment steps of the whole run, instead of --t-max"),
}
"""Help for options whose names do not explain themselves."""

# --- settings --------------------------------------------------------------------------------------------------------


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add an option for each of these fields of OMGConfig, `--set` for any field, and `--import` for games and
    learners.
    """
    known = {"env": env_names(), "learner": learner_names()}
    told = HELP | {name: f"{', '.join(names)}, {YOURS}" for name, names in known.items()}
    for field in dataclasses.fields(OMGConfig):
        if field.name in names:
            option = "--" + field.name.replace("_", "-")
            shown = [_(told.get(field.name, "")), _("default {default}").format(default=field.default)]
            parser.add_argument(option, default=argparse.SUPPRESS, help=listing(filter(None, shown), "; "))
    any_setting = _("any setting of OMGConfig, such as --set lr=0.001 gamma=0.9, and your learner's own")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", dest="words", help=any_setting
    )
    add_import(parser)


def add_import(parser: argparse.ArgumentParser) -> None:
    told = _("import this module first: it registers games or learners; may be repeated")
    parser.add_argument("--import", action="append", default=[], metavar="MODULE", dest="modules", help=told)


def add_config(parser: argparse.ArgumentParser) -> None:
    told = _("a JSON, YAML or TOML file of settings, also PyMARL's; options win over it")
    parser.add_argument("--config", metavar="FILE", help=told)
    told = _("{names}: the paper's Table 1, or the released code's choices; --config and options win over it")
    parser.add_argument("--preset", metavar="NAME", help=told.format(names=listing(PRESETS)))


def given_settings(args: argparse.Namespace, unused: Mapping[str, str] | None = None) -> dict[str, object]:
    """Return the settings on the command line, converted to the types that their fields declare. Import the modules of
    `--import` first. ConfigError for a setting given twice, and for one of `unused`, {name: why}.
    """
    import_modules(args.modules)
    options = settings_of({name: str(getattr(args, name)) for name in KINDS if hasattr(args, name)})
    learner = options.get("learner") or _learner_of(args)
    settings = joined((_("the option"), options), ("--set", settings_of(args.words, learner)))
    for name, why in (unused or {}).items():
        if name in settings:
            raise ConfigError(name, settings[name], _(why))
    return settings


def _learner_of(args: argparse.Namespace) -> object:
    """Return the learner that the resumed run's folder or a settings file names; None if neither does."""
    if getattr(args, "resume", None) is not None:
        return saved_config(args.resume).learner
    path, name = getattr(args, "config", None), getattr(args, "preset", None)
    in_file = read_settings(path).get("learner") if path is not None else None
    return in_file if in_file is not None or name is None else preset(name).get("learner")


def with_options(settings: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Return settings overridden by those of the command line. A budget given there replaces the others, which would
    end the run at another point; two budgets are refused.
    """
    budgets = [name for name in BUDGETS if given.get(name) is not None]
    if len(budgets) > 1:
        ends, other = budgets[:2]
        allowed = _("--{ends} {given} ends the run already; allowed is one of the two").format(
            ends=ends, given=given[ends]
        )
        raise ConfigError(other, given[other], allowed)
    rest = {name: value for name, value in BUDGETS.items() if budgets and (name != "t_max" or budgets == ["steps"])}
    return {**settings, **rest, **given}


def read_config(args: argparse.Namespace, given: Mapping[str, object]) -> dict[str, object]:
    """Return the settings of --preset, overridden by those of --config; {} without either. PyMARL's are translated, and
    the table of their names goes to stderr.
    """
    path = args.config
    settings = read_settings(path) if path is not None else {}
    if "env" not in given:
        check_named_in_file(settings.get("env"))
    if is_pymarl(settings):
        settings, rows = translate(settings, given)
        print(
            _("{path}: PyMARL's settings, what they are here, and why\n{table}").format(path=path, table=table(rows)),
            file=sys.stderr,
        )
    if args.preset is None:
        return settings
    return preset(args.preset, str({**settings, **given}.get("env", DEFAULTS["env"]))) | settings


def count(name: str, text: str, least: int = 1) -> int:
    """Return an option's whole number. ConfigError for anything else."""
    if not WHOLE.fullmatch(text) or int(text) < least:
        raise ConfigError(name, text, _("allowed is a whole number, {least} or more").format(least=least))
    return int(text)


# --- files -----------------------------------------------------------------------------------------------------------


class Output:
    """A file named on the command line, checked before the work and written after it.

    ConfigError, at once, for a file that cannot be written. None means that no file is wanted. With `make`, a missing
    folder is made.
    """

    def __init__(self, name: str, path: str | None, endings: Sequence[str] = (), make: bool = False) -> None:
        self.name, self.path = name, path
        if path is None:
            return
        if endings and Path(path).suffix.lower() not in endings:
            raise ConfigError(
                name, path, _("allowed is a file that ends in {endings}").format(endings=listing(endings, " or "))
            )
        try:
            if make:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            check_target(path)
            self._folder = os.stat(Path(path).parent)
        except (OSError, ValueError) as error:  # ValueError: a name that no system takes
            allowed = _("cannot be written ({reason}); allowed is a file in a folder that exists").format(
                reason=reason(error)
            )
            raise ConfigError(name, path, allowed) from None

    def write(self, how: Callable[[str], object]) -> None:
        """Call `how` with the path. RunError if it fails, since the path was allowed, or if its folder is another one
        by now.
        """
        if self.path is None:
            return
        try:
            if not os.path.samestat(self._folder, os.stat(Path(self.path).parent)):
                raise OSError(errno.ENOENT, _("the folder was removed, moved or replaced"))
            how(self.path)
        except ConfigError as error:
            raise RunError(str(error)) from None
        except OSError as error:
            said = _("{name}={path!r} could not be written ({reason})")
            raise RunError(said.format(name=self.name, path=self.path, reason=reason(error))) from None


def picture(figure: Figure, kind: str) -> bytes:
    """Return a figure as the bytes of a file of this kind, such as svg. ValueError for an unknown kind."""
    out = io.BytesIO()
    figure.savefig(out, format=kind, transparent=True)
    return out.getvalue()


# --- progress --------------------------------------------------------------------------------------------------------


def progress_bar() -> tqdm:
    """Return a progress bar for a terminal's stderr; it shows nothing elsewhere."""
    return tqdm(file=sys.stderr, mininterval=0.5, disable=None if sys.stderr.isatty() else True)


def show_progress(bar: tqdm) -> Callable[[str, int, int], None]:
    """Return a progress callback that moves a bar."""

    def show(name: str, done: int, total: int) -> None:
        bar.total, bar.n = total, min(done, total)
        bar.set_description(name, refresh=False)
        bar.update(0)

    return show
