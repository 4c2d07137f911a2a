"""One running StarCraft II: started with its first episode, replaced after it dies.

Adds what the package `smacv2` lacks: its random numbers come from outside, a game that dies is reported instead of
silently replaced, and every wait has a time limit.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from omg_lib.config import ConfigError
from omg_lib.envs.base import GameLost
from omg_lib.envs.games import Game, Moment
from omg_lib.words import _

PATIENCE = 5
"""Seconds to wait for a game to start before printing a notice."""
DRAWS = 3
"""How often to draw teams and places if units do not appear; the package waits 1000 game loops each time."""


class StarCraft(Game):
    """One game of SMACv2; `options()` returns a fresh copy of the package's settings each time."""

    def __init__(self, name: str, options: Callable[[], dict[str, Any]], seed: int, timeout: int) -> None:
        try:
            self.package = load_package()
        except Exception as error:  # importing a third-party package can raise anything
            reason = _("smacv2 cannot be loaded ({name}: {error})").format(
                name=type(error).__name__, error=str(error)[:80]
            )
            raise ConfigError("env", name, _("{reason}; run python -m omg_lib doctor").format(reason=reason)) from error
        self.name, self.options, self.seed, self.timeout = name, options, seed, timeout
        self.env: Any = None
        self.started = False
        self.won, self.actions, self.dice = False, None, random.Random()

    def begin(self, chance: np.random.Generator) -> Moment:
        """Start the next battle, and the game itself if it is not running."""
        self.won, self.actions = False, None
        self.dice = random.Random(int(chance.integers(2**32)))
        with self._lent_dice(), self._watched():
            if self.env is None:
                self._make_env()
            for distribution in self.distributions:
                self._lend(distribution, chance)
            obs, _ = self._place_units()
            self.started = True
            self.env.max_reward = self._top_reward()
            return self._moment(obs)

    def step(self, actions: list[int]) -> Moment:
        self.actions = actions
        with self._lent_dice(), self._watched():
            reward, over, info = self.env.step(actions)
            if "battle_won" not in info:  # this is how the package reports a game that it replaced
                raise GameLost(_("StarCraft II was replaced in mid-episode"))
            self.won, cut = bool(info["battle_won"]), bool(info.get("episode_limit", False))
            return self._moment(self.env.get_obs(), reward, over and not cut, cut)

    def _moment(self, obs: list[np.ndarray], reward: float = 0.0, over: bool = False, cut: bool = False) -> Moment:
        """Read `obs` only once per step: the package records which unit has seen which."""
        env = self.env
        return Moment(np.stack(obs), env.get_state(), np.array(env.get_avail_actions()), reward, over, self.won, cut)

    def _place_units(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Draw teams and places until the game has placed all units, as the package's wrapper does."""
        for __ in range(DRAWS):
            drawn = [distribution.generate() for distribution in self.distributions]
            try:
                return self.env.reset({key: value for part in drawn for key, value in part.items()})
            except self.package.not_placed:
                continue
            finally:
                # At 0 the package would start another game at the next reset, and add the enemies' health to the reward
                # scale again.
                self.env._episode_count = max(1, self.env._episode_count)
        raise GameLost(_("StarCraft II did not place all units, {n} times").format(n=DRAWS))

    def _make_env(self) -> None:
        self.package.flags.sc2_timeout = self.timeout
        wrapper = self.package.wrapper(**self.options(), seed=self.seed)
        self.env, self.distributions = wrapper.env, list(wrapper.env_key_to_distribution_map.values())
        # The package calls this when the connection is lost, and would continue as if the episode were over.
        self.env.full_restart = self._lost

    def _lost(self) -> None:
        raise GameLost(f"StarCraft II: {sys.exception()}")

    def _top_reward(self) -> float:
        """Return the maximum reward before scaling: the enemies' total health, their deaths and the win."""
        env = self.env
        health = sum(unit.health_max + unit.shield_max for unit in env.enemies.values())
        return health + env.n_enemies * env.reward_death_value + env.reward_win

    def _lend(self, distribution: Any, chance: np.random.Generator) -> None:
        """Let this distribution and its parts draw from `chance` instead of their unseeded generators."""
        for key, value in vars(distribution).items():
            if isinstance(value, np.random.Generator):
                setattr(distribution, key, chance)
            elif isinstance(value, self.package.distribution):
                self._lend(value, chance)

    @contextmanager
    def _lent_dice(self) -> Iterator[None]:
        """Let the package draw from our generator instead of the module `random`; restore the module afterwards.

        It also asks numpy's global generator whether a mate learns of an enemy: always yes, whatever the draw.
        """
        before = random.getstate()
        random.setstate(self.dice.getstate())
        try:
            yield
        finally:
            self.dice.setstate(random.getstate())
            random.setstate(before)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Close a game that fails and raise GameLost, or ConfigError if it has never started here."""
        try:
            yield
        except (GameLost, *self.package.failures) as error:
            self.close()
            if self.started:
                raise error if isinstance(error, GameLost) else GameLost(f"StarCraft II: {error}") from error
            reason = _("StarCraft II did not start ({error})").format(error=" ".join(str(error).split())[:160])
            advice = _("run its program by hand to see why, or allow more than timeout={n} seconds")
            raise ConfigError("env", self.name, f"{reason}; {advice.format(n=self.timeout)}") from error

    def replay(self) -> bytes:
        """Return the game's own replay of all it has played. GameLost if there is none, RuntimeError before a game."""
        if self.env is None:
            raise RuntimeError(_("no game is running: call reset() first"))
        with self._watched():
            return self.env._controller.save_replay()

    def frame(self) -> dict[str, Any]:
        """Return a frame in skirmish's format; see `Smacv2`."""
        env = self.env
        teams = [[side[i] for i in range(len(side))] for side in (env.agents, env.enemies)]
        place = np.array([[(unit.pos.x, unit.pos.y) for unit in team] for team in teams])
        health = np.array([[_share(unit) for unit in team] for team in teams])
        shots = np.zeros((2, env.n_agents, env.n_enemies), bool)
        for seat, action in enumerate(self.actions or []):
            if action >= env.n_actions_no_attack and env.agents[seat].unit_type != env.medivac_id:
                shots[0, seat, action - env.n_actions_no_attack] = True
        return {
            "position": place - np.array([env.map_x, env.map_y]) / 2,
            "health": health,
            "shots": shots,
            "joined": np.zeros(env.n_enemies),
            "map_half": env.map_x / 2,
            "won": self.won,
        }

    def close(self) -> None:
        env, self.env = self.env, None
        if env is not None:
            env.close()


def _share(unit: Any) -> float:
    """Return a unit's remaining health and shields; the package does not clear a dead unit's shields."""
    return (unit.health + unit.shield) / (unit.health_max + unit.shield_max) if unit.health > 0 else 0.0


@cache
def load_package() -> SimpleNamespace:
    """Import what is used of smacv2 and pysc2: here, because only users with the game have them."""
    from absl import flags
    from pysc2.lib import protocol, remote_controller, sc_process
    from smacv2.env import StarCraftCapabilityEnvWrapper
    from smacv2.env.starcraft2.distributions import Distribution
    from smacv2.env.starcraft2.starcraft2 import CannotResetException

    class WatchedProcess(sc_process.StarcraftProcess):
        """Report a slow start, and a game that ended, at once: pysc2 polls every second while it waits."""

        waited = 0

        @property
        def running(self) -> bool:
            if self._controller is None and self._proc is not None and self._proc.poll() is not None:
                raise sc_process.SC2LaunchError(_("it exited with code {code}").format(code=self._proc.poll()))
            if self._controller is None:
                self.waited += 1
                if self.waited % PATIENCE == 0:
                    print(
                        _("StarCraft II is still starting, after {seconds} seconds").format(seconds=self.waited),
                        file=sys.stderr,
                        flush=True,
                    )
            return super().running

    sc_process.StarcraftProcess = WatchedProcess  # pysc2 looks it up here when it starts a game
    return SimpleNamespace(
        wrapper=StarCraftCapabilityEnvWrapper,
        distribution=Distribution,
        not_placed=CannotResetException,
        flags=flags.FLAGS,
        failures=(
            protocol.ConnectionError,
            protocol.ProtocolError,
            remote_controller.ConnectError,
            remote_controller.RequestError,
            sc_process.SC2LaunchError,
            OSError,
        ),
    )
