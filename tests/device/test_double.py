"""The device double behaves as a GPU does where it matters: places, counts, memory."""

import pytest
import torch
from torch import nn

from tests.helpers import device_double
from tests.helpers.device_double import Counts, counting


@pytest.fixture
def card(double):
    return double


def test_numbers_are_those_of_the_host(card):
    torch.manual_seed(0)
    x, layer = torch.randn(5, 3), nn.Linear(3, 2)
    expected = torch.relu(layer(x)).sum()
    expected.backward()
    there = nn.Linear(3, 2).to(card)
    there.load_state_dict(layer.state_dict())
    found = torch.relu(there(x.to(card))).sum()
    found.backward()
    assert found.device.type == device_double.NAME
    assert torch.equal(found.detach().cpu(), expected.detach())
    assert torch.equal(there.weight.grad.cpu(), layer.weight.grad)


MIXES = {
    "a sum": lambda here, there: here + there,
    "a product": lambda here, there: there @ here,
    "joining": lambda here, there: torch.cat([here, there]),
    "picking from the host": lambda here, there: here[there.long()],
    "reading as numpy": lambda here, there: there.numpy(),
}


@pytest.mark.parametrize("mix", MIXES)
def test_mixing_places_raises_as_on_cuda(device, mix):
    here, there = torch.ones(3, 3), torch.ones(3, 3, device=device)
    with pytest.raises((RuntimeError, TypeError), match="same device|indices should be|can't convert"):
        MIXES[mix](here, there)


COUNTED = {
    "two kernels": (lambda x: (x + 1) * 2, Counts(launches=2)),
    "a view": (lambda x: x[1:].t().unflatten(0, (1, 2)), Counts()),
    "allocating": (lambda x: torch.empty(3, device=x.device), Counts()),
    "an upload": (lambda x: torch.ones(3).to(x.device), Counts(uploads=1, unpinned=1)),
    "a pinned upload": (lambda x: x.flatten().view(torch.uint8)[:4].copy_(device_double.pinned(4)), Counts(uploads=1)),
    "a download": (lambda x: x.cpu(), Counts(downloads=1, waits=1)),
    "a number": (lambda x: float(x[0, 0]), Counts(waits=1)),
    "a list": (lambda x: x.tolist(), Counts(waits=1)),
    "which ones": (lambda x: x.nonzero(), Counts(launches=1, waits=1)),
    "a mask as index": (lambda x: x[x > 0], Counts(launches=3, waits=1)),
    "indices of the host": (lambda x: x[torch.tensor([0, 1])], Counts(launches=1, uploads=1, unpinned=1)),
    "where with a scalar, made on the device": (lambda x: torch.where(x > 0, x, 0.0), Counts(launches=3)),
    "many weights at once": (lambda x: torch._foreach_mul_([x, x.clone(), x.clone()], 2.0), Counts(launches=3)),
}


@pytest.mark.parametrize("what", COUNTED)
def test_counts_are_exact(card, what):
    work, expected = COUNTED[what]
    x = torch.ones(4, 2).to(card)
    with counting() as counts:
        work(x)
    assert counts == expected


def test_a_gru_over_whole_sequences_is_one_launch_each_way_and_the_host_s_numbers(card):
    torch.manual_seed(0)
    here, there = nn.GRU(3, 4), nn.GRU(3, 4).to(card)
    there.load_state_dict(here.state_dict())
    x, start = torch.randn(7, 5, 3), torch.randn(1, 5, 4)
    here(x, start)[0].square().sum().backward()
    x, start = x.to(card), start.to(card)
    with counting() as forward:
        out, _ = there(x, start)
    with counting() as single:
        torch.gru_cell(x[0], start[0], *there.all_weights[0])
    with counting() as backward:
        out.sum().backward()
    assert forward == Counts(launches=1) and single.launches == 3
    assert backward.launches <= 4, "the gradient of the sum, the GRU's, and at most two more"
    there.zero_grad()
    there(x, start)[0].square().sum().backward()
    for one, other in zip(there.parameters(), here.parameters(), strict=True):
        torch.testing.assert_close(one.grad.cpu(), other.grad)


def test_memory_is_counted_until_the_last_view_is_gone(card):
    before = device_double.MEMORY.used
    x = torch.zeros(1000, device=card)
    view = x[:10]
    assert device_double.MEMORY.used == before + 4000
    del x
    assert device_double.MEMORY.used == before + 4000
    del view
    assert device_double.MEMORY.used == before
    with device_double.memory_of(3000), pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        torch.zeros(1000, device=card)
    torch.zeros(1000, device=card)


def test_random_numbers_are_a_function_of_the_seed(device):
    draws = [torch.randn(5, generator=torch.Generator(device).manual_seed(3), device=device).cpu() for _ in range(2)]
    assert torch.equal(*draws) and draws[0].std() > 0
