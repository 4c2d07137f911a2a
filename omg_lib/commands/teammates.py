"""`teammates`: train a pool of fixed teammates."""

from __future__ import annotations

import argparse

from omg_lib.commands.options import (
    add_settings,
    count,
    given_settings,
    progress_bar,
    show_progress,
    with_options,
)
from omg_lib.config import OMGConfig
from omg_lib.experiment.train_pool import ALGORITHMS, POOL_SETTINGS, train_pool
from omg_lib.teammates.pool import SCRIPT
from omg_lib.words import N_, _, listing, padded

OPTIONS = ("env", "n_agents", "td_steps", "batch_size", "batch_size_run", "t_max", "device", "runner")
UNUSED = {
    "learner": N_("--algorithms names the learners"),
    "seed": N_("--seeds counts the seeds"),
    "teammates": N_("all seats of a team learn"),
    "splits": N_("all seats of a team learn"),
    "prior": N_("no learner of a pool has one"),
}
"""Settings that a pool's training chooses itself, and why."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, OPTIONS)
    parser.add_argument(
        "--algorithms",
        nargs="+",
        default=list(ALGORITHMS),
        help=_("default {default}").format(default=" ".join(ALGORITHMS)),
    )
    parser.add_argument("--seeds", default="4", help=_("policies of each algorithm; default 4"))
    parser.add_argument("--out", metavar="POOL", required=True, help=_("the pool's folder; called again, it goes on"))


def run(args: argparse.Namespace) -> int:
    config = OMGConfig.from_dict(with_options(POOL_SETTINGS, given_settings(args, UNUSED)))
    with progress_bar() as bar:
        pool = train_pool(config, args.algorithms, count("seeds", args.seeds), args.out, show_progress(bar))
    for member in pool.members:
        known = member.win_rate is not None
        policy = _("win rate {rate:.2f}").format(rate=member.win_rate) if known else _("a policy")
        rate = _("a script") if member.algorithm == SCRIPT else policy
        sets = listing(f"{s.split} ({s.kind})" for s in pool.sets if member.name in s.members)
        print(f"{padded(member.name, 14)} {padded(rate, 14)} {sets}")
    return 0
