"""Base classes for environments whose games are played one by one: the bookkeeping of rows and a Python loop over
games.

To add such an environment, write a `Game`, which knows nothing about rows, and a subclass of `Games` that creates it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs.arrays import Arrays
from omg_lib.envs.base import BatchedEnv, EnvInfo, whole_number
from omg_lib.envs.watch import check_range
from omg_lib.words import _


class Moment(NamedTuple):
    """What one game shows now and the result of its last step. Numbers of any type: rows are float32 and bool."""

    obs: Any  # [A, O]
    state: Any  # [S]
    available: Any  # [A, C]
    rewards: Any = 0.0  # [A], one per seat, in a general-sum game; else one number for the team
    over: bool = False  # the game itself has ended
    won: bool = False
    cut: bool = False  # cut while it was not over; optional at L steps
    alive: Any = True  # [A], if seats can leave before the others (`EnvInfo.deaths`)


class Game(ABC):
    """One copy of a game, played step by step until it is over or cut."""

    @abstractmethod
    def begin(self, chance: np.random.Generator) -> Moment:
        """Start a new episode. All that follows until the next call depends only on `chance` and the actions."""

    @abstractmethod
    def step(self, actions: list[int]) -> Moment:
        """Play one step, with an available action for each seat."""

    def scripted_actions(self, styles: list[int]) -> list[int]:
        """Return what a script in each seat would do now; called only if the environment has styles."""
        raise NotImplementedError

    def frame(self) -> dict[str, Any]:
        """Return what a drawing needs besides episode, time, rewards and done."""
        return {}

    def close(self) -> None:  # noqa: B027 - most games hold no resources
        """Release the game's resources; closing twice is fine."""


class GameRows(BatchedEnv):
    """R games played one by one; subclasses define where, in `_begin` and `_play`.

    Stores what each row showed last and keeps the contract for rows: episode numbers, frozen rows, the cut at L steps,
    errors, and results that no later step writes to.
    """

    def __init__(
        self, info: EnvInfo, batch: int | Any = 1, seed: int | Any = 0, device: str | torch.device = "cpu"
    ) -> None:
        self.info = info
        R = self.batch = whole_number("batch", batch, 1)
        self.seed = whole_number("seed", seed, 0)
        self.device, self._host = Arrays(device).device, Arrays("cpu")
        self._obs = np.zeros((R, info.n_agents, info.obs_dim), np.float32)
        self._state = np.zeros((R, info.state_dim), np.float32)
        self._available = np.zeros((R, info.n_agents, info.n_actions), bool)
        self._alive = np.ones((R, info.n_agents), bool)
        self._rewards = np.zeros((R, info.n_agents), np.float32)
        self._done, self._won, self._cut = np.ones(R, bool), np.zeros(R, bool), np.zeros(R, bool)
        self._time, self.episode, self._next_episode = np.zeros(R, int), np.full(R, -1), 0

    @abstractmethod
    def _begin(self, episodes: dict[int, int]) -> dict[int, Moment]:
        """Start episode k in some rows, {row: k}."""

    @abstractmethod
    def _play(self, actions: np.ndarray, rows: list[int]) -> dict[int, Moment]:
        """Play one step in the rows that are not done, with `actions [R, A]`."""

    def reset(self, mask: Tensor | np.ndarray | None = None, first: int | Any = None) -> None:
        """Start the next episodes in all rows, or where `mask [R]` (bool) is true.

        `first` is the number of the first one; without it the numbers continue from the last. ValueError for another
        mask.
        """
        if first is not None:
            self._next_episode = whole_number("first", first, 0)
        chosen = torch.ones(self.batch, dtype=torch.bool) if mask is None else torch.as_tensor(mask)
        if chosen.shape != (self.batch,) or chosen.dtype != torch.bool:
            raise ValueError(
                _("mask is {dtype} {shape}, allowed is bool [{batch}]").format(
                    dtype=chosen.dtype, shape=list(chosen.shape), batch=self.batch
                )
            )
        rows = chosen.nonzero()[:, 0].tolist()
        numbers = {row: self._next_episode + i for i, row in enumerate(rows)}
        self.episode = self.episode.copy()
        self.episode[rows] = list(numbers.values())
        self._next_episode += len(rows)
        self._time[rows], self._done[rows] = 0, False
        self._take(self._begin(numbers))

    def step(self, actions: Tensor | np.ndarray) -> tuple[Float[Tensor, " R"], Bool[Tensor, " R"], dict[str, Tensor]]:
        """Play one step. Rows that are done do not change and get reward 0.

        `actions [R, A]` are whole numbers. ValueError for another shape or type, and for an action that is not
        available in a row that is not done; RuntimeError before the first reset.
        """
        if not self._next_episode:
            raise RuntimeError(_("no episode has begun: call reset() before step()"))
        played = self._host.whole("actions", actions, self._rewards.shape)
        chosen = played[..., None] == np.arange(self.info.n_actions)
        allowed = (self._available & chosen).any(-1) | self._done[:, None]
        if not allowed.all():
            row, seat = np.argwhere(~allowed)[0]
            raise ValueError(
                _("action {action} of seat {seat} in row {row} is not available").format(
                    action=int(played[row, seat]), seat=seat, row=row
                )
            )
        self._rewards[:] = 0
        rows = np.flatnonzero(~self._done).tolist()
        self._time[rows] += 1
        self._take(self._play(played, rows))
        info = {"battle_won": self._give_out(self._won), "episode_limit": self._give_out(self._cut)}
        if self.info.general_sum:
            info["rewards"] = self._give_out(self._rewards)
        reward = self._rewards.sum(1) if self.info.general_sum else self._rewards[:, 0]
        return self._give_out(reward), self._give_out(self._done), info

    def _take(self, moments: dict[int, Moment]) -> None:
        """Store what some games show. ConfigError for anything that a Moment may not hold."""
        for row, now in moments.items():
            if not isinstance(now, Moment):
                allowed = _("begin() or step() returned {values}; expected is a Moment").format(values=shown(now))
                raise ConfigError("env", self.info.name, allowed)
            self._obs[row] = self._checked("obs", now.obs, self._obs[row].shape)
            self._state[row] = self._checked("state", now.state, self._state[row].shape)
            self._available[row] = self._checked("available", now.available, self._available[row].shape, True)
            self._alive[row] = self._checked("alive", now.alive, self._alive[row].shape, True)
            if self.info.deaths != "told" and not self._alive[row].all():
                allowed = _("its Moment has `alive`: allowed is deaths='told', not {deaths!r}").format(
                    deaths=self.info.deaths
                )
                raise ConfigError("env", self.info.name, allowed)
            paid = self._rewards[row].shape if self.info.general_sum else ()
            nothing = not np.any(plain(now.rewards))  # a bare 0 is fine for all; any other number would be paid n times
            self._rewards[row] = self._checked("rewards", now.rewards, paid, nothing)
            over = bool(now.over)
            if not over and not self._available[row].any(axis=1).all():
                seat = int(np.argmin(self._available[row].any(axis=1)))
                allowed = _(
                    "its Moment has `available` without an action for seat {seat}; allowed is one or more"
                ).format(seat=seat)
                raise ConfigError("env", self.info.name, allowed)
            self._cut[row] = not over and (bool(now.cut) or self._time[row] >= self.info.episode_limit)
            self._done[row], self._won[row] = over or self._cut[row], now.won

    def _checked(self, what: str, values: Any, shape: tuple[int, ...], one_for_all: bool = False) -> np.ndarray:
        """Return numbers of this shape, or a single one if it may apply to all. The runner refuses NaN."""
        found = plain(values)
        if found.shape == (*shape, 1):
            found = found[..., 0]
        if found.dtype.kind not in "biuf" or (found.shape != shape and not (one_for_all and found.shape == ())):
            wanted = _("are numbers {shape}").format(shape=list(shape)) if shape else _("is one number")
            allowed = _("its Moment has {what} {values}; allowed {wanted}").format(
                what=what, values=shown(values), wanted=wanted
            )
            raise ConfigError("env", self.info.name, allowed)
        if found.dtype.kind != "b":
            check_range(self.info, f"its Moment's {what}", found)
        return found

    def _give_out(self, array: np.ndarray) -> Tensor:
        """Copy to the device: no later step may write to what was returned."""
        return torch.tensor(array, device=self.device)

    def obs(self) -> Float[Tensor, "R A O"]:
        return self._give_out(self._obs)

    def state(self) -> Float[Tensor, "R S"]:
        return self._give_out(self._state)

    def avail_actions(self) -> Bool[Tensor, "R A C"]:
        return self._give_out(self._available)

    def alive(self) -> Bool[Tensor, "R A"]:
        return self._give_out(self._alive) if self.info.deaths == "told" else super().alive()

    def scripted_actions(self, styles: Tensor | np.ndarray) -> Int64[Tensor, "R A"]:
        if not self.info.styles:
            return super().scripted_actions(styles)
        wanted = self._host.whole("styles", styles, self._rewards.shape)
        known = len(self.info.styles)
        if not ((0 <= wanted) & (wanted < known)).all():
            raise ValueError(
                _("styles go from {low} to {high}, allowed is 0 to {last}").format(
                    low=wanted.min(), high=wanted.max(), last=known - 1
                )
            )
        return self._give_out(np.array(self._scripts(wanted.tolist())))

    @abstractmethod
    def _scripts(self, styles: list[list[int]]) -> list[list[int]]:
        """Return what scripts in the seats of every row would do now."""


class Games(GameRows):
    """R copies of a game in this process, stepped one after the other."""

    def __init__(
        self,
        n_agents: int | Any,
        batch: int | Any = 1,
        seed: int | Any = 0,
        device: str | torch.device = "cpu",
        **options: Any,
    ) -> None:
        super().__init__(self.describe(n_agents, **options), batch, seed, device)
        self.games = [self.make_game(**options) for _ in range(self.batch)]

    @abstractmethod
    def make_game(self, **options: Any) -> Game:
        """Create one copy for `self.info.n_agents` seats. ConfigError if this machine lacks what it needs."""

    def _begin(self, episodes: dict[int, int]) -> dict[int, Moment]:
        return {row: self.games[row].begin(np.random.default_rng((self.seed, k))) for row, k in episodes.items()}

    def _play(self, actions: np.ndarray, rows: list[int]) -> dict[int, Moment]:
        return {row: self.games[row].step(actions[row].tolist()) for row in rows}

    def _scripts(self, styles: list[list[int]]) -> list[list[int]]:
        return [game.scripted_actions(wanted) for game, wanted in zip(self.games, styles, strict=True)]

    def frame(self, row: int = 0) -> dict[str, Any]:
        """Return a snapshot of one row: episode, time, rewards [A] of the last step, done, and what the game adds."""
        return {
            "episode": int(self.episode[row]),
            "time": int(self._time[row]),
            "rewards": self._rewards[row].copy(),
            "done": bool(self._done[row]),
        } | self.games[row].frame()

    def close(self) -> None:
        for game in self.games:
            game.close()


def plain(values: Any) -> np.ndarray:
    """Convert what a game returned (lists, torch tensors, ...) to an array; dtype object if it is not one."""
    if isinstance(values, Tensor):
        return values.numpy(force=True)
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError):  # such as rows of different lengths
        return np.array(None)


def shown(value: Any) -> str:
    """Describe a value in a few words; an array of numbers by its type and shape."""
    array = plain(value)
    return f"{array.dtype} {list(array.shape)}" if array.size > 1 else " ".join(repr(value).split())[:40]


def no_options(name: str, options: dict[str, Any]) -> None:
    """Raise ConfigError if there are any options."""
    if options:
        raise ConfigError("option", next(iter(options)), _("{name} has no options").format(name=name))


@contextmanager
def extra(env: str, package: str) -> Iterator[None]:
    """Wrap imports that need the extra `envs`: if it is missing, ConfigError gives the command to install it."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # otherwise its greeting goes to the command's stdout
    try:
        yield
    except ImportError as error:
        missing = _('the package {package} is not installed; run pip install -e ".[envs]"').format(package=package)
        raise ConfigError("env", env, missing) from error
