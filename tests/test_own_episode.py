"""Networks and models read the co-players of the slot's own episode (fault 7.10 of the released code)."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib.regroup import co_players
from tests.helpers.batches import (
    INFO,
    episode_of,
    make_sample,
    make_small_learner,
    small_config,
    spying,
)

T_ENV = 20_000
SHUFFLED = (2, 0, 0, 1, 2, 1)


CODED = replace(INFO, n_actions=6 * 8 * INFO.n_agents)


def coded_sample(seats):
    """Return actions that identify where they were played: (8 * episode + step) * A + player."""
    sample = make_sample(seats=seats, info=CODED)
    E, T, A, _ = sample["actions"].shape
    code = torch.arange(E * T * A).reshape(E, T, A, 1)
    sample["actions"] = torch.where(sample["filled"].unsqueeze(2), code, 0)
    sample["avail_actions"] = sample["avail_actions"] | sample["filled"].unsqueeze(2)
    return sample


def code(e, t, j):
    return (8 * e + t) * INFO.n_agents + j


def read_by(learner, sample):
    """Return the co-players' last actions that networks read in one update, [P, A], -1 for none; and its rows."""
    read = []
    with spying(learner, "read") as seen:
        if learner.config.learner == "omg":
            with spying(learner.inference, "condition") as conditions:
                learner.train(sample, T_ENV, 0)
            read.append(conditions["condition"][:, CODED.obs_dim : -CODED.n_actions])
        else:
            learner.train(sample, T_ENV, 0)
    if learner.config.sees_actions:
        read.append(seen["read"].inputs[:, CODED.obs_dim + CODED.n_actions + CODED.n_agents :])
    for i, x in enumerate(read):
        x = x.unflatten(1, (CODED.n_agents, CODED.n_actions))
        assert set(x.sum(dim=2).unique().tolist()) == {0.0, 1.0}
        read[i] = torch.where(x.any(dim=2), x.argmax(dim=2), -1)
    return read, seen["read"].rows


@pytest.mark.parametrize(
    ("name", "see_actions"), [("iql_actions", False), ("iql", True), ("omg", False), ("omg", True), ("liam", True)]
)
@pytest.mark.parametrize("seats", [None, SHUFFLED])
def test_networks_read_the_co_players_of_their_own_episode(name, see_actions, seats):
    teammates = "none" if seats is None else "scripted"
    config = small_config(learner=name, see_actions=see_actions, teammates=teammates)
    sample = coded_sample(seats)
    read, rows = read_by(make_small_learner(config, CODED), sample)
    assert len(read) == (name == "omg") + (see_actions or name == "iql_actions")
    for found in read:
        for p, (g, t, a) in enumerate(zip(rows.b.tolist(), rows.t.tolist(), rows.a.tolist(), strict=True)):
            e = episode_of(sample, g, a)
            expected = [code(e, t - 1, j) if t and j != a else -1 for j in range(INFO.n_agents)]
            assert found[p].tolist() == expected, (g, t, a)


@pytest.mark.parametrize("name", ["naive_om", "liam"])
@pytest.mark.parametrize("seats", [None, SHUFFLED])
def test_models_are_trained_on_the_co_players_of_their_own_episode(name, seats, monkeypatch):
    config = small_config(learner=name, teammates="none" if seats is None else "scripted")
    learner, sample, given = make_small_learner(config, CODED), coded_sample(seats), []
    loss = learner.model.loss

    def listen(*args):
        given[:] = args
        return loss(*args)

    monkeypatch.setattr(learner.model, "loss", listen)
    with spying(learner, "read") as seen:
        learner.train(sample, T_ENV, 0)
    rows, (_, _, obs, actions, real) = seen["read"].rows, given
    for p, (g, t, a) in enumerate(zip(rows.b.tolist(), rows.t.tolist(), rows.a.tolist(), strict=True)):
        e = episode_of(sample, g, a)
        assert torch.equal(obs[p], sample["obs"][e, t]), (g, t, a)
        assert bool(real[p]) == (t < int(sample["filled"][e].sum()) - 1)
        if real[p]:
            assert actions[p].tolist() == [code(e, t, j) for j in range(INFO.n_agents)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3).flatmap(lambda groups: st.permutations(list(range(INFO.n_agents)) * groups)))
def test_co_players_are_everybody_in_the_slots_own_episode(seats):
    episodes = len(seats)
    mark = torch.arange(episodes * 4 * INFO.n_agents * 2).reshape(episodes, 4, INFO.n_agents, 2)
    batch = make_sample(lengths=[3] * episodes, seats=seats, ended=(), deaths={}).exclude("obs", "actions")
    batch["obs"], batch["actions"] = mark, mark[..., :1].int()
    for key, width in (("obs", 2), ("actions", 1)):
        found = co_players(batch, key)
        assert found.shape == (episodes // INFO.n_agents, 4, INFO.n_agents, INFO.n_agents, width)
        assert found.dtype == batch[key].dtype
        for g in range(episodes // INFO.n_agents):
            for a in range(INFO.n_agents):
                assert torch.equal(found[g, :, a], batch[key][episode_of(batch, g, a)])
