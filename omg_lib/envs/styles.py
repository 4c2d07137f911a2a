"""Scripted styles of play for skirmish. A style is a row of numbers, so one computation plays a mixed batch."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np

from omg_lib.envs.arrays import Array, Arrays

RANGE = 6.0
"""A marine's shooting range, in map units."""
ABSENT = 1e4
"""Distance used for a dead unit and for a unit to itself: larger than any real distance."""
NORTH, SOUTH, EAST, WEST = 2, 3, 4, 5
STOP, ATTACK = 1, 6
TOO_CLOSE = 3.5


class Style(NamedTuple):
    """Preferences of a scripted unit: it walks to the enemy with the lowest score, and shoots the one with the lowest
    score in range.

    score of enemy j = distance * (its distance) + health * (its HP) + index * ((a * j + b) mod n)
    """

    distance: float = 1.0
    health: float = 0.0
    index: float = 0.0
    a: float = 1.0
    b: float = 0.0
    strict: float = 0.0  # 1: ignore enemies in range until the target is in range (unless one is very close)
    kite: float = 0.0  # 1: step back while the gun cools down
    hold: float = ABSENT  # wait until an enemy is this close, or the team is hurt
    flank: float = 0.0  # first walk this far north (negative: south) of the map's centre
    follow: float = 0.0  # 1: walk with the first living seat until an enemy is in range


BASIC = {
    "nearest": Style(),
    "weakest": Style(distance=0.2, health=1.0),
    "strongest": Style(distance=0.2, health=-1.0),
    "kite": Style(kite=1.0),
    "hold": Style(hold=8.0),
    "flank north": Style(flank=10.0),
    "flank south": Style(flank=-10.0),
    "follow": Style(follow=1.0),
    "index": Style(distance=0.2, index=4.0),
}


def strict_orders(n: int) -> dict[str, Style]:
    """Return every target order (a*j + b) mod n with a prime to n; the enemy of rank 0 is the first target."""
    return {
        f"order {a},{b}": Style(distance=0.3, index=9.0, a=a, b=b, strict=1.0)
        for a in range(1, n)
        if math.gcd(a, n) == 1
        for b in range(n)
    }


class View(NamedTuple):
    """What a team's scripts read, in the team's own frame (x points to where the enemy starts)."""

    position: Array  # [2, R, n] x and y from the map's centre
    alive: Array  # [R, n]
    hurt: Array  # [R, n] has lost health
    cooling: Array  # [R, n] cannot shoot in this step
    chance: Array  # [R, n] one random number in 0..1 for this step
    to_foe: Array  # [2, R, n, n] vector from unit i to foe j
    distance: Array  # [R, n, n] from unit i to foe j; ABSENT if either is dead
    in_range: Array  # [R, n, n]
    foe_health: Array  # [R, n] in HP


class Columns(NamedTuple):
    """The styles of a batch of teams as `kernels` reads them: numpy arrays [R, n], `by_index` [R, n, n]."""

    by_index: np.ndarray
    by_distance: np.ndarray
    by_health: np.ndarray
    strict: np.ndarray
    kite: np.ndarray
    hold: np.ndarray  # infinite if no seat holds: even with no enemy left it moves
    flank: np.ndarray
    flanks: np.ndarray
    follow: np.ndarray


class Drill:
    """The styles of a batch of teams, unpacked once; a step then computes only what its seats need."""

    def __init__(self, arrays: Arrays, table: np.ndarray, styles: np.ndarray, map_half: float) -> None:
        """`table [K, columns]` holds one style per row, `styles [R, n]` the row that each seat follows."""
        rows, n = styles.shape
        style = Style(*np.moveaxis(table[styles], -1, 0))
        self.arrays, self.map_half, self.styles = arrays, map_half, styles.copy()
        self.row, self.seat = arrays.put(np.arange(rows)[:, None]), arrays.put(np.arange(n))
        ranks = (style.a[..., None] * np.arange(n) + style.b[..., None]) % n
        self.by_index = arrays.put(style.index[..., None] * ranks)
        self.by_distance = arrays.put(style.distance[..., None])
        self.by_health = arrays.put(style.health[..., None])
        self.strict, self.kite, self.follow = (
            arrays.put(column > 0) for column in (style.strict, style.kite, style.follow)
        )
        self.hold, self.flank, self.flanks = (
            arrays.put(column) for column in (style.hold, style.flank, style.flank != 0)
        )
        defaults = Style()._asdict()
        self.used = {name: bool((column != defaults[name]).any()) for name, column in style._asdict().items()}

    @cached_property
    def columns(self) -> Columns:
        return Columns(
            by_index=self.by_index,
            by_distance=self.by_distance[..., 0].copy(),
            by_health=self.by_health[..., 0].copy(),
            strict=self.strict,
            kite=self.kite,
            hold=self.hold if self.used["hold"] else np.full_like(self.hold, np.inf),
            flank=self.flank,
            flanks=self.flanks,
            follow=self.follow,
        )

    def actions(self, view: View) -> Array:
        """Return an available action for every seat [R, n]."""
        xp, used = self.arrays.xp, self.used
        score = self.by_distance * view.distance
        if used["index"]:
            score = score + self.by_index
        if used["health"]:
            score = score + self.by_health * view.foe_health[:, None]
        wanted = score.argmin(-1)
        in_reach = view.in_range.any(-1)
        dx, dy = view.to_foe[:, self.row, self.seat, wanted]
        if used["strict"] or used["hold"] or used["kite"]:
            nearest = xp.amin(view.distance, -1)
        move = ~in_reach
        if used["strict"]:
            move = move | (self.strict & ~view.in_range[self.row, self.seat, wanted] & (nearest > TOO_CLOSE))
        if used["hold"]:
            begun = view.hurt.any(-1)[:, None] & (nearest < 2 * RANGE)
            move = move & ((nearest < self.hold) | begun)
        if used["flank"]:
            on_way = self.flanks & (view.position[0] < 0) & ~in_reach
            dx = xp.where(on_way, 1 - view.position[0], dx)
            dy = xp.where(on_way, self.flank - view.position[1], dy)
        if used["follow"]:
            leader = self.arrays.floats(view.alive).argmax(-1)[:, None]
            to_leader = view.position[:, self.row, leader] - view.position
            behind = self.follow & ~in_reach & (leader != self.seat)
            dx, dy = xp.where(behind, to_leader[0], dx), xp.where(behind, to_leader[1], dy)
            move = move & ~(behind & (abs(dx) + abs(dy) < 2))
        if used["kite"]:
            back = self.kite & view.cooling & (nearest < RANGE - 0.3)
            from_x, from_y = view.to_foe[:, self.row, self.seat, view.distance.argmin(-1)]
            dx, dy = xp.where(back, -from_x, dx), xp.where(back, -from_y, dy)
            move = move | back
        along_x = view.chance * (abs(dx) + abs(dy)) < abs(dx)
        go = xp.where(along_x, xp.where(dx > 0, EAST, WEST), xp.where(dy > 0, NORTH, SOUTH))
        ahead = xp.where(along_x, view.position[0] + xp.sign(dx), view.position[1] + xp.sign(dy))
        move = move & (abs(ahead) < self.map_half)
        best_in_range = xp.where(view.in_range, score, 2 * ABSENT).argmin(-1)
        stand = xp.where(in_reach, ATTACK + best_in_range, STOP)
        return xp.where(move, go, stand) * view.alive
