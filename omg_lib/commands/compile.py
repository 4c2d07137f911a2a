"""python -m omg_lib compile: compile the battle of skirmish, once, so that it is played several times faster."""

from __future__ import annotations

import argparse

from omg_lib.envs.compiled import prepare
from omg_lib.words import _


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = _("Compile the battle of skirmish (needs numba): the same battle, several times faster.")


def run(args: argparse.Namespace) -> int:
    print(_("Compiled the battle in {seconds:.0f} s.").format(seconds=prepare()))
    return 0
