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
    checks += compiled()
    print(checks)
    return 0


def compiled() -> list[Check]:
    """Say whether the battle and the GRU are compiled. Nothing where a package is missing: that has its own row."""
    try:
        from omg_lib.system import compiling
    except Exception:  # a broken package can raise anything
        return []
    if not compiling.installed():
        return []
    if compiling.ready():
        return [Check("compiled", True, _("the battle and the GRU"))]
    found = _("not the battle and the GRU: training takes half as long again")
    return [Check("compiled", False, found, "python -m omg_lib compile", optional=True)]
