"""What a wrong regroup costs: learners that differ only in their answer, trained on the same samples.

The reward is the battle's, or a planted one that is easy to see: 1 at every step where the learner's own seat played
the marked action, otherwise 0. With `gamma=0` that reward is all there is to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tensordict import TensorDict

from omg_lib.config import OMGConfig
from omg_lib.episodes import EpisodeBatch, truncate
from omg_lib.learners.q_learner import QLearner
from omg_lib.lessons.regroup_answers import regroup_as
from omg_lib.regroup import regroup
from omg_lib.training import Training

MARKED = 1
"""The marked action: standing still, which every living unit can always do."""


@dataclass(frozen=True)
class Trained:
    """One learner: its answer's key, its loss at each update, and what it believes after the last one.

    `gain[a]` is how far Q puts the marked action above the others in seat a, on correctly grouped data.
    """

    key: int
    losses: tuple[float, ...]
    gain: tuple[float, ...]


def plant(sample: EpisodeBatch, action: int = MARKED) -> EpisodeBatch:
    """Return the sample with a reward [E, T, 1] of 1 wherever the learner's own seat played `action`, otherwise 0."""
    planted = sample.clone()
    planted["reward"] = (own_actions(sample) == action).float() * sample["filled"]
    return planted


def own_actions(sample: EpisodeBatch) -> torch.Tensor:
    """Return the actions of the learner's own seat, [E, T, 1]."""
    return sample["actions"].gather(2, sample["seat"].unsqueeze(2)).squeeze(2)


def train_beside(config: OMGConfig, keys: Sequence[int], updates: int, planted: bool) -> list[Trained]:
    """Train one new learner per answer, all from the same weights and on the same samples.

    The samples come from a buffer of twice their size, played by teammates and an exploring learner.
    """
    with Training(config) as run:
        while not run.buffer.can_sample(2 * config.sample_size):
            run.buffer.insert_episode_batch(run.runner.run())
        drawn = [truncate(run.buffer.sample(config.sample_size)) for _ in range(updates + 1)]
    samples = [plant(sample) if planted else sample for sample in drawn]
    return [_train(config, key, samples) for key in keys]


def _train(config: OMGConfig, key: int, samples: list[EpisodeBatch]) -> Trained:
    with Training(config) as fresh:
        learner, device = fresh.learner, fresh.device
        *rest, last = [sample.to(device) for sample in samples]
        losses = [learner.train(regroup_as(key, sample), 0, k)["loss"] for k, sample in enumerate(rest)]
        return Trained(key, tuple(losses), _gain(learner, regroup(last)))


@torch.no_grad()
def _gain(learner: QLearner, batch: TensorDict) -> tuple[float, ...]:
    """Return Q of the marked action minus the mean Q of the other available ones, per seat, while its unit lives."""
    steps = learner.read(batch)
    hidden = learner.controller.init_hidden(steps.rows.shape[0])["hidden"]
    q = learner.q_values(steps, hidden)[0]["q"]
    others = steps.avail_actions.clone()
    others[:, MARKED] = False
    gain = q[:, MARKED] - torch.where(others, q, 0.0).sum(dim=1) / others.sum(dim=1).clamp(min=1)
    known = steps.avail_actions[:, MARKED] & others.any(dim=1)
    return tuple(float(gain[known & (steps.rows.a == a)].mean()) for a in range(steps.rows.shape[2]))
