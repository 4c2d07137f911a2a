"""Learners by name. Each turns a sample into one optimiser step: `learner.train(sample, t_env, episode)`.

To add your own from outside the library, subclass one of them and call `register`; README.md in this folder shows how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from omg_lib.config import FIELDS, ConfigError, OMGConfig, own_learner
from omg_lib.contract import METRICS
from omg_lib.controller import Controller
from omg_lib.learners.modelling import ModellingLearner
from omg_lib.learners.omg import OMGLearner
from omg_lib.learners.q_learner import ModelOutput, QLearner, Steps
from omg_lib.learners.vdn_qmix import MixingLearner
from omg_lib.registry import add_learner
from omg_lib.words import _, listing

LEARNERS: dict[str, type[QLearner]] = {
    "iql": QLearner,
    "iql_actions": QLearner,
    "oracle": QLearner,
    "vdn": MixingLearner,
    "qmix": MixingLearner,
    "naive_om": ModellingLearner,
    "liam": ModellingLearner,
    "omg": OMGLearner,
}

SAVED = ("RMSprop", "Adam", "AdamW")
"""Optimisers that a checkpoint can save."""


def register(name: str | Any, learner: type[QLearner] | Any) -> None:
    """Register a learner class of your own: from now on every configuration may name it.

    The registration lasts as long as this process; a second call replaces the first. ConfigError for a name that the
    library uses, and for a class or a setting that it cannot use.
    """
    add_learner(name, learner, FIELDS)


def make_learner(
    config: OMGConfig, controller: Controller, device: torch.device, poll: Callable[[], None] = lambda: None
) -> QLearner:
    """Create the learner that the configuration names; it calls `poll` between chunks of work."""
    made = own_learner(config.learner) or LEARNERS[config.learner]
    for key in set(config.extra).intersection(METRICS):  # `results` has both in one row
        allowed = _("its setting {key!r} is a column of metrics.csv: allowed is another name").format(key=key)
        raise ConfigError("learner", config.learner, allowed)
    learner = made(config, controller, device, poll)
    for name, optimiser in learner.optimisers().items():
        if type(optimiser).__name__ not in SAVED:
            raise ConfigError(
                _("optimiser {name}").format(name=name),
                type(optimiser).__name__,
                _("allowed are {saved}").format(saved=listing(SAVED)),
            )
    return learner
