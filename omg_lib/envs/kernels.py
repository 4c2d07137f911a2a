"""The physics and scripts of skirmish as loops for numba: they compute what `battle` and `styles` do, bit for bit.

They go row by row and unit by unit, and add a sum's terms in numpy's order. `battle.Battle` and `styles.Drill` are the
reference and explain each number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from omg_lib.envs import rules, styles
from omg_lib.envs.styles import ATTACK, EAST, NORTH, SOUTH, STOP, WEST

f4 = np.float32
ZERO, ONE, HALF = f4(0), f4(1), f4(0.5)
DAMAGE, COOLDOWN, SPEED, GOLDEN = f4(rules.DAMAGE), f4(rules.COOLDOWN), f4(rules.SPEED), f4(rules.GOLDEN)
RANGE, ABSENT, TOO_CLOSE = f4(styles.RANGE), f4(styles.ABSENT), f4(styles.TOO_CLOSE)
NEVER, BEGUN, KITE = f4(2 * styles.ABSENT), f4(2 * styles.RANGE), f4(styles.RANGE - 0.3)
DIAMETER, SMALLEST = f4(2 * rules.RADIUS), f4(1e-6)
MAP_HALF, MAP_SHARE, EDGE = f4(rules.MAP_HALF), f4(1 / (2 * rules.MAP_HALF)), f4(rules.MAP_HALF - 1)
LOW, HIGH = f4(0.5 - rules.MAP_HALF), f4(rules.MAP_HALF - 0.5)
KILL_BONUS, WIN_BONUS = rules.KILL_BONUS, rules.WIN_BONUS


class Board(NamedTuple):
    """The arrays of a `Battle`, which the kernels change in place, and its rules."""

    position: np.ndarray
    health: np.ndarray
    cooldown: np.ndarray
    phase: np.ndarray
    shots: np.ndarray
    joined: np.ndarray
    last: np.ndarray
    time: np.ndarray
    over: np.ndarray
    won: np.ndarray
    cut: np.ndarray
    running: np.ndarray
    alive: np.ndarray
    ready: np.ndarray
    to: np.ndarray
    distance: np.ndarray
    in_range: np.ndarray
    available: np.ndarray
    full_health: np.ndarray
    powers: np.ndarray  # [n + 1] (k / n)^p: what a hit counts if k units share it
    combined: bool
    limit: int
    sight: float
    scale: float


def compiled(function: Any) -> Any:
    """Compile at the first call, or read what an earlier process compiled: see `compiled.prepare`."""
    return numba.njit(function, cache=True, error_model="numpy")


def inner(function: Any) -> Any:
    """The same for what only other kernels call."""
    return numba.njit(function, cache=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


@inner
def total(x):
    """The sum of fewer than 128 float32, in numpy's order."""
    n = len(x)
    if n < 8:
        s = ZERO
        for i in range(n):
            s += x[i]
        return s
    part = x[:8].copy()
    i = 8
    while i < n - n % 8:
        for k in range(8):
            part[k] += x[i + k]
        i += 8
    s = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]))
    while i < n:
        s += x[i]
        i += 1
    return s


@inner
def look(b, r):
    """`Battle._look` of one row."""
    position, alive, to, distance, in_range = b.position, b.alive, b.to, b.distance, b.in_range
    health, n = b.health, b.health.shape[2]
    for team in range(2):
        for i in range(n):
            alive[r, team, i] = health[r, team, i] > 0
            b.ready[r, team, i] = b.cooldown[r, team, i] <= 0
    for team in range(2):
        foe = 1 - team
        for i in range(n):
            x, y = position[0, r, team, i], position[1, r, team, i]
            for j in range(2 * n):
                if j < n:
                    dx, dy = position[0, r, team, j] - x, position[1, r, team, j] - y
                    there = alive[r, team, j] and i != j
                else:
                    dx, dy = -position[0, r, foe, j - n] - x, position[1, r, foe, j - n] - y
                    there = alive[r, foe, j - n]
                to[0, r, team, i, j], to[1, r, team, i, j] = dx, dy
                d = np.sqrt(dx * dx + dy * dy) if there and alive[r, team, i] else ABSENT
                distance[r, team, i, j] = d
                if j >= n:
                    in_range[r, team, i, j - n] = d <= RANGE
    cut, over, may = b.time[r] >= b.limit and not b.over[r], b.over[r], b.available
    b.cut[r], b.running[r] = cut, not (over or cut)
    for i in range(n):
        x, y, here = position[0, r, 0, i], position[1, r, 0, i], alive[r, 0, i]
        may[r, i, 0], may[r, i, STOP] = not here, here
        may[r, i, NORTH], may[r, i, SOUTH] = here and y < EDGE, here and y > -EDGE
        may[r, i, EAST], may[r, i, WEST] = here and x < EDGE, here and x > -EDGE
        for j in range(n):
            may[r, i, ATTACK + j] = in_range[r, 0, i, j]


@compiled
def look_all(b):
    for r in range(len(b.time)):
        look(b, r)


@inner
def order(b, r, team, c, out):
    """`Drill.actions` of one team in one row, into row r of `out [R, n]`."""
    position, health, alive, to = b.position, b.health, b.alive, b.to
    distance, in_range, n, foe = b.distance, b.in_range, b.health.shape[2], 1 - team
    hurt, leader = False, 0
    for i in range(n - 1, -1, -1):
        hurt = hurt or health[r, team, i] < b.full_health[team, i]
        if alive[r, team, i]:
            leader = i
    for i in range(n):
        if not alive[r, team, i]:
            out[r, i] = 0
            continue
        wanted, best, closest, reach = 0, 0, 0, False
        lowest = lowest_in_range = nearest = f4(np.inf)
        by_distance, by_health = c.by_distance[r, i], c.by_health[r, i]
        for j in range(n):
            d = distance[r, team, i, n + j]
            score = by_distance * d + c.by_index[r, i, j] + by_health * health[r, foe, j]
            if score < lowest:
                lowest, wanted = score, j
            if in_range[r, team, i, j]:
                reach = True
            else:
                score = NEVER
            if score < lowest_in_range:
                lowest_in_range, best = score, j
            if d < nearest:
                nearest, closest = d, j
        x, y = position[0, r, team, i], position[1, r, team, i]
        dx, dy = to[0, r, team, i, n + wanted], to[1, r, team, i, n + wanted]
        move = not reach
        if c.strict[r, i] and not in_range[r, team, i, wanted] and nearest > TOO_CLOSE:
            move = True
        if not (nearest < c.hold[r, i] or (hurt and nearest < BEGUN)):
            move = False
        if c.flanks[r, i] and x < 0 and not reach:
            dx, dy = ONE - x, c.flank[r, i] - y
        if c.follow[r, i] and not reach and leader != i:
            dx, dy = position[0, r, team, leader] - x, position[1, r, team, leader] - y
            if abs(dx) + abs(dy) < 2:
                move = False
        if c.kite[r, i] and not b.ready[r, team, i] and nearest < KITE:
            dx, dy, move = -to[0, r, team, i, n + closest], -to[1, r, team, i, n + closest], True
        chance = b.phase[r, team, i] + b.time[r] * GOLDEN
        chance -= np.floor(chance)
        if chance * (abs(dx) + abs(dy)) < abs(dx):
            go, ahead = EAST if dx > 0 else WEST, x + np.sign(dx)
        else:
            go, ahead = NORTH if dy > 0 else SOUTH, y + np.sign(dy)
        if move and abs(ahead) < MAP_HALF:
            out[r, i] = go
        else:
            out[r, i] = ATTACK + best if reach else STOP


@compiled
def order_all(b, team, c, out):
    for r in range(len(b.time)):
        order(b, r, team, c, out)


@inner
def fire(b, r, team, orders, hits):
    """`Battle._fire` of one team in one row: `hits [n]` becomes the damage to each foe, in full hits."""
    shots, joined, cooldown, n = b.shots, b.joined, b.cooldown, len(hits)
    combined = b.combined and team == 0
    for j in range(n):
        hits[j] = ZERO
        if combined:
            joined[r, j] = ZERO
    for i in range(n):
        able, fired = b.ready[r, team, i] and b.alive[r, team, i], ZERO
        for j in range(n):
            shot = able and orders[r, i] == ATTACK + j and b.in_range[r, team, i, j]
            if shot:
                hits[j] += ONE
                fired = ONE
            if combined and (shot or shots[r, 0, i, j] > 0):
                joined[r, j] += ONE
            shots[r, team, i, j] = ONE if shot else ZERO
        cooldown[r, team, i] = max(cooldown[r, team, i] + COOLDOWN * fired - ONE, ZERO)
    if combined:
        for j in range(n):
            hits[j] *= b.powers[int(joined[r, j])]
            joined[r, j] /= f4(n)


@inner
def move(b, r, team, orders, moved):
    """`Battle._move` of one team in one row, into `moved [xy, n]`: all units look before any has moved."""
    position, distance, to, n = b.position, b.distance, b.to, moved.shape[1]
    push = np.empty(2 * n, f4)
    for i in range(n):
        moved[0, i], moved[1, i] = position[0, r, team, i], position[1, r, team, i]
        if not b.alive[r, team, i]:
            continue
        touched = False
        for j in range(2 * n):
            touched = touched or distance[r, team, i, j] < DIAMETER
        for axis in range(2):
            step = ZERO
            if orders[r, i] == (EAST if axis == 0 else NORTH):
                step = SPEED
            elif orders[r, i] == (WEST if axis == 0 else SOUTH):
                step = -SPEED
            apart = ZERO
            if touched:
                for j in range(2 * n):
                    overlap = max(DIAMETER / max(distance[r, team, i, j], SMALLEST) - ONE, ZERO)
                    push[j] = to[axis, r, team, i, j] * overlap
                apart = total(push)
            moved[axis, i] = min(max(moved[axis, i] + step - HALF * apart, LOW), HIGH)


@inner
def refused(b, own):
    """Return row * n + seat of an action that is not available in a running row; -1 if there is none."""
    rows, n = own.shape
    for r in range(rows):
        for i in range(n):
            a = own[r, i]
            if b.running[r] and (a < 0 or a >= ATTACK + n or not b.available[r, i, a]):
                return r * n + i
    return -1


@compiled
def step(b, own, enemies, reward):
    """`Battle.step`. Return -1, or what `refused` found: nothing has changed then."""
    found = refused(b, own)
    if found >= 0:
        return found
    health, position, (rows, n) = b.health, b.position, own.shape
    scripted = np.empty((rows, n), np.int64)
    hits, lost, moved = np.empty((2, n), f4), np.empty(n, f4), np.empty((2, 2, n), f4)
    for r in range(rows):
        reward[r] = ZERO
        if not b.running[r]:
            continue
        for i in range(n):
            b.last[r, i] = own[r, i]
        order(b, r, 1, enemies, scripted)
        for team in range(2):
            orders = own if team == 0 else scripted
            fire(b, r, team, orders, hits[team])
            move(b, r, team, orders, moved[team])
        kills, own_alive, enemy_alive = 0, False, False
        for team in range(2):
            for i in range(n):
                before = health[r, team, i]
                after = max(before - DAMAGE * hits[1 - team, i], ZERO)
                health[r, team, i] = after
                position[0, r, team, i], position[1, r, team, i] = moved[team, 0, i], moved[team, 1, i]
                if team == 0:
                    own_alive = own_alive or after > 0
                else:
                    enemy_alive = enemy_alive or after > 0
                    lost[i] = before - after
                    kills += before > 0 and after <= 0
        b.time[r] += ONE
        won = own_alive and not enemy_alive
        b.won[r] = b.won[r] or won
        b.over[r] = not (own_alive and enemy_alive)
        reward[r] = (np.float64(total(lost)) + KILL_BONUS * kills + WIN_BONUS * won) * b.scale
        look(b, r)
    return -1


@compiled
def write_obs(b, out):
    """`Battle.obs` into [R, n, O]."""
    health, full, distance, to = b.health, b.full_health, b.distance, b.to
    in_range, available, (rows, n, _) = b.in_range, b.available, out.shape
    sight = f4(b.sight)
    inverse = ONE / sight
    for r in range(rows):
        for i in range(n):
            for k in range(4):
                out[r, i, k] = ONE if available[r, i, NORTH + k] else ZERO
            p = 4
            for k in range(2 * n):  # the foes, then the own team
                team, unit = (1, k) if k < n else (0, k - n)
                if team == 0 and unit == i:
                    continue
                j = n + unit if team else unit
                seen = ONE if distance[r, 0, i, j] < sight else ZERO
                scale = seen * inverse
                out[r, i, p] = seen if team == 0 else (ONE if in_range[r, 0, i, unit] else ZERO)
                out[r, i, p + 1] = distance[r, 0, i, j] * scale
                out[r, i, p + 2], out[r, i, p + 3] = to[0, r, 0, i, j] * scale, to[1, r, 0, i, j] * scale
                out[r, i, p + 4] = seen * (health[r, team, unit] / full[team, unit])
                p += 5
            out[r, i, p] = health[r, 0, i] / full[0, i]


@compiled
def write_state(b, out):
    """`Battle.state` into [R, S]."""
    position, (rows, _, n) = b.position, b.health.shape
    for r in range(rows):
        p = 0
        for team in range(2):
            for i in range(n):
                alive = ONE if b.alive[r, team, i] else ZERO
                share = alive * MAP_SHARE
                x, y = position[0, r, team, i] * share, position[1, r, team, i] * share
                out[r, p] = b.health[r, team, i] / b.full_health[team, i]
                if team == 0:
                    out[r, p + 1] = b.cooldown[r, 0, i] * alive / COOLDOWN
                    p += 1
                out[r, p + 1], out[r, p + 2] = x if team == 0 else -x, y
                p += 3
        for i in range(n):
            for a in range(ATTACK + n):
                out[r, p] = ONE if b.last[r, i] == a else ZERO
                p += 1
