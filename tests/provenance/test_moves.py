"""Operations that move elements move labels exactly, however unusual; what is not known is named, and nothing stops."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from omg_lib.provenance import follow, small_batch

E, T, A, F = 3, 5, 2, 4
OBS = torch.arange(E * T * A * F, dtype=torch.float32).reshape(E, T, A, F) + 1
ROWS = torch.tensor([2, 0, 1])
WIDE = ROWS.view(E, 1, 1, 1).expand(E, T, A, F)
LENGTHS = torch.tensor([2, 5, 3])


def zeros():
    return torch.zeros(E, T, A, F)


def packed(x):
    return nn.utils.rnn.pack_padded_sequence(x[:, :, 0], LENGTHS, batch_first=True, enforce_sorted=False)


MOVES = {
    "scatter": lambda x: zeros().scatter(0, WIDE, x),
    "scatter_add": lambda x: zeros().scatter_add(0, WIDE, x),
    "index_add": lambda x: zeros().index_add_(0, ROWS, x),
    "index_copy": lambda x: zeros().index_copy(0, ROWS, x),
    "index_fill": lambda x: x.index_fill(1, torch.tensor([1]), 0.0),
    "masked_scatter": lambda x: zeros().masked_scatter(zeros() == 0, x.flip(0)),
    "take": lambda x: x.take(torch.tensor([0, 50, 119])),
    "put": lambda x: zeros().put(torch.arange(120).flip(0), x),
    "select_scatter": lambda x: torch.select_scatter(zeros(), x[:, 1], 1, 3),
    "slice_scatter": lambda x: torch.slice_scatter(zeros(), x[:, 1:3], 1, 3, 5),
    "rot90": lambda x: torch.rot90(x, 1, (0, 1)),
    "roll of all": lambda x: x.roll(8),
    "pad by reflection": lambda x: functional.pad(x.flatten(2).transpose(1, 2), (2, 1), mode="reflect"),
    "pad in a circle": lambda x: functional.pad(x.flatten(2).transpose(1, 2), (1, 1), mode="circular"),
    "windows": lambda x: x.unfold(1, 3, 2).contiguous(),
    "packed sequences": lambda x: packed(x).data,
    "packed and padded": lambda x: nn.utils.rnn.pad_packed_sequence(packed(x), batch_first=True)[0],
    "embedding": lambda x: functional.embedding(ROWS, x[:, :, 0, 0]),
    "a permutation as a product": lambda x: (torch.eye(E)[ROWS] @ x.flatten(1)).view(E, T, A, F),
    "einsum": lambda x: torch.einsum("etad,ef->ftad", x, torch.eye(E)[ROWS]),
    "sort": lambda x: x.sort(1, descending=True)[0],
    "topk": lambda x: x.topk(2, 1)[0],
    "vmap": lambda x: torch.func.vmap(lambda y: y.flip(0))(x),
    "turned in place": lambda x: x.clone().transpose_(0, 1),
    "set": lambda x: torch.empty(0).set_(x.flip(0)),
    "seen as complex": lambda x: torch.view_as_real(torch.view_as_complex(x.reshape(E, T, A, 2, 2))).roll(1, 0),
    "writes through nested views": lambda x: zeros().flatten()[3:9].copy_(x.flatten()[100:106]),
    "compiled": lambda x: torch.compile(lambda y: y.flip(0), backend="eager")(x),
    "loaded": lambda x: next(iter(torch.utils.data.DataLoader(x, batch_size=2, sampler=[2, 0]))),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_are_exact(name):
    """Elements hold their number, so each says itself where it comes from; 0 is from nowhere."""
    x = OBS.clone()
    with follow({"obs": (x, "e t a _")}) as found:
        moved = MOVES[name](x)
    number = moved.long() - 1
    origin, known = found.explain(moved), moved > 0
    places = {"episode": number // F // A // T, "step": number // F // A % T, "seat": number // F % A}
    for part, expected in places.items():
        assert torch.equal(getattr(origin, part)[known], expected[known]), part
    assert found.unknown == []


def test_a_roll_moves_episodes_also_where_the_first_neighbours_are_seats_of_one():
    batch = small_batch(agents=6, seats=False)
    net = nn.Linear(batch["obs"].shape[-1], 1)
    with follow({"obs": (batch["obs"], "e t a _"), "reward": (batch["reward"], "e t _")}) as found:
        value = net(batch["obs"][:, 0].flatten(0, 1))
        value = value.roll(1, 0)
        ((value - batch["reward"][:, 0].repeat_interleave(6, 0)) ** 2).sum().backward()
    assert found.verdict.kind == "episode"
    assert any(".roll(1, 0)" in code for code in found.verdict.code), str(found.verdict)


NAMED = {
    "convolution": lambda x: functional.conv1d(x.flatten(2).transpose(1, 2), torch.ones(2, 8, 2)),
    "native_batch_norm": lambda x: nn.BatchNorm1d(F)(x.reshape(-1, F)),
    "_linalg_svd": lambda x: torch.linalg.svd(x[:, :, 0])[0],
    "_fft_r2c": lambda x: torch.fft.rfft(x, dim=1).real,
    "scatter_add": lambda x: zeros().scatter_add(0, torch.zeros_like(WIDE), x),
    "_to_sparse": lambda x: x[:, :, 0, 0].to_sparse().to_dense(),
    "_nested_tensor_from_tensor_list": lambda x: torch.nested.nested_tensor([x[0, :2], x[1]]).to_padded_tensor(0.0),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_has_no_rule_is_named_and_runs(name):
    x = OBS.clone()
    with warnings.catch_warnings(), follow({"obs": (x, "e t a _")}) as found:
        warnings.simplefilter("ignore")
        out = NAMED[name](x)
        assert torch.equal(out, NAMED[name](OBS))
    assert found.unknown[0] == name
    assert found.explain(out).roles == ()


def test_a_rule_that_fails_stops_nothing(monkeypatch):
    from omg_lib.provenance import rules

    monkeypatch.setitem(rules.RULES, "flip", lambda op: 1 / 0)
    with follow({"obs": (OBS, "e t a _")}) as found:
        assert torch.equal(OBS.flip(0), torch.flip(OBS, (0,)))
    assert found.unknown == ["flip"]


def attended(mask):
    """Follow a TD error whose values come from attention over time with this mask; return what was found, and them."""
    batch = small_batch(seats=False)
    steps = batch["obs"].shape[1]
    roles = {"obs": "e t a _", "actions": "e t a _", "reward": "e t _", "filled": "e t _", "terminated": "e t _"}
    net = nn.Linear(batch["obs"].shape[-1], batch["avail_actions"].shape[-1])
    with follow({name: (batch[name], axes) for name, axes in roles.items()}) as found:
        x = batch["obs"][:, :, 0]
        read = (x @ x.mT + mask(steps)).softmax(-1) @ x
        q = net(read)
        chosen = q[:, :-1].gather(-1, batch["actions"][:, :-1, 0]).squeeze(-1)
        alive = 1 - batch["terminated"][:, :-1, 0].float()
        target = batch["reward"][:, :-1, 0] + 0.99 * alive * q.detach().amax(-1)[:, 1:]
        (((chosen - target) * batch["filled"][:, 1:, 0]) ** 2).sum().backward()
    return found, read


def test_attention_to_earlier_steps_is_clean_and_of_the_latest():
    found, read = attended(lambda steps: torch.full((steps, steps), -torch.inf).triu(1))
    assert found.verdict is None
    assert found.explain(read).step[0, :, 0].tolist() == list(range(read.shape[1]))


def test_attention_to_later_steps_is_named():
    found, read = attended(lambda steps: torch.zeros(steps, steps))
    assert found.verdict.kind == "time" and "suspect" in found.picture(read).said
    assert any(name == __file__ for name, _ in found.verdict.lines)


def test_fused_attention_is_of_the_latest_step_it_looks_at():
    """As attention that is written out, above."""
    with follow({"obs": (OBS, "e t a _")}) as found:
        x = OBS[:, :, 0]
        fused = functional.scaled_dot_product_attention(x, x, x, is_causal=True)
        heads = OBS.transpose(1, 2)
        fast = functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)[:, 0]
    for out in (fused, fast):
        assert found.explain(out).step[0, :, 0].tolist() == list(range(T))
    assert found.unknown == []


def test_memories_of_packed_sequences_are_of_their_last_steps():
    with follow({"obs": (OBS, "e t a _")}) as found:
        _, memory = nn.GRU(F, 3, batch_first=True)(packed(OBS))
    assert found.explain(memory).step[0, :, 0].tolist() == (LENGTHS - 1).tolist()
