"""`pretrain`: pre-train a subgoal prior on states that a pool visits."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from omg_lib.commands.options import (
    Output,
    add_settings,
    count,
    given_settings,
    progress_bar,
    show_progress,
)
from omg_lib.config import OMGConfig
from omg_lib.experiment.pretrain import pretrain
from omg_lib.settings.words import KINDS
from omg_lib.teammates.priors import save_prior
from omg_lib.words import _, listing

OPTIONS = ("env", "n_agents", "teammates", "seed")
USED = (*OPTIONS, "splits", "subgoal_dim", "kl_weight")
"""The settings that a prior depends on."""
UNUSED = [name for name in KINDS if name not in USED]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, OPTIONS)
    parser.add_argument("--episodes", default="640", help=_("episodes whose states are collected; default 640"))
    parser.add_argument("--steps", dest="fits", default="3000", help=_("Adam steps of 256 states; default 3000"))
    parser.add_argument("--subgoal-dim", default=argparse.SUPPRESS, help=_("default {default}").format(default=64))
    parser.add_argument("--out", metavar="FILE", required=True, help=_("the prior's file, FILE.safetensors"))


def run(args: argparse.Namespace) -> int:
    why = _("a prior does not depend on it; allowed are {names}").format(names=listing(USED))
    config = OMGConfig.from_dict(given_settings(args, dict.fromkeys(UNUSED, why)) | {"learner": "omg"})
    episodes, steps = count("episodes", args.episodes), count("steps", args.fits)
    out = Output("out", args.out, [".safetensors"], make=True)
    with progress_bar() as bar:
        prior, report = pretrain(config, episodes, steps, lambda done, total: show_progress(bar)("prior", done, total))
    made = {"env": config.env, "n_agents": config.n_agents, "teammates": config.teammates, "seed": config.seed}
    made |= {"episodes": episodes, "steps": steps} | asdict(report)
    out.write(lambda path: save_prior(prior, path, made))
    print(report)
    return 0
