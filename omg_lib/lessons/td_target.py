"""The parts of a TD target, and the same target without one of them: no mask, no double Q, no target network.

The learner works on packed rows without padding. Here everything is padded, [G, T-1, A], as in PyMARL, where the
network runs on through the padding. This shows what the padding would do.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from tensordict import TensorDictBase
from torch import Tensor

from omg_lib.episodes import filled_per_seat
from omg_lib.learners.q_learner import QLearner
from omg_lib.networks import greedy


@dataclass(frozen=True)
class Choices:
    """How to compute the target, and which errors count. `bootstrap_subgoal` matters only to OMG (see OMGConfig)."""

    mask: bool = True
    double_q: bool = True
    target_network: bool = True
    td_steps: int = 1
    bootstrap_subgoal: str = "same"


@dataclass(frozen=True)
class Targets:
    """Both sides of the TD error of every transition (U = T-1), the target in its two parts, and the loss.

    | field | meaning |
    |---|---|
    | taken | Q of the action that was played |
    | reward | the earned part of the target: the next `td_steps` rewards, discounted |
    | bootstrap | its estimated part; 0 where the game ended on the way |
    | real | whether the transition exists |
    | ended | whether the game ended with it |
    """

    taken: Float[Tensor, "G U A"]
    reward: Float[Tensor, "G U A"]
    bootstrap: Float[Tensor, "G U A"]
    real: Bool[Tensor, "G U A"]
    ended: Bool[Tensor, "G U A"]
    loss: float


@torch.no_grad()
def td_targets(
    learner: QLearner,
    batch: TensorDictBase,
    choices: Choices = Choices(),
    goal: Float[Tensor, "G T A Z"] | None = None,
) -> Targets:
    """Compute TD targets on a regrouped batch with the learner's own networks and returns, as `choices` says.

    With all defaults (and the learner's own settings) the loss equals the learner's. `goal` is the subgoal that the
    agent reads with its inputs.
    """
    varied = copy.copy(learner)  # the same networks under other settings
    varied.config = replace(learner.config, td_steps=choices.td_steps, bootstrap_subgoal=choices.bootstrap_subgoal)
    filled, whole = filled_per_seat(batch), batch.clone()
    whole["filled"] = torch.ones_like(batch["filled"])
    real = torch.zeros_like(filled)
    real[:, :-1] = filled[:, 1:]
    steps = varied.read(whole)
    rows = steps.rows
    steps = replace(steps, real=rows.pack(real))
    goal = None if goal is None else rows.pack(goal)
    hidden = learner.controller.init_hidden(rows.shape[0])["hidden"]
    online, _ = varied.q_values(steps, hidden, goal)
    next_online, next_target = varied.next_q(steps, online, goal)
    valued = next_target if choices.target_network else next_online
    best = greedy(next_online if choices.double_q else valued, rows.following(steps.avail_actions))
    bootstrap = varied.joint(valued.gather(1, best.unsqueeze(1)).squeeze(1), steps, target=True)
    taken = varied.joint(online["q"].gather(1, steps.actions.unsqueeze(1)).squeeze(1), steps)
    target, earned = varied.returns(steps, bootstrap), varied.returns(steps, torch.zeros_like(bootstrap))
    error = rows.unpack((taken - target) ** 2)[:, :-1]
    real = real[:, :-1]
    loss = error[real].mean() if choices.mask else error.mean()
    parts = [rows.unpack(x)[:, :-1] for x in (taken, earned, target - earned)]
    return Targets(*parts, real, rows.unpack(steps.terminated)[:, :-1], float(loss))


def cut_off(targets: Targets) -> tuple[dict[str, int], int]:
    """Count for how many of the rows cut off by the limit each of three answers is true: what is the last target made
    of? Return the counts, and the number of rows.
    """
    rows = [(int(targets.real[g, :, a].sum()) - 1, g, a) for g, a in (~targets.ended.any(dim=1)).nonzero().tolist()]
    kept = [(g, t, a) for t, g, a in rows if targets.real[g, t, a]]
    estimated = sum(float(targets.bootstrap[place]) != 0 for place in kept)
    made_of = {"nothing": len(rows) - len(kept), "the reward": len(kept) - estimated}
    return made_of | {"reward and bootstrap": estimated}, len(rows)
