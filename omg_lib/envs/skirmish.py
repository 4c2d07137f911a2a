"""Skirmish: n marines against n scripted marines, batched, in the layout of SMAC's marine maps.

Only StarCraft-like: hit points, damage, ranges, cooldown, availability, observation, state and reward follow SMAC
(Samvelyan et al. 2019, "The StarCraft Multi-Agent Challenge"), so n = 8 has 8m's sizes 80, 168, 14. The physics is in
`battle`, the scripts in `styles`, the settings in `rules`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs.arrays import Arrays
from omg_lib.envs.base import BatchedEnv, EnvInfo, whole_number
from omg_lib.envs.battle import Battle
from omg_lib.envs.compiled import CompiledBattle
from omg_lib.envs.rules import MAP_HALF, SPREAD, Rules, partners_defaults
from omg_lib.envs.styles import ATTACK, BASIC, Drill, Style, strict_orders
from omg_lib.system.compiling import ready
from omg_lib.words import _, listing


def action_names(n_agents: int) -> tuple[str, ...]:
    """Return the name of each action, in SMAC's order."""
    return "no-op", "stop", "north", "south", "east", "west", *(f"attack {j}" for j in range(n_agents))


class Skirmish(BatchedEnv):
    """n marines against n scripted marines; options: those of `Rules`, and `backend`: "numpy", "numba" or "torch"."""

    name: ClassVar[str] = "skirmish"

    @classmethod
    def default_rules(cls, n: int) -> dict[str, Any]:
        """Return the settings in which this variant differs from the defaults of `Rules`."""
        return {}

    @classmethod
    def training_styles(cls, n: int) -> tuple[str, ...]:
        """Return the styles of the scripted teams to train with; all seats of a team have the same style."""
        return ("nearest", "weakest", "kite", "hold", "follow", "index")

    @staticmethod
    def styles(n: int) -> dict[str, Style]:
        """Return all styles at this size, for both variants and for enemies."""
        return {**BASIC, **strict_orders(n)}

    @classmethod
    def rules(cls, n: int, options: dict[str, Any]) -> Rules:
        rules, styles = Rules.of(cls.name, cls.default_rules(n), options), tuple(cls.styles(n))
        if rules.enemies not in styles:
            raise ConfigError(
                "enemies",
                rules.enemies,
                _("allowed are {names}, and '{last}' etc.").format(names=listing(BASIC), last=styles[-1]),
            )
        return rules

    @classmethod
    def describe(cls, n_agents: int | Any, backend: str | None = None, **options: Any) -> EnvInfo:
        """Return the sizes at n = 2..16: O = 10n, S = n(n+13), C = n+6; the backend does not change them."""
        n = whole_number("n_agents", n_agents, 2, 16)
        names = tuple(cls.styles(n))
        return EnvInfo(
            name=cls.name,
            n_agents=n,
            obs_dim=10 * n,
            state_dim=n * (n + 13),
            n_actions=n + ATTACK,
            episode_limit=cls.rules(n, options).limit,
            deaths="zeros",
            styles=names,
            teams=tuple((names.index(style),) * n for style in cls.training_styles(n)),
        )

    def __init__(
        self,
        n_agents: int | Any,
        batch: int | Any = 1,
        seed: int | Any = 0,
        device: str | torch.device = "cpu",
        backend: str | None = None,
        **options: Any,
    ) -> None:
        self.info = self.describe(n_agents, **options)
        n = self.n = self.info.n_agents
        self.options = self.rules(n, options)
        self.batch = whole_number("batch", batch, 1)
        self.seed = whole_number("seed", seed, 0)
        self.arrays = Arrays(device, backend, "numba" if ready() else "numpy")
        self.device = self.arrays.device
        kind = CompiledBattle if self.arrays.compiled else Battle
        self.battle = kind(self.arrays, n, self.batch, self.options)

        table = self.styles(n)
        self._table = np.array(list(table.values()), np.float32)
        enemies = np.full((self.batch, n), list(table).index(self.options.enemies))
        self._enemy_drill = self._own_drill = Drill(self.arrays, self._table, enemies, MAP_HALF)
        self.episode, self._next_episode = np.full(self.batch, -1), 0

    def _draw(self, episode: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw all randomness of an episode: start positions [xy, team, n] and one phase per unit [team, n]."""
        rng = np.random.default_rng((self.seed, episode))
        place = rng.uniform(-SPREAD, SPREAD, (2, 2, self.n))
        place[0] -= self.options.half_distance
        return place, rng.random((2, self.n))

    def reset(self, mask: Tensor | np.ndarray | None = None, first: int | Any = None) -> None:
        """Start the next episodes in all rows, or where `mask [R]` (bool) is true.

        `first` is the number of the first one; without it the numbers continue from the last.
        """
        if first is not None:
            self._next_episode = whole_number("first", first, 0)
        chosen = np.ones(self.batch, bool)
        if mask is not None:
            chosen = mask.numpy(force=True).copy() if isinstance(mask, Tensor) else np.array(mask)
            if chosen.shape != (self.batch,) or chosen.dtype != bool:
                shown = f"{chosen.dtype} {list(chosen.shape)}"
                raise ValueError(_("mask is {shown}, allowed is bool [{batch}]").format(shown=shown, batch=self.batch))
        rows = np.flatnonzero(chosen)
        self.episode = self.episode.copy()
        self.episode[rows] = self._next_episode + np.arange(len(rows))
        self._next_episode += len(rows)

        place, phase = np.zeros((2, self.batch, 2, self.n)), np.zeros((self.batch, 2, self.n))
        for row in rows:
            place[:, row], phase[row] = self._draw(int(self.episode[row]))
        put = self.arrays.put
        self.battle.begin(put(chosen), put(place), put(phase))

    def step(
        self, actions: Tensor | np.ndarray
    ) -> tuple[Float[Tensor, " R"], Bool[Tensor, " R"], dict[str, Bool[Tensor, " R"]]]:
        """Play one step. Rows that are done do not change and get reward 0.

        `actions [R, A]` are whole numbers. ValueError for another shape or type, and for an action that is not
        available in a row that is not done; RuntimeError before the first reset.
        """
        if not self._next_episode:
            raise RuntimeError(_("no episode has begun: call reset() before step()"))
        battle, give = self.battle, self.arrays.give_out
        own = self.arrays.whole("actions", actions, (self.batch, self.n))
        reward = battle.step(own, self._enemy_drill)
        # Here and below `& True` copies: callers must not hold the battle's own arrays.
        info = {"battle_won": give(battle.won & True), "episode_limit": give(battle.cut & True)}
        return give(reward), give(~battle.running), info

    def scripted_actions(self, styles: Tensor | np.ndarray) -> Int64[Tensor, "R A"]:
        """Return an available action for each seat, following its style.

        `styles [R, A]` are positions in `info.styles`; ValueError for another shape, type or number.
        """
        rows = self.arrays.host(self.arrays.whole("styles", styles, (self.batch, self.n)))
        if not np.array_equal(rows, self._own_drill.styles):
            last = len(self._table) - 1
            if rows.min() < 0 or rows.max() > last:
                raise ValueError(
                    _("styles go from {low} to {high}, allowed is 0 to {last}").format(
                        low=rows.min(), high=rows.max(), last=last
                    )
                )
            self._own_drill = Drill(self.arrays, self._table, rows, MAP_HALF)
        return self.arrays.give_out(self.battle.orders(0, self._own_drill))

    def avail_actions(self) -> Bool[Tensor, "R A C"]:
        """Return what is available: 0 no-op (dead units only), 1 stop, 2-5 north, south, east, west, 6+j attack j."""
        return self.arrays.give_out(self.battle.available & True)

    def alive(self) -> Bool[Tensor, "R A"]:
        return self.arrays.give_out(self.battle.alive[:, 0] & True)

    def obs(self) -> Float[Tensor, "R A O"]:
        """Return SMAC's observation, in this order.

        | part | entries |
        |---|---|
        | moves | 4: whether north, south, east, west is open |
        | enemies | n x (can be shot, distance, x, y, health) |
        | mates | (n-1) x (is visible, distance, x, y, health) |
        | oneself | 1: health |

        x and y point from the seat to the unit; x, y and distance are fractions of the sight range, health is a
        fraction of full health. Units out of sight are zeros, and dead units observe only zeros.
        """
        return self.arrays.give_out(self.battle.obs())

    def state(self) -> Float[Tensor, "R S"]:
        """Return SMAC's state, in this order.

        | part | entries |
        |---|---|
        | own units | n x (health, cooldown, x, y) |
        | enemies | n x (health, x, y) |
        | last actions | n x C, one-hot; zeros before the first step |

        Health and cooldown are fractions of their maximum; x and y are relative to the centre, in map widths.
        Dead units are zeros.
        """
        return self.arrays.give_out(self.battle.state())

    def frame(self, row: int = 0) -> dict[str, Any]:
        """Return a snapshot of one row for drawing, as numpy arrays in the map's frame.

        | key | value |
        |---|---|
        | episode, time | numbers |
        | position | [2 teams, n, xy], relative to the map's centre |
        | health | [2 teams, n], fractions of full health |
        | shots | [2 teams, n, n]: unit i hit foe j in the last step |
        | joined | [n]: with combined fire, the share of own units that hit enemy j in this step or the last |
        | map_half | half the map's width |
        | won, done | whether the team has won, and whether the battle is over |
        """
        battle, host = self.battle, self.arrays.host
        position = np.moveaxis(host(battle.position[:, row]), 0, -1).copy()
        position[1, :, 0] *= -1
        return {
            "episode": int(self.episode[row]),
            "time": int(battle.time[row]),
            "position": position,
            "health": host(battle.health[row] / battle.full_health),
            "shots": host(battle.shots[row] > 0),
            "joined": host(battle.joined[row]).copy(),
            "map_half": MAP_HALF,
            "won": bool(battle.won[row]),
            "done": not battle.running[row],
        }


class Partners(Skirmish):
    """Skirmish in which teammates matter: fire counts only when combined (`combined_fire`), and teammates follow
    strict target orders.
    """

    name: ClassVar[str] = "skirmish:partners"

    @classmethod
    def default_rules(cls, n: int) -> dict[str, Any]:
        return partners_defaults(n)

    @classmethod
    def training_styles(cls, n: int) -> tuple[str, ...]:
        return tuple(strict_orders(n))
