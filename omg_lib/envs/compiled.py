"""Skirmish on a CPU several times faster: `Battle` with its loops compiled by numba, the same battle bit for bit.

Once the kernels are compiled (`omg_lib.system.compiling`), battles use them by default; without them numpy plays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from omg_lib.config import ConfigError
from omg_lib.envs.arrays import Array, Arrays
from omg_lib.envs.battle import Battle, unavailable
from omg_lib.envs.rules import Rules
from omg_lib.envs.styles import ATTACK, Drill
from omg_lib.system.compiling import forget, installed, ready
from omg_lib.words import _


class CompiledBattle(Battle):
    """A `Battle` that changes its arrays in place."""

    def __init__(self, arrays: Arrays, n: int, batch: int, rules: Rules) -> None:
        if not installed():
            raise ConfigError("backend", "numba", _("numba is not installed: pip install numba; 'numpy' needs nothing"))
        try:
            from omg_lib.envs import kernels
        except RuntimeError as error:  # numba finds no folder that it may write to
            said = _("{error}; 'numpy' needs no folder").format(error=error)
            raise ConfigError("backend", "numba", said) from error
        if not ready():
            forget(Path(kernels.look.stats.cache_path))
        self._kernels = kernels
        super().__init__(arrays, n, batch, rules)

    def _look(self) -> None:
        batch, n = self.time.size, self.n
        for name in ("position", "health", "cooldown", "_phase", "shots", "joined", "last", "time"):
            setattr(self, name, np.ascontiguousarray(getattr(self, name)))
        empty = np.empty
        self.cut, self.running = empty(batch, bool), empty(batch, bool)
        self.alive, self.ready = empty((batch, 2, n), bool), empty((batch, 2, n), bool)
        self.to, self.distance = empty((2, batch, 2, n, 2 * n), np.float32), empty((batch, 2, n, 2 * n), np.float32)
        self.in_range, self.available = empty((batch, 2, n, n), bool), empty((batch, n, ATTACK + n), bool)
        self._board = self._kernels.Board(
            position=self.position,
            health=self.health,
            cooldown=self.cooldown,
            phase=self._phase,
            shots=self.shots,
            joined=self.joined,
            last=self.last,
            time=self.time,
            over=self.over,
            won=self.won,
            cut=self.cut,
            running=self.running,
            alive=self.alive,
            ready=self.ready,
            to=self.to,
            distance=self.distance,
            in_range=self.in_range,
            available=self.available,
            full_health=self.full_health,
            powers=(np.arange(n + 1, dtype=np.float32) / n) ** self.rules.combined_fire,
            combined=self.rules.combined_fire > 0,
            limit=self.rules.limit,
            sight=self.rules.sight,
            scale=float(self._scale),
        )
        self._kernels.look_all(self._board)

    def orders(self, team: int, drill: Drill) -> Array:
        found = np.empty((self.time.size, self.n), np.int64)
        self._kernels.order_all(self._board, team, drill.columns, found)
        return found

    def step(self, own: Array, enemies: Drill) -> Array:
        reward = np.empty(self.time.size, np.float32)
        refused = self._kernels.step(self._board, own, enemies.columns, reward)
        if refused >= 0:
            row, seat = divmod(refused, self.n)
            raise unavailable(int(own[row, seat]), seat, row)
        return reward

    def obs(self) -> Array:
        found = np.empty((self.time.size, self.n, 10 * self.n), np.float32)
        self._kernels.write_obs(self._board, found)
        return found

    def state(self) -> Array:
        found = np.empty((self.time.size, self.n * (self.n + 13)), np.float32)
        self._kernels.write_state(self._board, found)
        return found

