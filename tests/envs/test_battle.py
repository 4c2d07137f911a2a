"""The physics: both teams obey the same rules, both array libraries agree, damage counts as it should."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.battles import look, mixed_squads, play, squads, started

BASIC = ["nearest", "weakest", "strongest", "kite", "hold", "flank north", "flank south", "follow", "index"]


@settings(max_examples=12, deadline=None)
@given(
    n=st.sampled_from([2, 3, 5, 8]),
    ours=st.sampled_from(BASIC),
    theirs=st.sampled_from(BASIC),
    seed=st.integers(0, 99),
)
def test_swapped_roles_give_the_mirrored_battle(n, ours, theirs, seed):
    env = started(n=n, batch=4, seed=seed, enemies=theirs)
    mirror = started(n=n, batch=4, seed=seed, enemies=ours)
    swap = mirror.battle
    swap.begin(np.ones(4, bool), np.flip(env.battle.position, 2).copy(), np.flip(env.battle._phase, 1).copy())
    done = torch.zeros(1, dtype=torch.bool)
    while not done.all():
        _, done, info = env.step(env.scripted_actions(squads(env, ours)))
        _, mirror_done, mirror_info = mirror.step(mirror.scripted_actions(squads(mirror, theirs)))
        assert np.array_equal(env.battle.position, np.flip(swap.position, 2))
        assert np.array_equal(env.battle.health, np.flip(swap.health, 1))
        assert torch.equal(done, mirror_done)
    assert not (info["battle_won"] & mirror_info["battle_won"]).any()
    decided = ~info["episode_limit"].numpy() & env.battle.alive.any((1, 2))
    assert np.array_equal((info["battle_won"] | mirror_info["battle_won"]).numpy(), decided)


@pytest.mark.parametrize("name", ["skirmish", "skirmish:partners"])
@pytest.mark.parametrize("n", [2, 3, 8])
def test_numpy_and_torch_agree(name, n):
    """Step by step from the same actions: rounding cannot grow into a different decision."""
    ours, theirs = started(name, n, batch=16), started(name, n, batch=16, backend="torch")
    assert isinstance(theirs.battle.position, torch.Tensor)
    styles, done = mixed_squads(ours), torch.zeros(1, dtype=torch.bool)
    agreed = []
    while not done.all():
        for key, value in look(ours).items():
            assert torch.allclose(value.float(), look(theirs)[key].float(), atol=2e-5), key
        actions = ours.scripted_actions(styles)
        agreed.append((actions == theirs.scripted_actions(styles)).float().mean().item())
        reward, done, info = ours.step(actions)
        reward_too, done_too, info_too = theirs.step(actions)
        assert torch.allclose(reward, reward_too, atol=1e-5)
        assert torch.equal(done, done_too)
        assert all(torch.equal(info[key], info_too[key]) for key in info)
        if done.any() and not done.all():
            break
    assert np.mean(agreed) > 0.999
    for env in (ours, theirs):
        env.reset(done)
    assert torch.allclose(ours.state(), theirs.state(), atol=2e-5)
    assert ours.episode.tolist() == theirs.episode.tolist()


def place(env, own, enemies):
    """Place units, given in the map's frame."""
    own, enemies = np.array(own, np.float32), np.array(enemies, np.float32) * (-1, 1)
    position = np.moveaxis(np.stack([own, enemies]), -1, 0)[:, None].astype(np.float32)
    env.battle.begin(np.ones(1, bool), position, np.zeros((1, 2, env.n), np.float32))


def damage(env, actions):
    before = env.battle.health[0, 1].copy()
    env.step(np.array([actions]))
    return (before - env.battle.health[0, 1]).tolist()


def test_fire_of_smac_counts_fully():
    env = started(n=3)
    place(env, [(0, 0), (0, 2), (0, -2)], [(5, 0), (5, 1), (15, 15)])
    assert damage(env, [6, 6, 7]) == [12, 6, 0]
    assert damage(env, [6, 6, 7]) == [0, 0, 0]  # guns cool down for a step
    assert damage(env, [6, 1, 7]) == [6, 6, 0]


def test_combined_fire_counts_the_share_that_joined_now_or_just_before():
    env = started(n=3, combined_fire=2, sight=9)
    place(env, [(0, 0), (0, 2), (0, -2)], [(5, 0), (5, 1), (15, 15)])
    assert damage(env, [6, 7, 1]) == pytest.approx([6 / 9, 6 / 9, 0], abs=1e-4)
    assert damage(env, [1, 1, 6]) == pytest.approx([6 * 4 / 9, 0, 0], abs=1e-4)
    assert env.frame()["joined"].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert damage(env, [6, 6, 1]) == pytest.approx([12, 0, 0], abs=1e-4)


def test_the_enemys_fire_is_never_weakened():
    losses = []
    for power in (0, 3):
        env = started(n=2, combined_fire=power)
        place(env, [(0, 0), (0, 2)], [(5, 0), (5, 2)])
        env.step(np.ones((1, 2), int))
        losses.append(env.battle.health[0, 0].tolist())
    assert losses == [[39, 39], [39, 39]]


def test_overlapping_units_are_pushed_apart_and_nobody_leaves_the_map():
    env = started(n=2)
    place(env, [(0, 15.4), (0.2, 15.4)], [(14, -15), (15, -15)])
    before = env.battle.position.copy()
    for _ in range(4):
        assert not env.avail_actions()[0, :, 2].any()
        env.step(np.ones((1, 2), int))
    gap = env.battle.position[0, 0, 0, 1] - env.battle.position[0, 0, 0, 0]
    assert 0.5 < gap < 0.76
    assert np.abs(env.battle.position).max() <= 15.5
    assert not np.array_equal(before, env.battle.position)


def test_the_game_can_be_won_by_scripts_and_not_by_chance():
    env = started(n=3, batch=128)
    won = play(env, squads(env, "nearest"))[-1]["battle_won"].float().mean()
    assert 0.3 < won < 0.6
    focus = started(n=3, batch=128)
    assert play(focus, squads(focus, "weakest"))[-1]["battle_won"].float().mean() > won + 0.05


def test_in_partners_it_matters_to_share_the_order():
    rates = []
    for mate in ("order 1,0", "order 1,1"):
        env = started("skirmish:partners", 3, batch=128)
        styles = squads(env, "order 1,0")
        styles[:, 1:] = env.info.styles.index(mate)
        rates.append(play(env, styles)[-1]["battle_won"].float().mean())
    assert rates[0] > 0.7
    assert rates[1] < 0.3


def test_two_units_on_one_spot_stay_finite():
    env = started(n=3, batch=1)
    env.battle.position[:, 0, 0, 1] = env.battle.position[:, 0, 0, 0]
    env.battle._look()
    with np.errstate(all="raise"):
        for _ in range(3):
            env.step(env.scripted_actions(squads(env, "nearest")))
    assert torch.isfinite(env.obs()).all() and torch.isfinite(env.state()).all()
