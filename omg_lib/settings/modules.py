"""Modules of your own, named by `--import`: they register games and learners before a configuration names them."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterable

from omg_lib.config import ConfigError
from omg_lib.words import _

IMPORTED: list[str] = []
"""The modules imported here, in order; other processes import the same ones."""


def import_modules(names: Iterable[str]) -> None:
    """Import modules by name, also from the current folder. If that fails, ConfigError names the line."""
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    for name in names:
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
            raise ConfigError(
                "import", name, _("allowed is a module's name as in Python, such as my_game or lab.games")
            )
        try:
            importlib.import_module(name)
        except ConfigError:
            raise
        except (Exception, SystemExit) as error:  # its code can raise anything
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}{_line_of(error)}"
            raise ConfigError(
                "import", name, _("it cannot be imported ({said}); allowed is a module that can").format(said=said)
            ) from error
        if name not in IMPORTED:
            IMPORTED.append(name)


def _line_of(error: BaseException) -> str:
    """Return where an error was raised, unless the import system itself raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.isfile(frame.filename) and frame.filename != __file__]
    own = [frame for frame in own if os.path.dirname(importlib.__file__) not in frame.filename]
    said = _(", {name} line {n}")
    return said.format(name=os.path.basename(own[-1].filename), n=own[-1].lineno) if own else ""
