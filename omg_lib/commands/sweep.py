"""`sweep`: train at many sizes, on a Ray cluster or this machine."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omg_lib.commands.options import (
    add_config,
    add_settings,
    count,
    given_settings,
    picture,
    read_config,
    with_options,
)
from omg_lib.config import ConfigError, check_names
from omg_lib.distributed.ray_runner import elsewhere
from omg_lib.errors import RunError, printable
from omg_lib.experiment.sweep import FINISHED, STOPPED, grid, named, sweep
from omg_lib.plots.sweeps import sweep_figure
from omg_lib.settings.words import KINDS, WORD_NONE, assigned, kinds_of, typed
from omg_lib.system.files import reason, write_bytes
from omg_lib.words import N_, _, listing

OPTIONS = ("env", "batch_size_run", "td_steps", "teammates", "updates", "t_max", "steps", "device")
SWEPT = {"n_agents": "2,4,8", "batch_size": "8,32", "learner": "iql,omg"}
"""The settings that every sweep varies, with their default values."""
UNUSED = {"seed": N_("--seeds N takes the seeds 0 to N - 1")}


def add_options(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, OPTIONS)
    add_config(parser)
    for name, default in SWEPT.items():
        told = _("joined by commas; default {default}").format(default=default)
        parser.add_argument("--" + name.replace("_", "-"), dest=f"each_{name}", metavar="VALUES", help=told)
    told = _("any other settings to go through, such as --vary lr=0.001,0.0005 prior=one.safetensors,two.safetensors")
    parser.add_argument("--vary", nargs="+", action="extend", default=[], metavar="NAME=VALUES", help=told)
    parser.add_argument("--seeds", default="1", help=_("trials of each combination; default 1"))
    parser.add_argument("--asha", action="store_true", help=_("stop trials early that are worse than others (ASHA)"))
    parser.add_argument("--gpus", default="0", help=_("share of a GPU for each trial, such as 0.25; default 0"))
    parser.add_argument("--out", metavar="DIR", required=True, help=_("called again, only what is missing is run"))


def run(args: argparse.Namespace) -> int:
    given = given_settings(args, UNUSED)
    texts = assigned(args.vary, "vary")
    learners = (texts.get("learner") or args.each_learner or str(given.get("learner", ""))).split(",")
    kinds = kinds_of(*learners)
    check_names("vary", texts, kinds)
    vary = {name: _listed(name, kinds[name], text) for name, text in texts.items()}
    for name in vary.keys() & {*given, "seed"}:
        why = _(UNUSED.get(name, N_("an option gives it as well: allowed is one of the two")))
        raise ConfigError("vary", f"{name}=...", why)
    settings = with_options(read_config(args, given), given)
    if settings.get("seed", 0) != 0:
        raise ConfigError("seed", settings["seed"], _(UNUSED["seed"]))
    axes = {name: vary.pop(name, None) or _axis(name, getattr(args, f"each_{name}"), settings, given) for name in SWEPT}
    trials = grid(settings, **axes, seeds=count("seeds", args.seeds), vary=vary)
    rows = sweep(trials, args.out, args.asha, _share("gpus", args.gpus), vary=vary)
    drawing = Path(args.out) / "results.svg"
    try:
        write_bytes(drawing, picture(sweep_figure(rows), "svg"))
    except OSError as error:
        said = _("{drawing} cannot be written: {reason}").format(drawing=drawing, reason=reason(error))
        raise RunError(said) from None
    names = named((elsewhere(config, device=config.device) for config in trials), vary)
    states = Counter(row["state"] for row in rows if row["trial"] in names)
    told = listing(f"{count} {_(state)}" for state, count in states.items())
    said = _("{n} trials: {told}; {file}").format(n=len(trials), told=told, file=Path(args.out) / "results.csv")
    print(printable(said))
    return 0 if states[FINISHED] + states[STOPPED] == len(trials) else 1


def _axis(name: str, option: str | None, settings: Mapping[str, Any], given: Mapping[str, Any]) -> list[Any]:
    """Return the values of one of SWEPT: the option's, else the one in the settings, else the default."""
    if option is not None and name in given:
        raise ConfigError(
            name,
            given[name],
            _("--{option} gives it as well: allowed is one of the two").format(option=name.replace("_", "-")),
        )
    if option is None and name in settings:
        return [settings[name]]
    return _listed(name, KINDS[name], SWEPT[name] if option is None else option)


def _listed(name: str, kind: str, text: str) -> list[Any]:
    """Return the values between the commas, each of this type."""
    return [typed(kind, value.strip(), name in WORD_NONE) for value in text.split(",")]


def _share(name: str, text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise ConfigError(name, text, _("allowed is a number, 0 or more"))
