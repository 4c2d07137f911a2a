"""A fifth table, written after the fourth: its first run says what the engine is worth on code that nobody has seen."""

import pytest
import torch

from omg_lib.provenance import follow, inputs_of, small_batch
from tests.helpers.provenance.last_school import LAST, Last
from tests.helpers.provenance.peers import judged, planted

FAULTS = [
    ("lists", 'states = [batch["state"][e, :n]', 'states = [batch["state"][e, 1 : n + 1]', "time"),
    ("lists", 'states = [batch["state"][e, :n]', 'states = [batch["state"][e - 1, :n]', "episode"),
    ("lists", "togo = [r.sum(0, keepdim=True) - r.cumsum(0) + r for r in rewards]",
     "togo = [r.cumsum(0) for r in rewards]", "time"),
    ("lists", "togo = pad_sequence(togo, batch_first=True)", "togo = pad_sequence(togo[::-1], batch_first=True)",
     "episode"),
    ("lists", 'log_pi.gather(-1, batch["actions"])', 'log_pi.gather(-1, batch["actions"].flip(2))', "seat"),
    ("lists", "pad_sequence([log_pi[e, :n] for", "pad_sequence([log_pi[e, :n].flip(0) for", "time"),
    ("stream", 'reward = batch["reward"].repeat_interleave(agents, 0)', 'reward = batch["reward"].repeat(agents, 1, 1)',
     "episode"),
    ("stream", "if first[t]:", "if t == 0:", "seat episode"),
    ("stream", "ahead[:-1] = best[1:]", "ahead[:-1] = best[:-1]", "time"),
    ("stream", "keep = filled.roll(-1) & ~last.flatten()", "keep = filled & ~last.flatten()", "padding"),
    ("stream", 'free = batch["avail_actions"].transpose(1, 2)', 'free = batch["avail_actions"]', "seat time"),
    ("stream", "acts.flatten(0, 1)).squeeze(1)", "acts.transpose(0, 1).flatten(0, 1)).squeeze(1)", "episode seat time"),
]  # fmt: skip
"""Whose, what, what instead, the verdicts that name it."""

HARMLESS = [
    ("lists", "line = pack_sequence(states, enforce_sorted=False)",
     "line = torch.nn.utils.rnn.pack_padded_sequence(pad_sequence(states), lengths, enforce_sorted=False)"),
    ("lists", "togo = [r.sum(0, keepdim=True) - r.cumsum(0) + r for r in rewards]",
     "togo = [r.flip(0).cumsum(0).flip(0) for r in rewards]"),
    ("lists", "togo = [r.sum(0, keepdim=True) - r.cumsum(0) + r for r in rewards]",
     "togo = [torch.stack([r[t:].sum() for t in range(len(r))]) for r in rewards]"),
    ("lists", "togo = pad_sequence(togo, batch_first=True)", "togo = pad_sequence(togo).T"),
    ("lists", "actor = -(log_pi * advantage * exists).sum()",
     "actor = -torch.einsum('et,et,et->', log_pi, advantage, exists)"),
    ("lists", "critic = ((value - togo) * exists).pow(2).sum()",
     "critic = sum(functional.mse_loss(value[e, :n], togo[e, :n], reduction='sum') for e, n in enumerate(lengths))"),
    ("stream", "ahead[-1] = 0", "ahead[-1].zero_()"),
    ("stream", "ahead = torch.empty_like(best)", "ahead = best.clone()"),
    ("stream", 'reward = batch["reward"].repeat_interleave(agents, 0).flatten()',
     'reward = batch["reward"].squeeze(-1)[:, None].expand(-1, agents, -1).reshape(-1)'),
    ("stream", "x, first = obs.flatten(0, 1), first.flatten()", "x, first = torch.cat(list(obs)), first.ravel()"),
    ("stream", "chosen[keep], target[keep]", "chosen.masked_select(keep), target.masked_select(keep)"),
    ("stream", "hidden, cell = torch.zeros(1, 8), torch.zeros(1, 8)\n        hidden",
     "hidden, cell = hidden * 0, cell * 0\n        hidden"),
]  # fmt: skip
"""Whose, what, and another way to write the same."""


def traced(name, function=None):
    """What `follow` finds in one update of a learner, or of a changed one."""
    own, policy = LAST[name]
    batch = small_batch(groups=5, seats=False)
    torch.manual_seed(0)
    net = Last(*(batch[key].shape[-1] for key in ("obs", "state", "avail_actions")))
    fields = inputs_of(batch)
    if name == "stream":
        fields.pop("state")
    with follow(fields, policy=policy) as found:
        (function or own)(batch, net).backward()
    return found


@pytest.mark.slow
def test_faults_in_two_last_styles_are_named():
    """On the first run 9 were named and 3 elsewhere; one of the two styles raised a false alarm by itself."""
    results = judged(FAULTS, {name: own for name, (own, *_) in LAST.items()}, traced)
    assert set(results) <= {"named", "elsewhere"}, results
    assert results.count("named") >= len(FAULTS) - 2, results


@pytest.mark.parametrize("name", LAST)
def test_two_last_styles_are_clean(name):
    found = traced(name)
    assert found.verdict is None, str(found.verdict)
    assert found.unknown == []


@pytest.mark.parametrize(("name", "old", "new"), HARMLESS)
def test_another_way_to_write_it_is_no_alarm(name, old, new):
    """On the first run 7 of 12 were clean: sums of one episode, and a memory times 0, raised alarms."""
    verdict = traced(name, planted(LAST[name][0], old, new)[0]).verdict
    assert verdict is None, str(verdict)
