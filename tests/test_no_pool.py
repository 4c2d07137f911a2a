"""Teammates without a pool: the environment's own scripts, or random networks."""

from dataclasses import replace

import pytest
import torch

import omg_lib as omg
from omg_lib.controller import Controller
from omg_lib.envs import env_info
from omg_lib.teammates.pool import KINDS, pool_of
from tests.helpers.batches import CPU, Echo, config_with, echo_registered, short_pretraining


@pytest.fixture(autouse=True)
def echo(tmp_path, monkeypatch):
    """The game of the tests; and short names for files, as on a command line."""
    monkeypatch.chdir(tmp_path)
    with echo_registered(), short_pretraining():
        yield


@pytest.mark.parametrize(("env", "n_agents"), [("echo", 2), ("echo", 5), ("skirmish:partners", 3), ("skirmish", 4)])
@pytest.mark.parametrize("teammates", [None, "scripted"])
def test_the_environments_own_scripts_are_all_for_training(env, n_agents, teammates):
    info = env_info(env, n_agents)
    pool = pool_of(config_with(teammates, env, n_agents), info)
    assert (pool.env, pool.n_agents, pool.policies, pool.on_disk) == (env, n_agents, {}, False)
    assert [s.members for s in pool.sets] == [tuple(info.styles[i] for i in team[1:]) for team in info.teams]
    assert {member.name for member in pool.members} == {name for s in pool.sets for name in s.members}
    assert len({member.name for member in pool.members}) == len(pool.members)
    for s in pool.sets:
        assert s.split == "train" and s.kind == KINDS[len(set(s.members)) > 1]
    controller = Controller(config_with(teammates, env, n_agents), info, CPU)
    assert controller.coplayers.sets == tuple(range(len(info.teams)))


def test_scripts_that_differ_sit_in_the_order_of_their_team():
    """The first style of a team belongs to the learner's seat."""
    info = replace(Echo.describe(4), teams=((0, 0, 0, 1), (0, 1, 1, 1), (1, 0, 1, 0)))
    one, other = info.styles
    sets = pool_of(config_with(None, n_agents=4), info).sets
    assert [s.members for s in sets] == [(one, one, other), (other, other, other), (one, other, one)]
    assert [s.kind for s in sets] == ["non_homologue", "homologue", "non_homologue"]
    assert len({s.name for s in sets}) > 1


@pytest.mark.parametrize("env", ["silent echo", "foraging"])
def test_where_nobody_wrote_scripts_random_networks_play_by_seed(env):
    info = env_info(env, 3)

    def weights(seed):
        pool = pool_of(config_with("scripted", env, seed=seed), info)
        assert len(pool.sets) == len(pool.policies) == 4 and not pool.on_disk
        for s in pool.sets:
            assert s.members == (s.name,) * 2 and s.name in pool.policies and s.split == "train"
            assert s.kind == "homologue"
        assert not any(weight.requires_grad for agent in pool.policies.values() for weight in agent.parameters())
        return [torch.cat([w.flatten() for w in agent.parameters()]) for agent in pool.policies.values()]

    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = weights(3)
    assert torch.equal(torch.get_rng_state(), state), "drawing them must not touch torch's own random stream"
    torch.manual_seed(2)
    assert all(map(torch.equal, first, weights(3)))
    everybody = [*first, *weights(4)]
    for i, one in enumerate(everybody):
        assert not any(torch.equal(one, other) for other in everybody[i + 1 :])


def test_random_networks_train_a_learner_where_there_are_no_scripts():
    with omg.Training(config_with(None, "silent echo", batch_size=2)) as run:
        list(run)
        assert omg.compare(omg.predict(run.config), run.trace) == []
        assert {member.algorithm for member in run.controller.coplayers.pool.members} == {"random"}
