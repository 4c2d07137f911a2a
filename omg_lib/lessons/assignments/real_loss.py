"""A student's OMG loss beside the learner's own, on a batch of a real run."""

from __future__ import annotations

from collections.abc import Callable

import torch

from omg_lib.checks import Verdict
from omg_lib.config import OMGConfig
from omg_lib.episodes import living
from omg_lib.experiment.measures import play_tests
from omg_lib.learners.omg import OMGLearner
from omg_lib.regroup import regroup
from omg_lib.subgoals import last_step
from omg_lib.training import Training
from omg_lib.words import _

SMALL = OMGConfig(n_agents=3, batch_size=4, batch_size_run=3, updates=2, test_nepisode=3, device="cpu")


def beside_learner(omg_loss: Callable, config: OMGConfig = SMALL) -> Verdict:
    """Train a small run, and call `omg_loss(obs, rebuilt, mu, log_var, goal_mu, goal_log_var, last, weight)` on its
    batch. Compare to five digits, because of float32.
    """
    with Training(config) as run:
        list(run)
        theirs, arguments = terms(run)
    try:
        mine = float(omg_loss(*arguments))
    except NotImplementedError:
        return Verdict("open", _("Not answered yet: do tasks 6, 7 and 8 first."))
    except Exception as error:  # report whatever a student's code raises
        return Verdict(
            "wrong", _("Not yet: it stops with {name}: {error}").format(name=type(error).__name__, error=error)
        )
    right = abs(mine - theirs) <= 1e-5 * max(1.0, abs(theirs))
    said = _("Right: yours is {mine:.5f}, the learner's {theirs:.5f}.")
    if not right:
        said = _("Not yet: yours is {mine:.5f}, the learner's {theirs:.5f}.")
    return Verdict("right" if right else "wrong", said.format(mine=mine, theirs=theirs))


@torch.no_grad()
def terms(run: Training) -> tuple[float, tuple]:
    """Return the learner's loss on test episodes, and what it is computed from, by slot and step."""
    learner = run.learner
    assert isinstance(learner, OMGLearner)
    batch = regroup(play_tests(run, 2 * run.config.n_agents))
    steps = learner.read(batch)
    rows, noise = steps.rows, learner.draw_noise(steps)
    told, found = learner.omg_loss(batch, steps, noise, mix=0.0)
    inferred = learner.infer(steps, rows.pack(noise["cvae"]))
    rebuilt = learner.inference.reconstruct(inferred.goal, inferred.context)
    last = last_step(living(batch, run.env.info))
    chosen = torch.cat([found["chosen"], torch.zeros_like(found["chosen"][:, :1])], dim=1)
    time = torch.arange(chosen.shape[1]).reshape(1, -1, 1)
    ahead = torch.minimum(time + 1 + chosen, last.unsqueeze(1)).unsqueeze(3)
    goals = [x.take_along_dim(ahead, dim=1) for x in learner.prior(batch["obs"])]
    gaussians = [rows.unpack(inferred.mu), rows.unpack(inferred.log_var), *goals]
    arguments = (batch["obs"], rows.unpack(rebuilt), *gaussians, last, run.config.kl_weight)
    return float(told.metrics["omg_loss"]), arguments
