"""A second table of held-out faults, each beside harmless rewritings of the same lines: named, and no false alarm."""

import pytest
import torch

from omg_lib.provenance import follow, inputs_of, small_batch
from tests.helpers.provenance.peers import judged, planted
from tests.helpers.provenance.writers import WRITERS

FAULTS = [
    ("buffers", "q[:, t] = net(obs[:, t])", "q[:, t] = net(obs[:, max(t - 1, 0)])", "time"),
    ("buffers", "q[:, t] = net(obs[:, t])", "q[:, t] = net(obs[:, t].flip(1))", "seat"),
    ("buffers", "q[:, t] = net(obs[:, t])",
     "q[:, t] = net(obs.reshape(steps, episodes, agents, width)[t])", "time episode seat"),
    ("buffers", 'torch.where(batch["avail_actions"], q',
     'torch.where(batch["avail_actions"].roll(1, 2), q', "seat"),
    ("buffers", 'torch.where(batch["avail_actions"], q',
     'torch.where(batch["avail_actions"].roll(-1, 1), q', "time"),
    ("buffers", "functional.one_hot(acts, q.shape[-1])", "functional.one_hot(acts.flip(0), q.shape[-1])", "episode"),
    ("buffers", "functional.one_hot(acts, q.shape[-1])", "functional.one_hot(acts.flip(2), q.shape[-1])", "seat"),
    ("buffers", 'batch["reward"][:, t] + GAMMA', 'batch["reward"][:, t + 1] + GAMMA', "time"),
    ("buffers", "alive[:, t, None] * later", "alive[:, t + 1, None] * later", "time"),
    ("buffers", "0.2 * best[:, t + 1]", "0.2 * best[:, t]", "time"),
    ("buffers", "chosen[:, :-1] - returns[:, :-1]", "chosen[:, :-1] - returns[:, 1:]", "time"),
    ("buffers", "real[:, 1:, None] > 0", "real[:, :-1, None] > 0", "padding"),
    ("packed", 'batch["obs"][e, :, seat]', 'batch["obs"][e, :, seats[e - 1]]', "teammate seat"),
    ("packed", 'batch["actions"][e, :, seat]', 'batch["actions"][e, :, (seat + 1) % 4]', "teammate seat"),
    ("packed", 'batch["avail_actions"][e, :, seat]', 'batch["avail_actions"][e - 1, :, seat]', "episode"),
    ("packed", "functional.pad(onehot, (0, 0, 1, 0))[:, :-1]", "functional.pad(onehot, (0, 0, 0, 1))[:, 1:]", "time"),
    ("packed", "functional.pad(onehot, (0, 0, 1, 0))[:, :-1]", "onehot", "time"),
    ("packed", "x = torch.cat([obs, before], dim=-1)",
     "x = torch.cat([obs, before], dim=-1)[batch['reward'].sum((1, 2)).argsort()]", "episode teammate"),
    ("packed", "net.rnn(line)[0]", "net.rnn(line, None)[0]._replace(unsorted_indices=None)", "episode teammate"),
    ("packed", "ahead.roll(-1, 1)", "ahead.roll(1, 1)", "time"),
    ("packed", 'batch["reward"] + GAMMA', 'batch["reward"].flatten().flip(0).view_as(ahead) + GAMMA', "episode time"),
    ("heads", "net.talk(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])",
     "net.talk(obs.transpose(1, 2).flatten(0, 1)).unflatten(0, (6, 4)).transpose(1, 2)", "time"),
    ("heads", "net.talk(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])",
     "net.talk(obs.transpose(0, 1).flatten(0, 1)).unflatten(0, obs.shape[:2])", "time episode"),
    ("heads", "functional_call(net, old, (x,)))(obs)", "functional_call(net, old, (x,)), 0, 1)(obs).reshape(q.shape)",
     "time episode"),
    ("heads", "q_old.gather(-1, greedy)[:, 1:]", "q_old[:, 1:].gather(-1, greedy[:, :-1])", "time"),
    ("heads", "q_old.gather(-1, greedy)[:, 1:]", "q_old.gather(-1, greedy.flip(0))[:, 1:]", "episode"),
    ("heads", 'masked_fill(~batch["avail_actions"]', 'masked_fill(~batch["avail_actions"].roll(1, 0)', "episode"),
    ("windows", "(0, n - 1)).unfold(1, n, 1)\n    sums", "(n - 1, 0)).unfold(1, n, 1)\n    sums", "time"),
    ("windows", "(0, n))[:, n:]", "(0, n - 1))[:, n - 1 :]", "time"),
    ("windows", "delta.flip(1).cumsum(1).flip(1)", "delta.cumsum(0)", "episode"),
    ("windows", "delta.flip(1).cumsum(1).flip(1)", "delta.cumsum(1)", "time"),
    ("windows", "delta.flip(1).cumsum(1).flip(1)", "delta.flip(1).cumsum(1)", "time"),
    ("windows", "(logs[:, :-1] * advantage * mask)", "(logs[:, 1:] * advantage * mask)", "time"),
    ("windows", "((values - gain)[:, :-1] * mask)", "((values - gain[:, None])[:, :, :-1] * mask)", "episode"),
    ("windows", "mask = filled[:, 1:]", "mask = filled[:, 1:].T.reshape(6, -1)", "episode padding"),
]  # fmt: skip
"""Whose, what, what instead, the verdicts that name it."""

HARMLESS = [
    ("buffers", "q[:, t] = net(obs[:, t])", "q.select(1, t).copy_(net(obs.select(1, t)))"),
    ("buffers", "q[:, t] = net(obs[:, t])", "q[:, t] = torch.stack([net(x) for x in obs[:, t].unbind(1)], 1)"),
    ("buffers", 'torch.where(batch["avail_actions"], q.detach(), -9.0)',
     'torch.where(~batch["avail_actions"], -9.0, q.detach())'),
    ("buffers", "(q * functional.one_hot(acts, q.shape[-1])).sum(-1)",
     'torch.einsum("etac,etac->eta", q, functional.one_hot(acts, q.shape[-1]).float())'),
    ("buffers", "alive[:, t, None] * later", "later.mul(alive.narrow(1, t, 1))"),
    ("buffers", "torch.masked_select(chosen[:, :-1] - returns[:, :-1], real[:, 1:, None] > 0)",
     "(chosen - returns)[:, :-1][real[:, 1:] > 0]"),
    ("packed", "functional.pad(onehot, (0, 0, 1, 0))[:, :-1]",
     "torch.zeros_like(onehot).slice_scatter(onehot[:, :-1], 1, 1)"),
    ("packed", "functional.pad(onehot, (0, 0, 1, 0))[:, :-1]",
     "torch.cat([torch.zeros_like(onehot[:, :1]), onehot[:, :-1]], 1)"),
    ("packed", "x = torch.cat([obs, before], dim=-1)", "x = torch.cat([before, obs], dim=-1)"),
    ("packed", 'torch.stack([batch["obs"][e, :, seat] for e, seat in enumerate(seats)])',
     'torch.cat([batch["obs"][e : e + 1, :, s] for e, s in enumerate(seats)])'),
    ("packed", "lengths = batch", "x = x.flip(0).flip(0)[torch.arange(12)]\n    lengths = batch"),
    ("packed", "ahead.roll(-1, 1)", "functional.pad(ahead[:, 1:], (0, 0, 0, 1))"),
    ("packed", "ahead.roll(-1, 1)", "ahead.roll(-1)"),  # the last step, which is another episode's, is cut off
    ("packed", "torch.take_along_dim(q, acts, dim=-1)", "(q * onehot).sum(-1, keepdim=True)"),
    ("packed", 'batch["reward"] + GAMMA', "torch.tensor(1.0) * batch['reward'] + GAMMA"),
    ("heads", "net.talk(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])",
     "net.talk(obs.transpose(0, 1).flatten(0, 1)).unflatten(0, (8, 6)).transpose(0, 1)"),
    ("heads", "functional_call(net, old, (x,)))(obs)",
     "functional_call(net, old, (x,)), 1, 1)(obs)"),
    ("heads", "q_old.gather(-1, greedy)[:, 1:]", "q_old[:, 1:].gather(-1, greedy[:, 1:])"),
    ("heads", "going * ahead", "torch.where(going, ahead, 0.0)"),
    ("heads", "** 2).mean()", '** 2)[batch["filled"][:, 1:]].mean()'),
    ("windows", "delta.flip(1).cumsum(1).flip(1)",
     "delta @ torch.ones(delta.shape[1], delta.shape[1]).tril()"),
    ("windows", "(0, n))[:, n:]", "(0, n)).unfold(1, n + 1, 1)[..., -1]"),
    ("windows", "sums = rewards @ GAMMA ** torch.arange(n)", "sums = (rewards * GAMMA ** torch.arange(n)).sum(-1)"),
    ("windows", "((values - gain)[:, :-1] * mask)", "((values - gain)[:, :-1][mask > 0])"),
    ("windows", "functional.one_hot(batch[\"actions\"].squeeze(-1)).float())",
     "torch.eye(4)[batch[\"actions\"].squeeze(-1)])"),
]  # fmt: skip
"""Whose, what, and another way to write the same."""


def traced(name, function=None):
    """What `follow` finds in one update of a learner, or of a changed one."""
    own, net, policy = WRITERS[name]
    batch = small_batch(groups=3 if name == "packed" else 6, seats=name == "packed")
    torch.manual_seed(0)
    net = net(batch["obs"].shape[-1], batch["avail_actions"].shape[-1])
    with follow(inputs_of(batch), seat=batch.get("seat"), policy=policy) as found:
        (function or own)(batch, net).backward()
    return found


@pytest.mark.slow
def test_faults_in_other_styles_are_named():
    results = judged(FAULTS, {name: own for name, (own, *_) in WRITERS.items()}, traced)
    assert set(results) <= {"named", "elsewhere"}, results  # later lines moved it again: named where it met
    assert results.count("named") >= len(FAULTS) - 1, results


@pytest.mark.parametrize("name", WRITERS)
def test_other_styles_are_clean(name):
    assert traced(name).verdict is None


@pytest.mark.parametrize(("name", "old", "new"), HARMLESS)
def test_another_way_to_write_it_is_no_alarm(name, old, new):
    verdict = traced(name, planted(WRITERS[name][0], old, new)[0]).verdict
    assert verdict is None, str(verdict)
