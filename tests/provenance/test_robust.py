"""What must not matter: the size of the batch, the number format, and that `follow` looks on at all."""

import pytest
import torch

from omg_lib.provenance import follow, inputs_of, small_batch
from tests.helpers.provenance.cases import followed, plain
from tests.helpers.provenance.faults import PLAIN
from tests.helpers.provenance.last_school import LAST, Last
from tests.helpers.provenance.peers import planted
from tests.helpers.provenance.plain_loop import update
from tests.helpers.provenance.schools import SCHOOLS

ALL = [*SCHOOLS, *LAST]


def case(name):
    """A learner of the fourth or fifth table: what to run, its network, its batch and its policy."""
    seats = name == "looks"
    batch = small_batch(groups=3 if seats else 6, seats=seats)
    widths = [batch[key].shape[-1] for key in ("obs", "state", "avail_actions")]
    torch.manual_seed(0)
    if name in LAST:
        (function, policy), net = LAST[name], Last(*widths)
    else:
        function, kind, policy = SCHOOLS[name]
        net = kind(*widths, batch["obs"].shape[2])
    return function, net, batch, policy


def ran(name, inside):
    """The loss and the gradients of one update, inside `follow` or alone."""
    function, net, batch, policy = case(name)
    torch.manual_seed(1)
    if inside:
        with follow(inputs_of(batch), seat=batch.get("seat"), policy=policy):
            loss = function(batch, net)
            if loss is not None:
                loss.backward()
    else:
        loss = function(batch, net)
        if loss is not None:
            loss.backward()
    return [loss, *(p.grad for p in net.parameters())], torch.rand(1)


@pytest.mark.parametrize("name", ALL)
def test_nothing_changes_bit_for_bit(name):
    (alone, drawn), (inside, same) = ran(name, False), ran(name, True)
    assert torch.equal(drawn, same)
    assert any(x is not None for x in alone)
    for x, y in zip(alone, inside, strict=True):
        assert (x is None and y is None) or (x.dtype == y.dtype and torch.equal(x, y))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, torch.float64) for name in ("sequences", "lambdas", "joint", "lists")),
     *((name, torch.bfloat16) for name in ("lambdas", "lists"))],  # the others convert to float32 themselves
)  # fmt: skip
def test_other_number_formats_are_clean(name, dtype):
    function, net, batch, policy = case(name)
    batch = {key: x.to(dtype) if x.is_floating_point() else x for key, x in batch.items()}
    inputs = inputs_of(batch)
    if name in ("lambdas", "joint"):
        inputs.pop("state")
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with follow(inputs, policy=policy) as found:
            function(batch, net.to(dtype)).backward()
    finally:
        torch.set_default_dtype(before)
    assert found.verdict is None, str(found.verdict)


@pytest.mark.parametrize("name", ["sequences", "joint"])
def test_autocast_is_clean(name):
    function, net, batch, policy = case(name)
    inputs = {key: x for key, x in inputs_of(batch).items() if name == "sequences" or key != "state"}
    with follow(inputs, policy=policy) as found:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = function(batch, net)
        loss.backward()
    assert found.verdict is None, str(found.verdict)


@pytest.mark.slow
@pytest.mark.parametrize("what", [fault.what for fault in PLAIN])
def test_a_small_batch_gives_the_verdict_of_a_large_one(what):
    fault = next(fault for fault in PLAIN if fault.what == what)
    function, (_, line) = planted(update, fault.old, fault.new)
    small, large = (followed(plain(function, **size)).verdict for size in ({}, dict(groups=3, agents=8, steps=24)))
    assert (small.kind, small.lines[0]) == (large.kind, large.lines[0])
    for verdict in (small, large):
        assert any(abs(number - line) <= 1 for _, number in verdict.lines), str(verdict)
