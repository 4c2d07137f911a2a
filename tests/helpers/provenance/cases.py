"""Learners that tests follow: what to run, on which inputs, under which policy."""

from __future__ import annotations

from types import SimpleNamespace

import torch

import omg_lib as omg
from omg_lib.provenance import Policy, follow, inputs_of, small_batch
from tests.helpers.provenance.plain_loop import Net, update

MODELS = Policy(shared=("actions", "obs"))
OURS = {
    "iql": "independent", "oracle": "independent", "iql_actions": Policy(shared=("actions",)), "naive_om": MODELS,
    "liam": MODELS, "omg": "omg", "vdn": "team", "qmix": "team",
}  # fmt: skip
PYMARL = {
    "independent": (dict(), "independent"),
    "vdn": (dict(mixer="vdn"), "team"),
    "qmix": (dict(mixer="qmix"), "team"),
    "coma": (dict(learner="coma_learner.COMALearner", agent_output_type="pi_logits"), "returns"),
    "qtran": (dict(learner="qtran_learner.QLearner", mixer="qtran_base"), "team"),
    "qtran, other": (dict(learner="qtran_learner.QLearner", mixer="qtran_base", qtran_arch="coma_critic"), "team"),
}
ACTOR = dict(learner="actor_critic_learner.ActorCriticLearner", agent_output_type="pi_logits")
PPO = dict(learner="ppo_learner.PPOLearner", agent_output_type="pi_logits")
EPYMARL = {
    "independent": (dict(standardise_rewards=False), "independent"),
    "vdn": (dict(mixer="vdn", standardise_rewards=False), "team"),
    "qmix": (dict(mixer="qmix", standardise_rewards=False), "team"),
    "qmix, standardised": (dict(mixer="qmix"), "returns"),
    "actor-critic": (ACTOR, "returns"),
    "actor-critic, central": (ACTOR | dict(critic_type="cv_critic"), "returns"),
    "ppo": (PPO, "returns"),
    "ppo, central": (PPO | dict(critic_type="cv_critic"), "returns"),
}


def plain(function=update, seed=0, hidden=16, **sizes):
    """A plain loop that is ready to run: `train()`, `inputs`, `seat`."""
    batch = small_batch(seed=seed, **sizes)
    seat, inputs = batch["seat"][:, 0, 0], {k: v for k, v in inputs_of(batch).items() if k != "state"}
    agents, width, actions = batch["obs"].shape[2], batch["obs"].shape[3], batch["avail_actions"].shape[3]
    torch.manual_seed(0)
    net, target = (Net(width + actions + agents, actions, hidden) for _ in range(2))
    return SimpleNamespace(
        inputs=inputs, seat=seat, net=net, batch=batch, train=lambda: function(batch, seat, net, target)
    )


def ours(learner, agents=4, groups=3, **settings):
    """One of our learners, with a sample of its own buffer."""
    teammates = dict(teammates="scripted") if learner == "iql" else {}
    config = omg.OMGConfig(
        n_agents=agents, batch_size=groups, learner=learner, updates=1, device="cpu", **(teammates | settings)
    )
    run = omg.Training(config)
    for _ in run:
        pass
    sample = run.buffer.sample(config.sample_size)
    sample = sample[:, : sample.max_t_filled()]
    seat = sample["seat"] if "seat" in sample.keys() else None
    return SimpleNamespace(
        inputs=inputs_of(sample), seat=seat, learner=run.learner, train=lambda: run.learner.train(sample, 100, 1)
    )


def followed(case, policy="independent"):
    """What `follow` finds in one update."""
    with follow(case.inputs, seat=getattr(case, "seat", None), policy=policy) as found:
        case.train()
    return found
