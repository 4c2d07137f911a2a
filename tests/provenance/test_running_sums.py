"""Returns to go, written as differences of running sums, standardised episodes, and sequences sorted to pack them."""

import pytest
import torch
from torch import nn

from omg_lib.provenance import follow, inputs_of, small_batch
from tests.helpers.provenance.peers import planted
from tests.helpers.provenance.writers import WRITERS


def backwards(rewards):
    total, out = torch.zeros_like(rewards[:, 0]), []
    for t in range(rewards.shape[1] - 1, -1, -1):
        total = rewards[:, t] + total
        out.insert(0, total)
    return torch.stack(out, 1)


RETURNS = {
    "sum - cumsum + x": lambda r: r.sum(1, keepdim=True) - r.cumsum(1) + r,
    "last - cumsum + x": lambda r: r.cumsum(1)[:, -1:] - r.cumsum(1) + r,
    "x - (cumsum - sum)": lambda r: r - (r.cumsum(1) - r.sum(1, keepdim=True)),
    "sum - (cumsum - x)": lambda r: r.sum(1, keepdim=True) - (r.cumsum(1) - r),
    "flipped": lambda r: r.flip(1).cumsum(1).flip(1),
    "loop": backwards,
    "discounted": lambda r: ((r * 0.9 ** torch.arange(8)).flip(1).cumsum(1).flip(1)) / 0.9 ** torch.arange(8),
}


def each(function):
    """The same for one episode at a time."""
    return lambda r: torch.stack([function(x) for x in r])


def _windows(r):
    """Sums of three steps."""
    sums = nn.functional.pad(nn.functional.pad(r, (0, 2)).cumsum(1), (1, 0))
    return sums[:, 3:] - sums[:, :-3]


RETURNS |= {
    "windows": _windows,
    "sums of tails": each(lambda x: torch.stack([x[t:].sum() for t in range(8)])),
    "one episode: sum - cumsum + x": each(lambda x: x.sum() - x.cumsum(0) + x),
    "one episode: the same with axes": each(lambda x: x.sum(0, keepdim=True) - x.cumsum(0) + x),
}
WRONG = {
    "cumsum": lambda r: r.cumsum(1),
    "sum - cumsum": lambda r: r.sum(1, keepdim=True) - r.cumsum(1),
    "cumsum - x": lambda r: r.cumsum(1) - r,
    "flipped once": lambda r: r.flip(1).cumsum(1),
    "turned back too early": lambda r: r.flip(1).flip(1).cumsum(1),
    "tails one late": each(lambda x: torch.stack([x[t + 1 :].sum() for t in range(8)])),
    "sums of heads": each(lambda x: torch.stack([x[: t + 1].sum() for t in range(8)])),
    "all": each(lambda x: torch.stack([x.sum() for t in range(8)])),
    "windows one late": lambda r: _windows(r).roll(-1, 1),
}


def learnt(returns):
    batch = small_batch(groups=6, seats=False)
    torch.manual_seed(0)
    critic = nn.Linear(batch["state"].shape[-1], 1)
    with follow(inputs_of({k: batch[k] for k in ("state", "reward", "filled")}), policy="returns") as found:
        value = critic(batch["state"]).squeeze(-1)
        gain = returns(batch["reward"].squeeze(-1))
        (((value - gain)[:, :-1] ** 2) * batch["filled"][:, 1:, 0]).sum().backward()
    return found.verdict


@pytest.mark.parametrize("name", RETURNS)
def test_returns_to_go_are_clean(name):
    assert learnt(RETURNS[name]) is None


@pytest.mark.parametrize("name", WRONG)
def test_wrong_returns_are_named(name):
    verdict = learnt(WRONG[name])
    assert verdict.kind == "time", str(verdict)
    assert any("gain" in code for code in verdict.code)


STEPS = small_batch(groups=6, seats=False)["filled"].sum((1, 2)) - 1


def standardised(function, *others):
    """The same for each episode, cut to its length: function(x, n, the same of other episodes)."""

    def run(r):
        cut = [(x[:n], n) for x, n in zip(r, STEPS.tolist(), strict=True)]
        rows = [function(*cut[e], *(cut[e + other] for other in others)) for e in range(len(r))]
        return torch.stack([nn.functional.pad(x, (0, len(r[0]) - len(x))) for x in rows])

    return run


def by_hand(x, n, other=None):
    y, n = other or (x, n)
    mean = y.sum() / n
    return (x - mean) / (((y - mean) ** 2).sum() / n).sqrt()


def by_squares(x, n):
    return (x - x.sum() / n) * ((x**2).sum() / n - (x.sum() / n) ** 2).rsqrt()


def by_function(x, n, other=None):
    y, _ = other or (x, n)
    return (x - y.mean()) / (y.std(correction=0) + 1e-5)


def togo(x):
    return x.flip(0).cumsum(0).flip(0)


STANDARDISED = {
    "by hand": standardised(by_hand),
    "by squares": standardised(by_squares),
    "by functions": standardised(by_function),
    "only centred": standardised(lambda x, n: x - x.sum() / n),
    "only divided": standardised(lambda x, n: x / x.sum()),
    "returns": standardised(lambda x, n: by_hand(togo(x), n)),
    "returns of it": standardised(lambda x, n: togo(by_hand(x, n))),
}
MISTAKEN = {
    "by another's": (standardised(by_hand, -1), "episode"),
    "by another's functions": (standardised(by_function, -1), "episode"),
    "only divided by another's": (standardised(lambda x, n, other: x / other[0].sum(), -1), "episode"),
    "with padding": (each(lambda x: by_hand(x, 8)), "padding"),
    "functions with padding": (each(lambda x: by_function(x, 8)), "padding"),
    "centred with padding": (each(lambda x: x - x.sum() / 8), "padding"),
    "the wrong step": (standardised(lambda x, n: by_hand(x, n).roll(1)), "time"),
    "the mean itself": (standardised(lambda x, n: (x.sum() / n).expand(n)), "time"),
    "sums of it": (standardised(lambda x, n: by_hand(x, n).cumsum(0)), "time"),
}


@pytest.mark.parametrize("name", STANDARDISED)
def test_standardising_one_episode_is_clean(name):
    assert learnt(STANDARDISED[name]) is None


@pytest.mark.parametrize("name", MISTAKEN)
def test_standardising_by_what_is_not_its_episode_is_named(name):
    function, kind = MISTAKEN[name]
    verdict = learnt(function)
    assert verdict.kind == kind, str(verdict)


@pytest.mark.parametrize(("function", "kind"), [(by_hand, None), (lambda x, n: by_hand(x, 8), "padding")])
def test_so_is_the_episode_of_one_seat(function, kind):
    """Each seat has its own reward; padding is cut only where it must be."""
    batch = small_batch(groups=6, seats=False)
    reward, (episodes, _, agents, _) = batch["reward"].repeat(1, 1, 4), batch["obs"].shape
    inputs = {"obs": (batch["obs"], "e t a _"), "reward": (reward, "e t a"), "filled": (batch["filled"], "e t _")}
    critic, loss = nn.Linear(batch["obs"].shape[-1], 1), 0.0
    with follow(inputs, policy="returns") as found:
        for e in range(episodes):
            n = int(STEPS[e])
            for a in range(agents):
                gain = function(reward[e, : n if kind is None else 8, a], n)[:n]
                loss = loss + ((critic(batch["obs"][e, :n, a]).squeeze(-1) - gain) ** 2).sum()
        loss.backward()
    assert (found.verdict and found.verdict.kind) == kind, str(found.verdict)


PACKED = [
    ("x = torch.cat([obs, before], dim=-1)", "x = torch.cat([obs, before], dim=-1).roll(1, 0)"),
    ("x = torch.cat([obs, before], dim=-1)", "x = torch.cat([obs, before], dim=-1).roll(1, 1)"),
    ("obs = torch.stack([batch[\"obs\"][e, :, seat]", "obs = torch.stack([batch[\"obs\"][e - 1, :, seat]"),
    ("obs = torch.stack([batch[\"obs\"][e, :, seat]", "obs = torch.stack([batch[\"obs\"][e, :, seat - 1]"),
    ("(0, 0, 1, 0))[:, :-1]", "(0, 0, 1, 0))[:, 1:]"),
    ("q = net.last(memory)", "q = net.last(memory).roll(1, 0)"),
]


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize(("old", "new"), PACKED)
def test_a_fault_before_packing_is_named_at_its_line(cell, old, new):
    function, net, policy = WRITERS["packed"]
    function, where = planted(function, old, new)
    batch = small_batch()
    net = net(batch["obs"].shape[-1], batch["avail_actions"].shape[-1])
    net.rnn = cell(net.rnn.input_size, net.rnn.hidden_size, batch_first=True)
    with follow(inputs_of(batch), seat=batch["seat"], policy=policy) as found:
        function(batch, net).backward()
    assert where in found.verdict.lines, str(found.verdict)
