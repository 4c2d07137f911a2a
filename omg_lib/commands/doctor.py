"""`doctor`: what this machine has, and what is missing. Needs the standard library only."""

from __future__ import annotations

import argparse

from omg_lib.system.doctor import check_setup
from omg_lib.system.starcraft import Check
from omg_lib.words import _


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(args: argparse.Namespace) -> int:
    checks = check_setup()
    checks += battle()
    print(checks)
    return 0


def battle() -> list[Check]:
    """Say whether the battle of skirmish is compiled. Nothing where a package is missing: that has its own row."""
    try:
        from omg_lib.envs import compiled
    except Exception:  # a broken package can raise anything
        return []
    if not compiled.installed():
        return []
    if compiled.ready():
        return [Check("skirmish", True, _("the battle is compiled"))]
    found = _("the battle is not compiled: numpy plays it, several times slower")
    return [Check("skirmish", False, found, "python -m omg_lib compile", optional=True)]
