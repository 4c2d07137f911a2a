"""Every value identifies its origin: a wrong seat, episode or step cannot hide behind a right shape."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

import omg_lib as omg

A, T = 4, 5
WIDTHS = dict(obs=3, actions=1, avail_actions=6)
DTYPES = dict(obs=torch.float32, actions=torch.int64, avail_actions=torch.int32, half=torch.float16)


def marked(seats, agents=A):
    """Return rows whose values identify their origin: episode e, step t, agent j."""
    episodes = len(seats)
    e = torch.arange(episodes).reshape(-1, 1, 1, 1)
    t, j = torch.arange(T).reshape(1, -1, 1, 1), torch.arange(agents).reshape(1, 1, -1, 1)
    mark = 10_000 * e + 100 * t + j
    fields = {key: mark.expand(-1, -1, -1, w).to(DTYPES[key]) for key, w in WIDTHS.items()}
    per_episode = (100 * e + t)[:, :, 0].expand(-1, -1, 2)
    fields |= {"state": per_episode.float(), "half": per_episode.half(), "terminated": per_episode % 2 == 0}
    fields["seat"] = torch.tensor(seats).reshape(-1, 1, 1).expand(episodes, T, 1)
    return TensorDict(fields, batch_size=[episodes, T])


shuffled_seats = st.integers(1, 4).flatmap(lambda groups: st.permutations(list(range(A)) * groups))


@settings(max_examples=40, deadline=None)
@given(shuffled_seats)
def test_slot_a_is_seat_a_of_the_gth_episode_of_that_seat(seats):
    out = omg.regroup(marked(seats))
    groups = len(seats) // A
    assert out.batch_size == (groups, T) and "seat" not in out.keys()
    for a in range(A):
        rows = [e for e, seat in enumerate(seats) if seat == a]
        for g, e in enumerate(rows):
            for t in range(T):
                for key, width in WIDTHS.items():
                    assert out[key].shape == (groups, T, A, width)
                    assert (out[key][g, t, a] == 10_000 * e + 100 * t + a).all(), (key, g, t, a)
                assert (out["state"][g, t, a] == 100 * e + t).all()
                assert (out["terminated"][g, t, a] == (t % 2 == 0)).all()
                everybody = [10_000 * e + 100 * (t - 1) + j for j in range(A)] if t else [-1] * A
                assert out["last_actions"][g, t, a].tolist() == everybody


def test_dtypes_are_kept_and_last_actions_are_int64():
    batch = marked([1, 0, 3, 2])
    out = omg.regroup(batch)
    for key, x in out.items():
        assert x.dtype == (torch.int64 if key == "last_actions" else batch[key].dtype), key
    assert out["last_actions"].shape == (1, T, A, A)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_actions_stored_small_still_give_minus_one_at_the_start(dtype):
    batch = marked([0, 1, 2, 3])
    batch["actions"] = (batch["actions"] % 100).to(dtype)
    last = omg.regroup(batch)["last_actions"]
    assert last.dtype == torch.int64
    assert (last[:, 0] == -1).all() and last[0, 1, 2].tolist() == [0, 1, 2, 3]


def test_only_obs_and_seat_are_needed():
    out = omg.regroup(marked([1, 0], agents=2).select("obs", "seat"))
    assert set(out.keys()) == {"obs"} and out["obs"].shape == (1, T, 2, 3)


def test_the_sample_is_left_alone():
    batch = marked([3, 1, 2, 0])
    before = batch.clone()
    out = omg.regroup(batch)
    out["obs"].zero_()
    assert (batch == before).all()


@pytest.mark.parametrize(
    ("seats", "first"),
    [
        ([0, 1, 2], 3),
        ([1, 2, 3], 0),
        ([0, 1, 2, 2], 2),
        ([0, 1, 2, 3, 3], 3),
        ([0, 0, 1, 1, 2, 3], 2),
        ([0, 1, 1, 2, 2, 3, 3], 1),
        ([0, 1, 2, 3, 4], 4),
        ([0, 1, 2, -1], -1),
    ],
)
def test_the_first_wrong_seat_is_named(seats, first):
    with pytest.raises(ValueError, match=rf"seat {first}\b"):
        omg.regroup(marked(seats))
