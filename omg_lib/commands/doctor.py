"""`doctor`: what this machine has, and what is missing. Needs the standard library only."""

from __future__ import annotations

import argparse

from omg_lib.system.doctor import check_setup


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(args: argparse.Namespace) -> int:
    print(check_setup())
    return 0
