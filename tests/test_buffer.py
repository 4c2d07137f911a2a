import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib.buffer import ReplayBuffer
from omg_lib.envs import EnvInfo
from omg_lib.episodes import EpisodeBatch
from tests.helpers.batches import INFO, make_sample

A, L = INFO.n_agents, INFO.episode_limit


def episodes(lengths, first=0, seats=True, info=INFO):
    """Return episodes padded to L + 1, numbered in state[..., 0], with seats 0, 1, 2, 0, ... in turn."""
    e = len(lengths)
    seat = [(first + k) % info.n_agents for k in range(e)] if seats else None
    ended = [k for k in range(e) if lengths[k] % 2]
    deaths = {(0, 1): 1} if e else {}
    batch = make_sample(lengths, seat, ended=ended, deaths=deaths, info=info, seed=first)
    missing = info.episode_limit + 1 - batch.batch_size[1]
    batch = torch.cat([batch, *[torch.zeros_like(batch[:, :1])] * missing], dim=1)
    if seats:
        batch["seat"][:] = batch["seat"][:, :1].clone()
    batch["state"][..., :1] = (torch.arange(e) + first + 1.0).reshape(-1, 1, 1) * batch["filled"]
    return batch


def filled_buffer(count, capacity=300, seats=True, seed=0):
    buffer = ReplayBuffer(capacity, A if seats else 1, seed)
    rng = np.random.default_rng(seed)
    stored = episodes(rng.integers(1, L + 1, count).tolist(), seats=seats)
    for k in range(count):
        buffer.insert_episode_batch(stored[k : k + 1])
    return buffer, stored


def numbers(batch):
    return (batch["state"][:, 0, 0] - 1).int().tolist()


@pytest.mark.parametrize("seats", [True, False])
def test_what_was_inserted_comes_back_bit_by_bit(seats):
    buffer, stored = filled_buffer(12, seats=seats)
    sample = buffer.sample(12)
    assert isinstance(sample, EpisodeBatch) and sample.batch_size == (12, L + 1)
    assert sorted(numbers(sample)) == list(range(12)), "without replacement"
    assert set(sample.keys()) == set(stored.keys())
    for key, x in stored[torch.tensor(numbers(sample))].items():
        assert sample[key].dtype == x.dtype and torch.equal(sample[key], x), key


def test_inserting_returns_the_batch_and_keeps_no_part_of_it():
    batch = episodes([3, 5, 7])
    buffer = ReplayBuffer(9, A)
    assert buffer.insert_episode_batch(batch) is batch
    before = buffer.sample(3).clone()
    batch["obs"].fill_(99)
    assert (buffer.sample(3) == before).all()


@pytest.mark.parametrize("n_actions", [4, 255, 256, 300, 70_000])
def test_actions_of_any_number_survive_being_stored_small(n_actions):
    info = EnvInfo("wide", 2, 3, 2, n_actions, 3)
    batch = episodes([3, 2], info=info)
    batch["actions"][0, 0] = n_actions - 1
    buffer = ReplayBuffer(4, 2)
    buffer.insert_episode_batch(batch)
    sample = buffer.sample(2)
    assert sample["actions"].dtype == torch.int64 and torch.equal(sample["actions"], batch["actions"])


def test_rows_of_a_sample_go_round_the_seats():
    buffer, _ = filled_buffer(30)
    sample = buffer.sample(9)
    assert sample["seat"][:, 0, 0].tolist() == [0, 1, 2] * 3
    assert [k % A for k in numbers(sample)] == [0, 1, 2] * 3
    assert (sample["seat"] == sample["seat"][:, :1]).all()


def test_every_episode_is_as_likely_as_any_other():
    buffer, _ = filled_buffer(15)
    counts = np.zeros(15)
    for _ in range(600):
        np.add.at(counts, numbers(buffer.sample(6)), 1)
    assert abs(counts - 240).max() < 60  # 600 * 2 of 5: sd 12


def test_rings_forget_the_oldest_of_each_seat():
    buffer = ReplayBuffer(3 * A + 2, A)  # 11 places for 3 seats are 3 for each
    for first in range(0, 21, A):
        buffer.insert_episode_batch(episodes([1 + first % L] * A, first=first))
        held = sorted(numbers(buffer.sample(buffer.episodes_in_buffer)))
        assert held == list(range(max(0, first + A - 3 * A), first + A))
    assert buffer.episodes_in_buffer == 3 * A


def test_rings_of_unequal_seats():
    buffer = ReplayBuffer(4 * A, A)
    batch = episodes([2, 3, 4])
    buffer.insert_episode_batch(batch)
    buffer.insert_episode_batch(batch[:1])
    assert buffer.episodes_in_buffer == 4
    assert buffer.can_sample(3) and not buffer.can_sample(6) and not buffer.can_sample(4)


def test_can_sample_at_its_edges():
    buffer = ReplayBuffer(12, A)
    assert not buffer.can_sample(3)
    buffer.insert_episode_batch(episodes([1, 2]))
    assert not buffer.can_sample(1) and not buffer.can_sample(3), "seat 2 has none"
    buffer.insert_episode_batch(episodes([3], first=2))
    assert buffer.can_sample(3) and not buffer.can_sample(6)
    alone, _ = filled_buffer(5, seats=False)
    assert alone.can_sample(5) and not alone.can_sample(6)
    assert [alone.sample(n).batch_size[0] for n in (1, 2, 5)] == [1, 2, 5]


@pytest.mark.parametrize(
    ("seats", "n"), [(True, 4), (True, 1), (True, 0), (True, -3), (True, 33), (False, 0), (False, 31)]
)
def test_what_cannot_be_sampled_is_a_value_error(seats, n):
    buffer, _ = filled_buffer(30, seats=seats)
    with pytest.raises(ValueError, match=str(n)):
        buffer.sample(n)


def test_an_empty_buffer_says_so():
    with pytest.raises(ValueError, match="3"):
        ReplayBuffer(9, A).sample(3)


def test_samples_are_a_function_of_seed_and_number():
    (one, _), (other, _) = filled_buffer(30), filled_buffer(30)
    first, second = numbers(one.sample(6)), numbers(one.sample(6))
    assert first != second
    other.samples = 1
    assert numbers(other.sample(6)) == second


def test_a_public_sample_owns_its_memory():
    buffer, _ = filled_buffer(30)
    mine = buffer.sample(6)
    before = mine.clone()
    for _ in range(3):
        buffer.sample(6, reuse=True)["obs"].fill_(5)
        buffer.sample(6)["obs"].fill_(7)
    assert (mine == before).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([3, 6, 9]), min_size=1, max_size=8), st.integers(0, 10**6), st.booleans())
def test_reused_memory_shows_nothing_of_what_it_held_before(sizes, seed, seats):
    buffer, _ = filled_buffer(12, seats=seats, seed=seed)
    fresh, _ = filled_buffer(12, seats=seats, seed=seed)
    for n in sizes:
        reused, expected = buffer.sample(n, reuse=True), fresh.sample(n)
        for key, x in expected.items():
            assert torch.equal(reused[key], x), key


def test_the_same_memory_is_used_again():
    buffer, _ = filled_buffer(30)
    assert buffer.sample(6, reuse=True)["obs"].data_ptr() == buffer.sample(6, reuse=True)["obs"].data_ptr()
    assert buffer.sample(6)["obs"].data_ptr() != buffer.sample(6)["obs"].data_ptr()


@pytest.mark.slow
def test_5000_episodes_of_8m_take_at_most_055_of_pymarls_memory():
    """200 episodes of uniform length 30 to 120 are stored, and scaled to 5,000; PyMARL always takes 2.37 GiB."""
    info = EnvInfo("8m", 8, 80, 168, 14, 120)
    buffer = ReplayBuffer(5000, 8)
    lengths = np.linspace(30, 120, 200).round().astype(int)
    for k, length in enumerate(lengths):
        buffer.insert_episode_batch(episodes([int(length)], first=k, info=info))
    scaled = buffer.nbytes * 5000 / 200
    assert scaled <= 0.55 * 2.37 * 2**30
    content = sum((n + 1) * (4 * 8 * 80 + 4 * 168) for n in lengths.tolist())
    assert buffer.nbytes > content, "obs and state alone exceed it, so nbytes cannot be a mistake"


def test_memory_is_given_back_when_rings_turn():
    buffer = ReplayBuffer(2 * A, A)
    for first in range(0, 10 * A, A):
        buffer.insert_episode_batch(episodes([L] * A, first=first))
    assert (
        buffer.nbytes
        == 2 * A * sum(x[0].nbytes for k, x in buffer.sample(2 * A).items() if k not in ("filled", "seat", "actions"))
        + 2 * A * (L + 1) * A
    )  # actions take one byte
