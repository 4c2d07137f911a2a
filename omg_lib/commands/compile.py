"""python -m omg_lib compile: compile the battle of skirmish, once, so that it is played several times faster."""

from __future__ import annotations

import argparse

from omg_lib.envs.compiled import prepare


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Compile the battle of skirmish (needs numba). The same battle, several times faster."


def run(args: argparse.Namespace) -> int:
    print(f"Compiled the battle in {prepare():.0f} s.")
    return 0
