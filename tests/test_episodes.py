import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib.config import OMGConfig
from omg_lib.envs import env_info
from omg_lib.episodes import (
    EpisodeBatch,
    PackedRows,
    filled_per_seat,
    masked_mean,
    per_seat,
    sizes_of,
    to_device,
    truncate,
)
from tests.helpers.batches import DEATHS, INFO, LENGTHS, make_sample

lengths_of_rows = st.lists(st.lists(st.integers(1, 6), min_size=2, max_size=2), min_size=1, max_size=4)


def filled_of(lengths):
    """[B, T, A]: sequence (b, a) is filled for lengths[b][a] steps."""
    return torch.arange(max(map(max, lengths))).reshape(1, -1, 1) < torch.tensor(lengths).unsqueeze(1)


def test_sizes_come_from_configuration_and_game():
    assert sizes_of(OMGConfig(), env_info("skirmish", 8)) == dict(A=8, G=32, R=1, L=120, O=80, S=168, C=14, Z=64, H=5)


def test_truncate_keeps_the_longest_and_copies_nothing():
    batch = make_sample()
    longer = torch.cat([batch, torch.zeros_like(batch)], dim=1)
    assert longer.max_t_filled() == max(LENGTHS) + 1
    cut = truncate(longer)
    assert isinstance(cut, EpisodeBatch) and cut.batch_size == batch.batch_size
    assert (cut == batch).all()
    assert cut["obs"].data_ptr() == longer["obs"].data_ptr()
    assert to_device(cut, torch.device("cpu")) is cut


@settings(max_examples=50, deadline=None)
@given(lengths_of_rows)
def test_packed_rows_hold_every_filled_step_once(lengths):
    filled = filled_of(lengths)
    rows = PackedRows(filled)
    marks = torch.arange(filled.numel()).reshape(filled.shape)
    packed = rows.pack(marks)
    assert sorted(packed.tolist()) == sorted(marks[filled].tolist())
    assert torch.equal(rows.unpack(packed), torch.where(filled, marks, 0))
    steps = rows.steps(packed)
    assert [len(step) for step in steps] == rows.counts
    sequences = [(int(b), int(a)) for b, a in zip(rows.b[: rows.counts[0]], rows.a[: rows.counts[0]], strict=True)]
    for t, step in enumerate(steps):  # step t is a prefix of the same rows in the same order
        assert step.tolist() == [int(marks[b, t, a]) for b, a in sequences[: len(step)]]
    of_each = torch.arange(filled.shape[0] * 2).reshape(-1, 2)
    assert rows.first(of_each).tolist() == [int(of_each[b, a]) for b, a in sequences]


@settings(max_examples=50, deadline=None)
@given(lengths_of_rows)
def test_neighbours_in_time_stay_within_their_row(lengths):
    filled = filled_of(lengths)
    rows = PackedRows(filled)
    marks = (torch.arange(filled.numel()) + 1.0).reshape(filled.shape)
    packed = rows.pack(marks)
    before, after = torch.zeros_like(marks), torch.zeros_like(marks)
    has_next = torch.zeros_like(filled)
    for b, row in enumerate(lengths):
        for a, length in enumerate(row):
            before[b, 1:length, a] = marks[b, : length - 1, a]
            after[b, : length - 1, a] = marks[b, 1:length, a]
            has_next[b, : length - 1, a] = True
    assert torch.equal(rows.previous(packed), rows.pack(before))
    assert torch.equal(rows.following(packed), rows.pack(after))
    assert torch.equal(rows.has_next, rows.pack(has_next))


@settings(max_examples=50, deadline=None)
@given(lengths_of_rows)
def test_whole_sequences_and_back(lengths):
    rows = PackedRows(filled_of(lengths))
    packed = torch.randn(len(rows.t), 3)
    whole = rows.whole(packed)
    assert whole.shape == (len(rows.counts), rows.counts[0], 3)
    assert torch.equal(rows.from_whole(whole), packed)
    assert whole.count_nonzero() == packed.count_nonzero(), "the padding is zero"


def test_padding_never_reaches_packed_rows():
    filled = filled_of([[1, 4], [3, 2]])
    x = torch.where(filled, 1.0, float("nan"))
    assert PackedRows(filled).pack(x).isfinite().all()


def test_fields_of_an_episode_are_given_to_every_seat():
    batch = make_sample(seats=None)
    given_out = filled_per_seat(batch)
    assert given_out.shape == (*batch.batch_size, INFO.n_agents)
    assert all(torch.equal(given_out[..., a], batch["filled"][..., 0]) for a in range(INFO.n_agents))
    regrouped = torch.randn(2, 5, 3, 1)
    assert torch.equal(per_seat(regrouped, 3), regrouped[..., 0])


@pytest.mark.parametrize("junk", [0.0, float("nan"), float("inf"), -1e30])
def test_masked_mean_ignores_what_is_masked(junk):
    x = torch.tensor([1.0, junk, 3.0, junk], requires_grad=True)
    mask = torch.tensor([True, False, True, False])
    mean = masked_mean(x, mask)
    mean.backward()
    assert float(mean.detach()) == 2.0 and x.grad.tolist() == [0.5, 0, 0.5, 0]
    assert float(masked_mean(x.detach(), mask & False)) == 0.0


def test_deaths_in_made_up_samples_are_seen():
    batch = make_sample()
    for (e, a), t in DEATHS.items():
        assert not batch["obs"][e, t:, a].any()
