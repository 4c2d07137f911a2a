"""Each scripted style does what its name says, alone and in a batch that mixes styles."""

import numpy as np
import pytest
import torch

from tests.helpers.battles import mixed_squads, squads, started

NO_OP, STOP, NORTH, SOUTH, EAST, WEST = range(6)


def act(style, own, enemies, health=None, phase=0.5, cooldown=0.0):
    """Return the actions [A] of a team of this style, with units placed in the map's frame; health [2, n] in HP."""
    env = started(n=len(own))
    own, enemies = np.array(own, np.float32), np.array(enemies, np.float32) * (-1, 1)
    position = np.moveaxis(np.stack([own, enemies]), -1, 0)[:, None].astype(np.float32)
    battle = env.battle
    battle.begin(np.ones(1, bool), position, np.full((1, 2, len(own)), phase, np.float32))
    if health is not None:
        battle.health = np.array([health], np.float32)
    battle.cooldown = battle.cooldown + np.float32(cooldown)
    battle._look()
    return env.scripted_actions(squads(env, style))[0].tolist()


LINE = [(0, 0), (0, 1), (0, -1)]
NEAR = [(5, 0), (4, 0), (3, 0)]
FAR = [(12, 0), (12, 3), (12, -3)]


@pytest.mark.parametrize(
    ("style", "target"),
    [
        ("nearest", 2),
        ("weakest", 1),
        ("strongest", 0),
        ("index", 0),
        ("order 1,0", 0),
        ("order 2,1", 1),
        ("order 1,1", 2),
    ],
)
def test_whom_a_style_shoots(style, target):
    assert act(style, LINE, NEAR, health=[[45, 45, 45], [45, 10, 30]]) == [6 + target] * 3


def test_all_march_towards_the_enemy():
    assert act("nearest", LINE, FAR) == [EAST] * 3
    assert act("nearest", [(0, 0), (1, 0), (-1, 0)], [(0, -12), (0, -13), (0, -14)]) == [SOUTH] * 3


def test_chance_chooses_between_the_axes_in_proportion():
    axes = [act("nearest", [(0, 0), (9, 9)], [(9, 3), (14, 15)], phase=phase)[0] for phase in np.arange(0, 1, 0.05)]
    assert axes.count(EAST) == 15
    assert axes.count(NORTH) == 5


def test_a_strict_order_walks_past_others_unless_one_is_very_close():
    assert act("order 1,0", LINE, [(9, 0), (5, 0), (5, 1)]) == [EAST] * 3
    assert act("index", LINE, [(9, 0), (5, 0), (5, 1)]) == [7] * 3
    assert act("order 1,0", LINE, [(9, 0), (3, 0), (14, 1)]) == [7] * 3


def test_hold_waits_until_an_enemy_is_near_or_the_team_is_hurt():
    assert act("hold", LINE, FAR) == [STOP] * 3
    assert act("hold", LINE, [(7, 0), (12, 0), (13, 0)]) == [EAST] * 3
    assert act("hold", LINE, [(11, 0), (12, 0), (13, 0)], health=[[45, 44, 45], [45] * 3]) == [EAST] * 3
    assert act("hold", LINE, NEAR) == [8] * 3


def test_kite_steps_back_while_the_gun_cools():
    assert act("kite", LINE, [(5, 0), (5, 1), (5, -1)], cooldown=0.72) == [WEST] * 3
    assert all(action >= 6 for action in act("kite", LINE, [(5, 0), (5, 1), (5, -1)]))


@pytest.mark.parametrize(("style", "way"), [("flank north", NORTH), ("flank south", SOUTH)])
def test_flanks_go_round(style, way):
    assert act(style, [(-1, 0), (-1, 1), (-1, -1)], FAR) == [way] * 3
    assert act(style, [(1, 0), (1, 1), (1, -1)], FAR) == [EAST] * 3


def test_follow_walks_to_the_first_living_seat():
    own = [(0, 0), (0, 8), (9, 6)]
    assert act("follow", own, [(15, 0), (15, 1), (15, -1)]) == [EAST, SOUTH, WEST]
    assert act("follow", own, [(15, 8), (15, 9), (15, 7)], health=[[0, 45, 45], [45] * 3])[0] == NO_OP
    assert act("follow", own, [(15, 14), (15, 15), (15, 15)], health=[[0, 45, 45], [45] * 3])[2] == WEST


def test_backing_into_a_wall_is_not_tried():
    own = [(-15.4, 0), (-15.4, 2), (-15.4, -2)]
    assert all(action >= 6 for action in act("kite", own, [(-12, 0), (-12, 2), (-12, -2)], cooldown=0.72))


def test_a_seat_plays_its_style_whatever_the_other_seats_play():
    """One batch with every style in every seat equals batches of a single style."""
    count = len(started(n=3).info.styles)
    env = started(n=3, batch=count)
    mixed = (np.arange(count)[:, None] + np.arange(3)) % count
    plain = started(n=3, batch=count)
    for _ in range(12):
        actions = env.scripted_actions(mixed)
        for style in range(count):
            alone = plain.scripted_actions(np.full((count, 3), style))
            assert torch.equal(actions[torch.from_numpy(mixed == style)], alone[torch.from_numpy(mixed == style)])
        actions = env.scripted_actions(mixed_squads(env))
        env.step(actions)
        plain.step(actions)
