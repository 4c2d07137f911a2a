"""The physics of skirmish: R battles of n marines a side, kept in arrays and stepped together.

Each team has its OWN frame: the origin is the map's centre and x points to where the enemy starts. So both teams run
the same code, and a battle with the roles swapped is the same battle.
"""

from __future__ import annotations

import numpy as np

from omg_lib.envs.arrays import Array, Arrays
from omg_lib.envs.rules import (
    COOLDOWN,
    DAMAGE,
    GOLDEN,
    HEALTH,
    KILL_BONUS,
    MAP_HALF,
    RADIUS,
    SPEED,
    TOP_RETURN,
    WIN_BONUS,
    Rules,
)
from omg_lib.envs.styles import ABSENT, ATTACK, RANGE, STOP, Drill, View
from omg_lib.words import _


def unavailable(action: int, seat: int, row: int) -> ValueError:
    said = _("action {action} of seat {seat} in row {row} is not available")
    return ValueError(said.format(action=action, seat=seat, row=row))


class Battle:
    """R battles; a row that is over, or cut at the limit, is frozen until it restarts.

    | attribute | shape | meaning |
    |---|---|---|
    | position | [xy, R, team, n] | in the team's own frame; team 0 is the learners', 1 the enemy |
    | health | [R, team, n] | HP, initially full_health `[team, n]` |
    | cooldown | [R, team, n] | steps until the gun is ready |
    | shots | [R, team, n, n] | 1 if unit i hit foe j in the last step |
    | joined | [R, n] | with combined fire: share of own units that hit enemy j in this step or the last |
    | last | [R, n] | what the own units did in the last step; -1 before any |
    | time | [R] | steps played |
    | over, won, cut | [R] | a side is dead; only the enemy is dead; the limit came first |
    | alive, ready | [R, team, n] | |
    | to | [xy, R, team, n, 2n] | vector to unit j; the own team comes first, then the foes |
    | distance | [R, team, n, 2n] | its length; ABSENT if either is dead, and to itself |
    | in_range | [R, team, n, n] | foe j can be shot |
    | running | [R] | neither over nor cut |
    | available | [R, n, C] | actions of own units: no-op, stop, north, south, east, west, attack foe j |
    """

    def __init__(self, arrays: Arrays, n: int, batch: int, rules: Rules) -> None:
        self.arrays, self.n, self.rules, put = arrays, n, rules, arrays.put
        full = np.full((2, n), HEALTH)
        full[1] *= rules.enemy_hp
        self.full_health = put(full)
        self._scale = TOP_RETURN / (full[1].sum() + KILL_BONUS * n + WIN_BONUS)
        self._mirror = put(np.array([-1.0, 1.0])[:, None, None, None])
        steps = np.zeros((2, ATTACK + n))
        steps[:, 2:ATTACK] = [[0, 0, SPEED, -SPEED], [SPEED, -SPEED, 0, 0]]
        self._steps = put(steps)
        self._all_actions = put(np.arange(ATTACK + n))
        self._attacks = self._all_actions[ATTACK:]
        self._seat = put(np.arange(n)[:, None])
        self._mates = put(np.array([[j for j in range(n) if j != i] for i in range(n)]))
        self._others = put(~np.eye(n, 2 * n, dtype=bool))

        self.position = put(np.zeros((2, batch, 2, n)))
        self.health, self.cooldown, self._phase = (put(np.zeros((batch, 2, n))) for _ in range(3))
        self.shots, self.joined = put(np.zeros((batch, 2, n, n))), put(np.zeros((batch, n)))
        self.last = put(np.full((batch, n), -1))
        self.time = put(np.zeros(batch))
        self.over, self.won = put(np.ones(batch, bool)), put(np.zeros(batch, bool))
        self._look()

    def begin(self, rows: Array, position: Array, phase: Array) -> None:
        """Restart the battles where `rows [R]` is true, from `position [xy, R, team, n]`.

        `phase [R, team, n]` in 0..1 is the only randomness of a battle after its start.
        """
        where, units = self.arrays.xp.where, rows[:, None, None]
        self.position = where(units, position, self.position)
        self._phase = where(units, phase, self._phase)
        self.health = where(units, self.full_health, self.health)
        self.cooldown = where(units, 0.0, self.cooldown)
        self.shots = where(units[..., None], 0.0, self.shots)
        self.joined = where(rows[:, None], 0.0, self.joined)
        self.last = where(rows[:, None], -1, self.last)
        self.time = where(rows, 0.0, self.time)
        self.over, self.won = self.over & ~rows, self.won & ~rows
        self._look()

    def _look(self) -> None:
        """Recompute what depends on the units' positions and health."""
        xp, swapped = self.arrays.xp, self.arrays.swapped
        self.alive, self.ready = self.health > 0, self.cooldown <= 0
        seen = xp.concatenate([self.position, swapped(self.position, 2) * self._mirror], axis=-1)
        living = xp.concatenate([self.alive, swapped(self.alive, 1)], axis=-1)
        self.to = seen[..., None, :] - self.position[..., None]
        there = self.alive[..., None] & living[..., None, :] & self._others
        self.distance = xp.where(there, xp.sqrt(self.to[0] ** 2 + self.to[1] ** 2), ABSENT)
        self.in_range = self.distance[..., self.n :] <= RANGE
        self.cut = (self.time >= self.rules.limit) & ~self.over
        self.running = ~(self.over | self.cut)
        (x, y), alive, edge = self.position[:, :, 0], self.alive[:, 0, :, None], MAP_HALF - 1
        moves = xp.stack([y < edge, y > -edge, x < edge, x > -edge], axis=-1) & alive
        self.available = xp.concatenate([~alive, alive, moves, self.in_range[:, 0]], axis=-1)

    # --- what is seen ------------------------------------------------------------------------------------------------

    def _view(self, team: int) -> View:
        """Return what the scripts of one team read."""
        n = self.n
        return View(
            position=self.position[:, :, team],
            alive=self.alive[:, team],
            hurt=self.health[:, team] < self.full_health[team],
            cooling=~self.ready[:, team],
            chance=(self._phase[:, team] + self.time[:, None] * GOLDEN) % 1.0,
            to_foe=self.to[:, :, team, :, n:],
            distance=self.distance[:, team, :, n:],
            in_range=self.in_range[:, team],
            foe_health=self.health[:, 1 - team],
        )

    def orders(self, team: int, drill: Drill) -> Array:
        """Return what the scripts of one team do now [R, n]."""
        return drill.actions(self._view(team))

    def obs(self) -> Array:
        """Return what the own units see [R, n, O]: see `Skirmish.obs`."""
        xp, n, sight, distance = self.arrays.xp, self.n, self.rules.sight, self.distance[:, 0]
        rows = len(distance)
        seen = self.arrays.floats(distance < sight)
        scale = seen / sight
        x, y = self.to[:, :, 0] * scale
        health = self.health / self.full_health
        flag = xp.concatenate([seen[..., :n], self.arrays.floats(self.in_range[:, 0])], axis=-1)
        units = xp.stack([flag, distance * scale, x, y, seen * health.reshape(rows, 1, 2 * n)], axis=-1)
        moves = self.arrays.floats(self.available[..., 2:ATTACK])
        enemies = units[:, :, n:].reshape(rows, n, 5 * n)
        mates = units[:, self._seat, self._mates].reshape(rows, n, 5 * n - 5)
        return xp.concatenate([moves, enemies, mates, health[:, 0, :, None]], axis=-1)

    def state(self) -> Array:
        """Return the whole battle [R, S]: see `Skirmish.state`."""
        xp = self.arrays.xp
        alive = self.arrays.floats(self.alive)
        health, cooldown = self.health / self.full_health, self.cooldown * alive / COOLDOWN
        x, y = self.position * (alive / (2 * MAP_HALF))
        own = xp.stack([health[:, 0], cooldown[:, 0], x[:, 0], y[:, 0]], axis=-1)
        enemies = xp.stack([health[:, 1], -x[:, 1], y[:, 1]], axis=-1)
        last = self.arrays.floats(self.last[..., None] == self._all_actions)
        parts = [part.reshape(len(part), part.shape[1] * part.shape[2]) for part in (own, enemies, last)]
        return xp.concatenate(parts, axis=-1)

    # --- a step ------------------------------------------------------------------------------------------------------

    def step(self, own: Array, enemies: Drill) -> Array:
        """Play `own` actions [R, n] against the enemies' scripts; returns the own team's reward [R].

        ValueError for an action that is not available in a running row; nothing has changed then.
        """
        xp, running = self.arrays.xp, self.running[:, None]
        own = xp.where(running, own, STOP)
        self._refuse_unavailable(own)
        self.last = xp.where(running, own, self.last)
        return self._play(xp.stack([own, self.orders(1, enemies)], axis=1))

    def _refuse_unavailable(self, own: Array) -> None:
        allowed = (self.available & (own[..., None] == self._all_actions)).any(-1) | ~self.running[:, None]
        if not allowed.all():
            row, seat = np.argwhere(~self.arrays.host(allowed))[0]
            raise unavailable(int(own[row, seat]), seat, row)

    def _play(self, orders: Array) -> Array:
        """Move and shoot for both teams at once, by `orders [R, team, n]`; returns the own team's reward [R]."""
        running = self.running
        units = running[:, None, None]
        able = self.alive & units
        before = self.health
        hits = self._fire(orders, able)
        self.health = self.arrays.above(before - DAMAGE * self.arrays.swapped(hits, 1), 0.0)
        self._move(orders, able)

        self.time = self.time + running
        living = (self.health > 0).any(-1)
        own_alive, enemy_alive = living[:, 0], living[:, 1]
        won = running & own_alive & ~enemy_alive
        self.won, self.over = self.won | won, self.over | ~own_alive | ~enemy_alive
        damage = (before - self.health)[:, 1].sum(-1)
        kills = ((before > 0) & (self.health <= 0))[:, 1].sum(-1)
        self._look()
        return self.arrays.floats((damage + KILL_BONUS * kills + WIN_BONUS * won) * self._scale)

    def _fire(self, orders: Array, able: Array) -> Array:
        """Shoot; returns the damage to each foe [R, team, n], in full hits."""
        xp, running = self.arrays.xp, self.running
        aimed = (orders[..., None] == self._attacks) & self.in_range
        shots = self.arrays.floats(aimed & (self.ready & able)[..., None])
        hits = shots.sum(2)
        if self.rules.combined_fire:
            joined = xp.maximum(shots[:, 0], self.shots[:, 0]).sum(1) / self.n
            hits = xp.stack([hits[:, 0] * joined**self.rules.combined_fire, hits[:, 1]], axis=1)
            self.joined = xp.where(running[:, None], joined, self.joined)
        cooldown = self.arrays.above(self.cooldown + COOLDOWN * shots.sum(3) - 1, 0.0)
        self.cooldown = xp.where(running[:, None, None], cooldown, self.cooldown)
        self.shots = xp.where(running[:, None, None, None], shots, self.shots)
        return hits

    def _move(self, orders: Array, able: Array) -> None:
        """Walk; overlapping units are pushed apart."""
        apart = self.arrays.above(self.distance, 1e-6)  # two units on one spot push nowhere
        overlap = self.arrays.above(2 * RADIUS / apart - 1, 0.0)
        moved = self.position + self._steps[:, orders] - 0.5 * (self.to * overlap).sum(-1)
        inside = self.arrays.xp.clip(moved, 0.5 - MAP_HALF, MAP_HALF - 0.5)
        self.position = self.arrays.xp.where(able, inside, self.position)
