"""Skirmish: n marines against n scripted marines, batched, in the layout of SMAC's marine maps.

StarCraft-like, and no more than that: hit points, damage, ranges, cooldown, availability, observation, state and reward
follow SMAC (Samvelyan et al. 2019, "The StarCraft Multi-Agent Challenge"), so that n = 8 has 8m's sizes 80, 168, 14.

Each team is kept in its OWN frame: the origin is the middle of the map and x points at where the enemy starts. So both
teams obey literally the same code, and a battle with the roles swapped is the same battle. Axes of the arrays:

    [xy, R, team, n]        positions; team 0 is one's own, team 1 the enemy
    [xy, R, team, n, 2n]    from unit i to unit j, where j counts the unit's own team first, then its foes
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs.arrays import Array, Arrays
from omg_lib.envs.base import BatchedEnv, EnvInfo, whole_number
from omg_lib.envs.rules import (
    COOLDOWN,
    DAMAGE,
    GOLDEN,
    HEALTH,
    KILL_BONUS,
    MAP_HALF,
    RADIUS,
    SPEED,
    SPREAD,
    TOP_RETURN,
    WIN_BONUS,
    Rules,
    partners_defaults,
)
from omg_lib.envs.styles import (
    ABSENT,
    ATTACK,
    BASIC,
    RANGE,
    STOP,
    Drill,
    Style,
    View,
    strict_orders,
)


class Skirmish(BatchedEnv):
    """n marines against n scripted marines; the options are those of `Rules`, and `backend`, "numpy" or "torch"."""

    name: ClassVar[str] = "skirmish"

    @classmethod
    def default_rules(cls, n: int) -> dict[str, Any]:
        """What this variant sets apart from `Rules`' own defaults."""
        return {}

    @classmethod
    def training_styles(cls, n: int) -> tuple[str, ...]:
        """The styles of the scripted teams to train with; all seats of a team are alike."""
        return ("nearest", "weakest", "kite", "hold", "follow", "index")

    @staticmethod
    def styles(n: int) -> dict[str, Style]:
        """Every style there is at this size, for both variants and for enemies too."""
        return {**BASIC, **strict_orders(n)}

    @classmethod
    def rules(cls, n: int, options: dict[str, Any]) -> Rules:
        rules, styles = Rules.of(cls.name, cls.default_rules(n), options), tuple(cls.styles(n))
        if rules.enemies not in styles:
            raise ConfigError(
                "enemies", rules.enemies, f"allowed are {', '.join(BASIC)} and '{styles[-1]}' and its like"
            )
        return rules

    @classmethod
    def describe(cls, n_agents: int, backend: str | None = None, **options: Any) -> EnvInfo:
        """The sizes at n = 2..16: O = 10n, S = n(n+13), C = n+6; the backend does not change them."""
        n = whole_number("n_agents", n_agents, 2, 16)
        names = tuple(cls.styles(n))
        return EnvInfo(
            name=cls.name,
            n_agents=n,
            obs_dim=10 * n,
            state_dim=n * (n + 13),
            n_actions=n + ATTACK,
            episode_limit=int(cls.rules(n, options).limit),
            styles=names,
            teams=tuple((names.index(style),) * n for style in cls.training_styles(n)),
        )

    def __init__(
        self,
        n_agents: int,
        batch: int = 1,
        seed: int = 0,
        device: str | torch.device = "cpu",
        backend: str | None = None,
        **options: Any,
    ) -> None:
        self.info = self.describe(n_agents, **options)
        n = self.n = self.info.n_agents
        self.options = self.rules(n, options)
        self.batch = whole_number("batch", batch, 1)
        self.seed = whole_number("seed", seed, 0)
        self.arrays = Arrays(device, backend)
        self.device, put = self.arrays.device, self.arrays.put

        full = np.full((2, n), HEALTH)
        full[1] *= self.options.enemy_hp
        self._full_health = put(full)
        self._scale = TOP_RETURN / (full[1].sum() + KILL_BONUS * n + WIN_BONUS)
        self._mirror = put(np.array([-1.0, 1.0])[:, None, None, None])
        steps = np.zeros((2, n + ATTACK))
        steps[:, 2:ATTACK] = [[0, 0, SPEED, -SPEED], [SPEED, -SPEED, 0, 0]]
        self._steps = put(steps)
        self._attacks = put(np.arange(ATTACK, n + ATTACK))
        self._all_actions = put(np.arange(n + ATTACK))
        self._others = put(~np.eye(n, 2 * n, dtype=bool))
        self._seat = put(np.arange(n)[:, None])
        self._mates = put(np.array([[j for j in range(n) if j != i] for i in range(n)]))

        table = self.styles(n)
        self._table = np.array(list(table.values()), np.float32)
        enemies = np.full((self.batch, n), list(table).index(self.options.enemies))
        self._enemy_drill = Drill(self.arrays, self._table, enemies, MAP_HALF)
        self._own_drill = self._enemy_drill

        R = self.batch
        self.episode, self._next_episode = np.full(R, -1), 0
        self._position = put(np.zeros((2, R, 2, n)))
        self._health, self._cooldown, self._phase = (put(np.zeros((R, 2, n))) for _ in range(3))
        self._shots = put(np.zeros((R, 2, n, n)))
        self._joined = put(np.zeros((R, n)))
        self._last_actions = put(np.full((R, n), -1))
        self._time = put(np.zeros(R))
        self._over, self._won = put(np.ones(R, bool)), put(np.zeros(R, bool))
        self._look()

    def _draw(self, episode: int) -> tuple[np.ndarray, np.ndarray]:
        """All chance of an episode: where the units start [2, 2, n], and one phase each [2, n]."""
        rng = np.random.default_rng((self.seed, episode))
        place = rng.uniform(-SPREAD, SPREAD, (2, 2, self.n))
        place[0] -= self.options.half_distance
        return place, rng.random((2, self.n))

    def reset(self, mask: Tensor | np.ndarray | None = None, first: int | None = None) -> None:
        """Start the next episodes in all rows, or where `mask [R]` (bool) is true; `first` numbers the first of them."""
        if first is not None:
            self._next_episode = whole_number("first", first, 0)
        chosen = np.ones(self.batch, bool)
        if mask is not None:
            chosen = mask.numpy(force=True) if isinstance(mask, Tensor) else np.asarray(mask)
            if chosen.shape != (self.batch,) or chosen.dtype != bool:
                raise ValueError(
                    f"mask is {chosen.dtype} {list(chosen.shape)}, allowed is bool [{self.batch}]"
                )
        rows = np.flatnonzero(chosen)
        self.episode = self.episode.copy()
        self.episode[rows] = self._next_episode + np.arange(len(rows))
        self._next_episode += len(rows)

        place, phase = np.zeros((2, self.batch, 2, self.n)), np.zeros((self.batch, 2, self.n))
        for row in rows:
            place[:, row], phase[row] = self._draw(int(self.episode[row]))
        where, put = self.arrays.xp.where, self.arrays.put
        new = put(chosen.copy())
        units = new[:, None, None]
        self._position = where(units, put(place), self._position)
        self._phase = where(units, put(phase), self._phase)
        self._health = where(units, self._full_health, self._health)
        self._cooldown = where(units, 0.0, self._cooldown)
        self._shots = where(units[..., None], 0.0, self._shots)
        self._joined = where(new[:, None], 0.0, self._joined)
        self._last_actions = where(new[:, None], -1, self._last_actions)
        self._time = where(new, 0.0, self._time)
        self._over, self._won = self._over & ~new, self._won & ~new
        self._look()

    def _look(self) -> None:
        """What follows from where the units are and who lives; everything else is read off this."""
        xp = self.arrays.xp
        position, self._alive = self._position, self._health > 0
        seen = xp.concatenate([position, xp.flip(position, (2,)) * self._mirror], axis=-1)
        living = xp.concatenate([self._alive, xp.flip(self._alive, (1,))], axis=-1)
        self._to = seen[..., None, :] - position[..., None]
        there = self._alive[..., None] & living[..., None, :] & self._others
        self._distance = xp.where(there, xp.sqrt(self._to[0] ** 2 + self._to[1] ** 2), ABSENT)
        self._in_range = self._distance[..., self.n :] <= RANGE
        self._ready = self._cooldown <= 0
        self._chance = (self._phase + self._time[:, None, None] * GOLDEN) % 1.0
        self._cut = (self._time >= self.options.limit) & ~self._over

    def step(
        self, actions: Tensor | np.ndarray
    ) -> tuple[Float[Tensor, " R"], Bool[Tensor, " R"], dict[str, Bool[Tensor, " R"]]]:
        """Play one step: both teams move and shoot at once. Rows that are done stay as they are, with reward 0.

        `actions [R, A]` whole; ValueError for another shape or type, or where a running row's action is not available.
        """
        if not self._next_episode:
            raise RuntimeError("no episode has begun: call reset() before step()")
        xp, n, arrays = self.arrays.xp, self.n, self.arrays
        run = ~(self._over | self._cut)
        units = run[:, None, None]
        own = xp.where(run[:, None], arrays.whole("actions", actions, (self.batch, n)), STOP)
        self._refuse_unavailable(own, run)
        orders = xp.stack([own, self._enemy_drill.actions(self._view(1))], axis=1)

        able = self._alive & units
        aimed = (orders[..., None] == self._attacks) & self._in_range
        shots = arrays.floats(aimed & (self._ready & able)[..., None])
        hits = shots.sum(2)
        if self.options.combined_fire:
            joined = xp.maximum(shots[:, 0], self._shots[:, 0]).sum(1) / n
            hits = xp.stack([hits[:, 0] * joined**self.options.combined_fire, hits[:, 1]], axis=1)
            self._joined = xp.where(run[:, None], joined, self._joined)
        before = self._health
        self._health = arrays.above(before - DAMAGE * xp.flip(hits, (1,)), 0.0)
        cooldown = arrays.above(self._cooldown + COOLDOWN * shots.sum(3) - 1, 0.0)
        self._cooldown = xp.where(units, cooldown, self._cooldown)

        overlap = arrays.above(2 * RADIUS / self._distance - 1, 0.0)
        pushed = self._position + self._steps[:, orders] - 0.5 * (self._to * overlap).sum(-1)
        self._position = xp.where(able, xp.clip(pushed, 0.5 - MAP_HALF, MAP_HALF - 0.5), self._position)

        self._shots = xp.where(units[..., None], shots, self._shots)
        self._last_actions = xp.where(run[:, None], own, self._last_actions)
        self._time = self._time + run
        own_alive, enemy_alive = xp.moveaxis((self._health > 0).any(-1), 1, 0)
        won = run & own_alive & ~enemy_alive
        self._won, self._over = self._won | won, self._over | ~own_alive | ~enemy_alive
        damage = (before - self._health)[:, 1].sum(-1)
        kills = ((before > 0) & (self._health <= 0))[:, 1].sum(-1)
        reward = arrays.floats((damage + KILL_BONUS * kills + WIN_BONUS * won) * self._scale)
        self._look()
        info = {
            "battle_won": arrays.give_out(self._won & True),
            "episode_limit": arrays.give_out(self._cut & True),
        }
        return arrays.give_out(reward), arrays.give_out(self._over | self._cut), info

    def _refuse_unavailable(self, own: Array, run: Array) -> None:
        allowed = (self._available() & (own[..., None] == self._all_actions)).any(-1) | ~run[:, None]
        if not allowed.all():
            row, seat = np.argwhere(~self.arrays.host(allowed))[0]
            raise ValueError(f"action {int(own[row, seat])} of seat {seat} in row {row} is not available")

    def _view(self, team: int) -> View:
        n = self.n
        return View(
            position=self._position[:, :, team],
            alive=self._alive[:, team],
            hurt=self._health[:, team] < self._full_health[team],
            cooling=~self._ready[:, team],
            chance=self._chance[:, team],
            to_foe=self._to[:, :, team, :, n:],
            distance=self._distance[:, team, :, n:],
            in_range=self._in_range[:, team],
            foe_health=self._health[:, 1 - team],
        )

    def scripted_actions(self, styles: Tensor | np.ndarray) -> Int64[Tensor, "R A"]:
        """An available action for each seat, following the style (a position in `info.styles`) given for it.

        `styles [R, A]` whole; ValueError for another shape or type, or a number that is no style.
        """
        rows = self.arrays.host(self.arrays.whole("styles", styles, (self.batch, self.n)))
        if not np.array_equal(rows, self._own_drill.styles):
            if rows.min() < 0 or rows.max() >= len(self._table):
                raise ValueError(
                    f"styles go from {rows.min()} to {rows.max()}, allowed is 0 to {len(self._table) - 1}"
                )
            self._own_drill = Drill(self.arrays, self._table, rows, MAP_HALF)
        return self.arrays.give_out(self._own_drill.actions(self._view(0)))

    def _moves(self) -> Array:
        """Which of north, south, east, west are open to each own seat [R, A, 4]."""
        xp = self.arrays.xp
        x, y = self._position[:, :, 0]
        edge = MAP_HALF - 1
        return xp.stack([y < edge, y > -edge, x < edge, x > -edge], axis=-1) & self._alive[:, 0, :, None]

    def avail_actions(self) -> Bool[Tensor, "R A C"]:
        """0 no-op (dead units only), 1 stop, 2-5 north, south, east, west, 6+j attack enemy j."""
        return self.arrays.give_out(self._available())

    def _available(self) -> Array:
        alive = self._alive[:, 0, :, None]
        return self.arrays.xp.concatenate([~alive, alive, self._moves(), self._in_range[:, 0]], axis=-1)

    def obs(self) -> Float[Tensor, "R A O"]:
        """SMAC's observation: 4 open moves; n enemies x (can be shot, distance, x, y, health); n-1 mates x (seen,
        distance, x, y, health); own health. Distances are shares of sight, health is a share; the dead observe zeros.
        """
        xp, n, R, floats = self.arrays.xp, self.n, self.batch, self.arrays.floats
        distance, sight = self._distance[:, 0], self.options.sight
        seen = floats(distance < sight)
        health = self._health / self._full_health
        scale = seen / sight
        flag = xp.concatenate([seen[..., :n], floats(self._in_range[:, 0])], axis=-1)
        x, y = self._to[:, :, 0] * scale
        unit = xp.stack([flag, distance * scale, x, y, seen * health.reshape(R, 1, 2 * n)], axis=-1)
        mates = unit[:, self._seat, self._mates].reshape(R, n, 5 * n - 5)
        foes = unit[:, :, n:].reshape(R, n, 5 * n)
        own = health[:, 0, :, None]
        return self.arrays.give_out(xp.concatenate([floats(self._moves()), foes, mates, own], axis=-1))

    def state(self) -> Float[Tensor, "R S"]:
        """SMAC's state: n own units x (health, cooldown, x, y); n enemies x (health, x, y); last actions, one-hot.

        Health and cooldown are shares, x and y are from the middle of the map in map widths; the dead are zeros.
        """
        xp, R = self.arrays.xp, self.batch
        alive = self.arrays.floats(self._alive)
        health = self._health / self._full_health
        place = self._position * (alive / (2 * MAP_HALF))
        x, y = place[:, :, 0]
        own = xp.stack([health[:, 0], self._cooldown[:, 0] * alive[:, 0] / COOLDOWN, x, y], axis=-1)
        x, y = place[:, :, 1]
        enemies = xp.stack([health[:, 1], -x, y], axis=-1)
        last = self.arrays.floats(self._last_actions[..., None] == self._all_actions)
        return self.arrays.give_out(
            xp.concatenate(
                [part.reshape(R, part.shape[1] * part.shape[2]) for part in (own, enemies, last)], axis=-1
            )
        )

    def frame(self, row: int = 0) -> dict[str, Any]:
        """A snapshot of one row for drawing, in numpy and in the map's frame.

        | key | value |
        |---|---|
        | episode, time | numbers |
        | position | [2 teams, n, xy], from the middle of the map |
        | health | [2 teams, n], shares |
        | shots | [2 teams, n, n]: unit i hit foe j in the last step |
        | joined | [n]: under combined fire, the share of own units that hit enemy j in the last two steps, else 0 |
        | map_half | half the map's width |
        | won, done | how the battle stands |
        """
        host = self.arrays.host
        position = np.moveaxis(host(self._position[:, row]), 0, -1).copy()
        position[1, :, 0] *= -1
        return {
            "episode": int(self.episode[row]),
            "time": int(self._time[row]),
            "position": position,
            "health": np.array(host(self._health[row] / self._full_health)),
            "shots": np.array(host(self._shots[row]) > 0),
            "joined": np.array(host(self._joined[row])),
            "map_half": MAP_HALF,
            "won": bool(self._won[row]),
            "done": bool(self._over[row] | self._cut[row]),
        }


class Partners(Skirmish):
    """Skirmish set so that it matters whom you play with: fire counts when it is joined (`combined_fire`), and
    teammates keep strict orders of targets.
    """

    name: ClassVar[str] = "skirmish:partners"

    @classmethod
    def default_rules(cls, n: int) -> dict[str, Any]:
        return partners_defaults(n)

    @classmethod
    def training_styles(cls, n: int) -> tuple[str, ...]:
        return tuple(strict_orders(n))
