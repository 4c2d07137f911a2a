import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.envs import env_info
from omg_lib.experiment.train_pool import ALGORITHMS, POOL_SETTINGS, script_splits, sets_of, train_pool
from omg_lib.runs.claims import claimed
from omg_lib.teammates.pool import Member, Pool

QUICK = dict(
    env="skirmish:partners", n_agents=2, batch_size=2, batch_size_run=2, t_max=240, test_interval=80, device="cpu"
)


def pool_config(**changes):
    return omg.OMGConfig.from_dict(POOL_SETTINGS | QUICK | {"test_nepisode": 4} | changes)


@pytest.mark.parametrize("n", range(2, 17))
def test_orders_are_dealt_out_so_that_every_enemy_is_first_in_training(n):
    splits = script_splits(env_info("skirmish:partners", n))
    first = {split: set() for split in ("train", "validation", "test")}
    for name, split in splits.items():
        a, b = map(int, name.split()[1].split(","))
        first[split].add(next(j for j in range(n) if (a * j + b) % n == 0))
    assert all(name in env_info("skirmish:partners", n).styles for name in splits)
    held_out = len(splits) - sum(split == "train" for split in splits.values())
    if n == 2:  # there are only two orders, so neither can be kept for the test and also come first in training
        assert first["train"] == {0}
        return
    assert first["train"] == set(range(n)) and first["test"]
    assert abs(held_out - len(splits) / 2) <= n / 2


def test_splits_are_disjoint_and_mixed_sets_are_for_the_unseen_only():
    info = env_info("skirmish:partners", 3)
    members = [Member(f"{algorithm}-{seed}", algorithm, seed) for seed in range(4) for algorithm in ALGORITHMS]
    sets = sets_of(members, info)
    home = {}
    for s in sets:
        assert len(s.members) == 2
        assert (len(set(s.members)) > 1) == (s.kind == "non_homologue")
        for name in s.members:
            assert home.setdefault(name, s.split) == s.split, f"{name} is in two splits"
    mixed = [s for s in sets if s.kind == "non_homologue"]
    assert {s.split for s in mixed} == {"validation", "test"}
    algorithm = {m.name: m.algorithm for m in members}
    assert all(len({algorithm[name] for name in s.members}) == 2 for s in mixed)


def test_two_commands_do_not_train_one_pool(tmp_path):
    with claimed(tmp_path), pytest.raises(ConfigError, match="another run, in this process or another, is training"):
        train_pool(pool_config(), ("iql",), 1, tmp_path)


@pytest.mark.slow
def test_a_pool_is_trained_kept_at_its_best_and_made_again_bit_for_bit(tmp_path):
    config, told = pool_config(), []
    pool = train_pool(config, ("iql", "vdn"), 1, tmp_path / "pool", lambda *words: told.append(words))
    assert set(pool.policies) == {"iql-0", "vdn-0"} and told[-1][0] == "vdn-0"
    for member in pool.members:
        if member.name in pool.policies:
            assert member.win_rate == max(rate for _, rate in member.curve) and len(member.curve) >= 2
    again = train_pool(config, ("iql", "vdn"), 1, tmp_path / "again")
    assert again.members == pool.members and again.sets == pool.sets
    for name, agent in pool.policies.items():
        for key, x in agent.state_dict().items():
            assert torch.equal(x, again.policies[name].state_dict()[key])


def test_the_kept_network_is_the_one_that_was_tested_best(tmp_path):
    """Play the test battles again with the stored weights."""
    pool = train_pool(pool_config(), ("iql",), 1, tmp_path)
    member = next(m for m in pool.members if m.name == "iql-0")
    settings = pool_config().to_dict() | {"learner": "iql", "seed": 0, "teammates": "none"}
    with omg.Training(omg.OMGConfig.from_dict(settings)) as run:
        run.controller.agent.load_state_dict(pool.policies["iql-0"].state_dict())
        assert run.test() == member.win_rate


@pytest.mark.slow
def test_an_interrupted_pool_is_gone_on_with(tmp_path):
    first = train_pool(pool_config(), ("iql",), 1, tmp_path)
    weights = first.policies["iql-0"].fc1.weight.clone()
    names = []
    whole = train_pool(pool_config(), ("iql", "qmix"), 1, tmp_path, lambda name, *rest: names.append(name))
    assert set(names) == {"qmix-0"} and torch.equal(whole.policies["iql-0"].fc1.weight, weights)
    file = tmp_path / "pool.json"  # made before there were runners, and continued by another one
    old = json.loads(file.read_text())
    del old["config"]["runner"]
    file.write_text(json.dumps(old))
    elsewhere = replace(pool_config(), runner="processes")
    assert train_pool(elsewhere, ("iql", "qmix"), 1, tmp_path).policies.keys() == whole.policies.keys()
    with pytest.raises(ConfigError, match="other settings"):
        train_pool(pool_config(lr=0.002), ("iql",), 1, tmp_path)


def test_unknown_algorithms_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"algorithms='ppo'.*iql, vdn, qmix"):
        train_pool(pool_config(), ("ppo",), 1, tmp_path)


def test_a_pool_that_could_never_be_loaded_is_refused_before_it_is_trained(tmp_path, monkeypatch):
    """Members read what their own seat saw and did; for one that reads its co-players' actions, no source exists."""
    monkeypatch.setattr("omg_lib.experiment.train_pool.train_member", lambda *args: pytest.fail("it was trained"))
    with pytest.raises(ConfigError, match="see_actions=True: .*allowed is False"):
        train_pool(pool_config(see_actions=True), ("iql",), 1, tmp_path / "pool")
    assert not (tmp_path / "pool").exists()


def test_policies_with_every_other_network_can_be_loaded(tmp_path):
    changes = dict(rnn_hidden_dim=9, t_max=60)
    train_pool(pool_config(**changes), ("iql",), 1, tmp_path)
    loaded = Pool.load(tmp_path, "skirmish:partners", env_info("skirmish:partners", 2))
    assert loaded.policies["iql-0"].rnn.hidden_size == 9


def test_the_shipped_pool_is_what_its_settings_say():
    path = Path(__file__).parents[2] / "data" / "pools" / "partners-3"
    pool = Pool.load(path, "skirmish:partners", env_info("skirmish:partners", 3))
    settings = POOL_SETTINGS | {"env": "skirmish:partners", "n_agents": 3, "device": "cpu"}
    assert omg.OMGConfig.from_dict(pool.config) == omg.OMGConfig.from_dict(settings)  # older than some fields
    trained = [member for member in pool.members if member.seed is not None]
    assert len(pool.policies) == len(trained) == 12 and pool.sets == sets_of(trained, env_info(pool.env, 3))
    assert all(member.win_rate == max(rate for _, rate in member.curve) for member in trained)
