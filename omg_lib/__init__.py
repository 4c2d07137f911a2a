"""OMG Lab: what shape is this tensor here, and why? Runner, buffer, OMG learner and training loop, with every shape
predicted from the configuration and measured in the real run.

Reading order: config, contract, trace, envs, episodes, networks, opponents, subgoals, teammates, controller, runner,
buffer, regroup, learners, training, predict; then runs and experiment.

Importing this package needs the standard library only. A public name, or a room such as `omg_lib.envs`, loads when it
is first used (PEP 562), so `doctor` runs and names what is missing even if nothing is installed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omg_lib.callbacks import Callback, Report, TensorBoard
    from omg_lib.config import ConfigError, OMGConfig
    from omg_lib.envs import EnvInfo, make_env
    from omg_lib.episodes import EpisodeBatch
    from omg_lib.predict import Difference, compare, predict
    from omg_lib.regroup import regroup
    from omg_lib.runs.folder import load
    from omg_lib.runs.results import results
    from omg_lib.settings.presets import preset
    from omg_lib.system.doctor import check_setup
    from omg_lib.trace import ShapeTrace
    from omg_lib.training import Training, run_sequential

__version__ = "0.2.0"

PUBLIC = {
    "callbacks": ("Callback", "Report", "TensorBoard"),
    "config": ("ConfigError", "OMGConfig"),
    "envs": ("EnvInfo", "make_env"),
    "episodes": ("EpisodeBatch",),
    "predict": ("Difference", "compare", "predict"),
    "regroup": ("regroup",),
    "runs.folder": ("load",),
    "runs.results": ("results",),
    "settings.presets": ("preset",),
    "system.doctor": ("check_setup",),
    "trace": ("ShapeTrace",),
    "training": ("Training", "run_sequential"),
}
"""Module -> the public names that it defines; a test compares them with the imports above."""
_HOME = {name: module for module, names in PUBLIC.items() for name in names}
__all__ = sorted(_HOME)


class _Package(ModuleType):
    """Makes sure that `omg_lib.predict` and `omg_lib.regroup` are the functions, not the modules.

    The import system sets a module as an attribute of its package. Two public functions have the same name as the
    module that defines them, and the function wins.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if not name.startswith("_") and find_spec(f"{__name__}.{name}"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
