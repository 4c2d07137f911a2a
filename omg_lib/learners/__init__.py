"""Learners by name. Each turns a sample into one optimiser step: `learner.train(sample, t_env, episode)`."""

from __future__ import annotations

from collections.abc import Callable

import torch

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.learners.mixing import MixingLearner
from omg_lib.learners.modelling import ModellingLearner
from omg_lib.learners.omg import OMGLearner
from omg_lib.learners.q_learner import QLearner

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


def make_learner(
    config: OMGConfig, controller: Controller, device: torch.device, poll: Callable[[], None] = lambda: None
) -> QLearner:
    """Create the learner that the configuration names; it calls `poll` between chunks of work."""
    return LEARNERS[config.learner](config, controller, device, poll)
