"""python -m omg_lib compile: compile the battle of skirmish and the gates of the GRU, once."""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from omg_lib.config import ConfigError
from omg_lib.envs.skirmish import Skirmish
from omg_lib.gru import branched_gru, packed_gru
from omg_lib.system import compiling
from omg_lib.system.files import reason
from omg_lib.words import _


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = _(
        "Compile the battle of skirmish and the gates of the GRU (needs numba): training then takes a third less time."
    )


def run(args: argparse.Namespace) -> int:
    print(_("Compiled the battle and the GRU in {seconds:.0f} s.").format(seconds=prepare()))
    return 0


def prepare() -> float:
    """Compile the kernels and cache them; return the seconds that it took. ConfigError if they cannot be cached."""
    start = time.monotonic()
    try:
        compiling.renew(use_all)
    except OSError as error:
        said = _("it cannot be written ({reason})").format(reason=reason(error))
        raise ConfigError("folder", str(compiling.PACKAGE), said) from error
    return time.monotonic() - start


def use_all() -> None:
    """Call every kernel, which compiles it."""
    env = Skirmish(2, backend="numba")
    env.reset()
    env.step(env.scripted_actions(np.zeros((1, 2), int)))
    env.obs(), env.state()
    gru = torch.nn.GRU(1, 1)
    branched_gru(torch.zeros(1, 1, 1), torch.zeros(1, 1), gru.all_weights[0])
    packed_gru(torch.zeros(1, 1), [1], torch.zeros(1, 1), gru.all_weights[0]).sum().backward()
