"""`follow` itself: it changes nothing, says what it does not know, and refuses what it cannot do."""

import threading

import pytest
import torch
from torch import nn

from omg_lib.config import ConfigError
from omg_lib.provenance import Policy, follow, small_batch
from tests.helpers.provenance.cases import followed, plain
from tests.helpers.provenance.faults import PLAIN
from tests.helpers.provenance.peers import planted
from tests.helpers.provenance.plain_loop import update

E, T, A, F = 3, 5, 2, 4
OBS = torch.arange(E * T * A * F, dtype=torch.float32).reshape(E, T, A, F)
REWARD = torch.ones(E, T, 1)


def watch(**changes):
    return follow(**(dict(inputs={"obs": (OBS, "e t a _")}) | changes))


def test_results_and_gradients_are_the_same_bit_for_bit():
    alone, inside = plain(), plain()
    loss = alone.train()
    with follow(inside.inputs, seat=inside.seat):
        same = inside.train()
    assert torch.equal(loss, same) and loss.dtype == same.dtype
    for one, two in zip(alone.net.parameters(), inside.net.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad) and one.grad.dtype == two.grad.dtype


def test_random_numbers_and_modes_stay_as_they_were():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with watch():
        drawn = torch.rand(4)
        with torch.inference_mode():
            assert (OBS * 2).is_inference()
        with torch.no_grad():
            assert not torch.is_grad_enabled()
        assert torch.is_grad_enabled()
    assert torch.equal(drawn, expected)


def test_an_exception_passes_through_and_leaves_nothing_open():
    with pytest.raises(ZeroDivisionError), watch():
        1 / 0  # noqa: B018
    with watch() as found:
        torch.relu(OBS)
    assert found.unknown == []


def test_a_block_inside_a_block_is_refused():
    with watch(), pytest.raises(RuntimeError, match="follow is open already"), watch():
        pass


def test_another_thread_is_refused():
    said = []

    def open_another():
        try:
            with watch():
                pass
        except RuntimeError as error:
            said.append(str(error))

    with watch():
        thread = threading.Thread(target=open_another)
        thread.start()
        thread.join()
    assert said == ["follow is open already: close the outer block before you open another"]


def test_an_operation_without_a_rule_is_named():
    with follow({"obs": (OBS, "e t a _"), "reward": (REWARD, "e t _")}) as found:
        strange = torch.linalg.qr(OBS)[0].requires_grad_()
        ((strange.sum(dim=(2, 3)) - REWARD[..., 0]) ** 2).mean().backward()
    assert found.unknown == ["linalg_qr"]
    assert found.verdict.kind == "unclear" and "linalg_qr" in found.verdict.message
    assert found.verdict.lines[0][0] == __file__


def test_a_block_without_a_loss_is_unclear():
    with watch() as found:
        torch.relu(OBS)
    assert found.verdict.kind == "unclear" and "no loss" in found.verdict.message


def test_inputs_that_never_reach_the_loss_are_unclear():
    weight = torch.ones(F, requires_grad=True)
    with follow({"obs": (OBS, "e t a _"), "reward": (REWARD, "e t _")}) as found:
        (OBS @ weight).mean().backward()
    assert found.verdict.kind == "unclear" and "gets" in found.verdict.message


def test_a_memory_from_before_is_another_episodes():
    cell, memory = nn.GRUCell(F, 6), torch.randn(E * A, 6)
    with follow({"obs": (OBS, "e t a _"), "reward": (REWARD, "e t _")}) as found:
        state = cell(OBS[:, 0].flatten(0, 1), memory)
        ((state.mean(-1).view(E, A) - REWARD[:, 0]) ** 2).mean().backward()
    assert found.verdict.kind == "episode" and "was there before" in found.verdict.message


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.permute(1, 0, 2, 3).reshape(T * E, A, F),
        lambda x: x[torch.tensor([2, 0]), :, torch.tensor([1, 0])],
        lambda x: torch.cat([x[:, 1:], x[:, :1]], dim=1).roll(1, 0),
        lambda x: torch.stack(x.unbind(1)[::-1]),
        lambda x: x.flip(0).gather(3, torch.zeros(E, T, A, 1, dtype=torch.int64)),
        lambda x: x[x[..., 0] > 20],
        lambda x: x.unfold(1, 2, 1).contiguous(),
        lambda x: torch.zeros_like(x).index_put((torch.tensor([0, 1]),), x[1:]),
        lambda x: torch.nn.functional.pad(x, (0, 0, 0, 1)).repeat(2, 1, 1, 1),
        lambda x: torch.zeros_like(x).copy_(x)[:, ::2].mul_(2).clone(),
    ],
)
def test_moves_are_exact(move):
    """Elements that say where they come from agree with their labels."""
    episode, step, seat = torch.meshgrid(*(torch.arange(n) for n in (E, T, A)), indexing="ij")
    for name, number in (("episode", episode), ("step", step), ("seat", seat)):
        x = (number + 1).unsqueeze(-1).repeat(1, 1, 1, F).float()
        keep = OBS.clone()
        with follow({"obs": (keep, "e t a _")}) as found:
            moved = move(keep)
        origin = getattr(found.explain(moved), name)
        plain_moved = move(x) if moved.shape == move(x).shape else None
        if plain_moved is not None:
            doubled = 2 if plain_moved.max() > number.max() + 1 else 1
            assert torch.equal(origin, (plain_moved / doubled).long() - 1)


def test_explain_says_where_a_tensor_comes_from():
    with watch() as found:
        picked = OBS[2, 1:3]
    assert str(found.explain(picked)) == "episode 2; step 1, 2; seat 0, 1; made of sees"
    assert str(found.explain(torch.ones(2))) == "no origin: made of nothing that is followed"


def test_the_table_names_lines_and_what_met_there():
    found = followed(plain())
    text = str(found)
    assert text.endswith("nothing met that may not")
    assert "plain_loop.py" in text and "next step" in text and "earlier steps" in text
    assert {join.kind for join in found.joins} <= {"same place", "earlier steps", "next step", "everything"}


@pytest.mark.parametrize(
    ("what", "join"),
    [("agent-major reward", "another episode"), ("observation of the next seat", "another seat"),
     ("bootstrap from the same step", "same place")],
)  # fmt: skip
def test_the_table_has_the_smallest_example_beside_the_line(what, join):
    fault = next(fault for fault in PLAIN if fault.what == what)
    found = followed(plain(planted(update, fault.old, fault.new)[0]))
    file, line = found.verdict.lines[0]
    row = next(one for one in found.joins if (one.file, one.line, one.kind) == (file, line, join))
    assert row.example.startswith("row [") and found.verdict.message.startswith(row.example + ": ")
    printed = [text for text in str(found).splitlines() if text.endswith(f"{row.code}  # {row.example}")]
    assert len(printed) == 1 and join in printed[0]


def test_a_clean_run_has_no_example():
    """Neither has one with a suspicion that reaches no loss: here the last row, which is cut off."""
    old, new = "y = reward[:-1] + GAMMA * (1 - ended[:-1]) * ahead", (
        "y = (reward + GAMMA * (1 - ended) * torch.cat([ahead, q_target[:1, :, 0]]))[:-1]"
    )
    clean, suspected = (followed(plain(function)) for function in (update, planted(update, old, new)[0]))
    assert len(suspected._journal.suspicions) > len(clean._journal.suspicions) == 1
    for found in (clean, suspected):
        assert [row.example for row in found.joins if row.example] == [] and "should hold" not in str(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(inputs={}), "inputs"),
        (dict(inputs={"obs": OBS}), "obs"),
        (dict(inputs={"obs": (OBS, "e t _")}), "axes of obs"),
        (dict(inputs={"obs": (OBS, "e t e _")}), "axes of obs"),
        (dict(inputs={"obs": (OBS, "_ t a _")}), "axes of obs"),
        (dict(inputs={"noise": (OBS, "e t a _", "dreams")}), "role of noise"),
        (dict(inputs={"obs": (OBS, "e t a _"), "reward": (REWARD[:2], "e t _")}), "axis e of reward"),
        (dict(seat=torch.zeros(E + 1, dtype=torch.int64)), "seat"),
        (dict(seat=torch.zeros(E)), "seat"),
        (dict(real=torch.ones(E, T - 1)), "real"),
        (dict(policy="greedy"), "policy"),
    ],
)
def test_bad_arguments_get_one_sentence(changes, message):
    with pytest.raises(ConfigError, match=message), watch(**changes):
        pass
    with watch():
        pass  # and the next block opens


def test_a_policy_shares_known_fields_only():
    with pytest.raises(ConfigError, match="shared"):
        Policy(shared=("state",))


def test_seats_of_any_usual_shape():
    batch = small_batch()
    for seat in (batch["seat"], batch["seat"][:, 0], batch["seat"][:, 0, 0]):
        with follow({"reward": (batch["reward"], "e t _")}, seat=seat) as found:
            pass
        assert torch.equal(found.explain(batch["reward"]).seat[:, :, 0], batch["seat"][..., 0])


def test_a_small_batch_is_shuffled_and_uneven():
    batch = small_batch()
    lengths = batch["filled"].sum(1).flatten()
    assert len(lengths.unique()) > 2 and int(lengths[0]) == 8
    assert batch["seat"][:, 0, 0].tolist() != sorted(batch["seat"][:, 0, 0].tolist())
    assert torch.equal(batch["seat"][:, 0, 0].bincount(), torch.full((4,), 3))
    with pytest.raises(ConfigError, match="agents"):
        small_batch(agents=1)
