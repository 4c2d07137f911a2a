"""Foraging: the paper's first task, level-based foraging through the package `lbforaging` (the extra `envs`).

Players and food have levels. Neighbours of a food that load it in the same step get it if their levels add up
to its own, so some food needs company and some does not: a general-sum game (Albrecht & Ramamoorthy 2013;
Papoudakis et al. 2021, whose package this is).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs.arrays import Arrays
from omg_lib.envs.base import BatchedEnv, EnvInfo, whole_number

GRID, FOODS = 8, 3
"""The paper's: an 8 x 8 grid that everybody sees whole, and three foods. They always find room among 8 players."""
LIMIT = 50
"""Most steps of an episode: the package's own; the paper's is not published."""
NONE, N_ACTIONS = 0, 6
RULES = dict(
    min_player_level=1, max_player_level=2, min_food_level=1, max_food_level=None, field_size=(GRID, GRID),
    max_num_food=FOODS, sight=GRID, max_episode_steps=LIMIT, force_coop=False, grid_observation=False, penalty=0.0,
)  # fmt: skip
"""Those of the package's `Foraging-8x8-2p-3f-v3`, which it has for more players too. A player's level is 1 or 2,
a food's goes up to the sum of the three lowest players' (of both, where there are two)."""


class Foraging(BatchedEnv):
    """Level-based foraging for 2 to 8 players: R games of `lbforaging`, stepped one after the other.

    A seat earns its own level times the food's for each food that it helps to load. That is the package's reward
    before it is normalised to at most 1 for the whole team, because it alone gives scores of the paper's size: with
    two players a seat that plays at random gets 1.0 (the paper's untrained learner 0.8), one that shares in every
    food 9.4, and 7.7 if no food is loaded by more levels than it takes (the paper's end: about 7). Only loosely
    comparable: the paper says nothing of levels, rewards and limit, and its untrained episodes last 13 steps.

    The game is over when all food is gone. Nobody wins. There are no options and no scripted styles.
    """

    @classmethod
    def describe(cls, n_agents: int | Any, **options: Any) -> EnvInfo:
        """The sizes at n = 2..8: O = S = 3 (3 + n), C = 6. ConfigError for another n or for any option."""
        if options:
            raise ConfigError("option", next(iter(options)), "foraging has no options")
        n = whole_number("n_agents", n_agents, 2, 8)
        width = 3 * (FOODS + n)
        return EnvInfo("foraging", n, width, width, N_ACTIONS, LIMIT, has_winner=False, general_sum=True)

    def __init__(
        self,
        n_agents: int | Any,
        batch: int | Any = 1,
        seed: int | Any = 0,
        device: str | torch.device = "cpu",
        **options: Any,
    ) -> None:
        self.info = info = self.describe(n_agents, **options)
        R = self.batch = whole_number("batch", batch, 1)
        self.seed = whole_number("seed", seed, 0)
        self.device, self._host = Arrays(device).device, Arrays("cpu")
        try:
            from lbforaging.foraging import ForagingEnv
        except ImportError as error:
            missing = 'the package lbforaging is not installed; to get it: pip install -e ".[envs]"'
            raise ConfigError("env", "foraging", missing) from error
        self._games = [ForagingEnv(players=info.n_agents, normalize_reward=False, **RULES) for _ in range(R)]
        self._obs = np.zeros((R, info.n_agents, info.obs_dim), np.float32)
        self._available = np.zeros((R, info.n_agents, N_ACTIONS), bool)
        self._rewards = np.zeros((R, info.n_agents), np.float32)
        self._time, self._done, self._cut = np.zeros(R, int), np.ones(R, bool), np.zeros(R, bool)
        self.episode, self._next_episode = np.full(R, -1), 0

    def reset(self, mask: Tensor | np.ndarray | None = None, first: int | Any = None) -> None:
        """Start the next episodes in all rows, or where `mask [R]` (bool) is true.

        `first` numbers the first of them; without it they go on from the latest. ValueError for another mask.
        """
        if first is not None:
            self._next_episode = whole_number("first", first, 0)
        chosen = torch.ones(self.batch, dtype=torch.bool) if mask is None else torch.as_tensor(mask)
        if chosen.shape != (self.batch,) or chosen.dtype != torch.bool:
            raise ValueError(f"mask is {chosen.dtype} {list(chosen.shape)}, allowed is bool [{self.batch}]")
        self.episode = self.episode.copy()
        for row in chosen.nonzero()[:, 0].tolist():
            game = self._games[row]
            # The package keeps off the places where its players stood before: without this, an episode would
            # depend on the one before it.
            for player in game.players:
                player.position = None
            game.np_random = np.random.default_rng((self.seed, self._next_episode))
            self._look(row, game.reset()[0])
            self._rewards[row], self._time[row], self._done[row] = 0, 0, False
            self.episode[row] = self._next_episode
            self._next_episode += 1

    def step(self, actions: Tensor | np.ndarray) -> tuple[Float[Tensor, " R"], Bool[Tensor, " R"], dict[str, Tensor]]:
        """Play one step; the reward `[R]` is the sum of the seats' own, `info["rewards"] [R, A]` float32.

        Rows that are done stay as they are, with rewards 0. `actions [R, A]` whole. ValueError for another shape
        or type, and for an action that is not available in a row that is not done; RuntimeError before the first
        reset.
        """
        if not self._next_episode:
            raise RuntimeError("no episode has begun: call reset() before step()")
        played = self._host.whole("actions", actions, self._rewards.shape)
        allowed = (self._available & (played[..., None] == np.arange(N_ACTIONS))).any(-1) | self._done[:, None]
        if not allowed.all():
            row, seat = np.argwhere(~allowed)[0]
            raise ValueError(f"action {int(played[row, seat])} of seat {seat} in row {row} is not available")
        self._rewards[:] = 0
        for row in np.flatnonzero(~self._done).tolist():
            game = self._games[row]
            obs, self._rewards[row], self._done[row], _, _ = game.step(played[row].tolist())
            # The package calls the end at the limit an end of the game: it is one only when all food is gone.
            self._cut[row] = self._done[row] and game.field.any()
            self._time[row] += 1
            self._look(row, obs)
        give = self._give_out
        info = {"rewards": give(self._rewards), "battle_won": give(np.zeros(self.batch, bool))}
        return give(self._rewards.sum(1)), give(self._done), info | {"episode_limit": give(self._cut)}

    def _look(self, row: int, obs: tuple[np.ndarray, ...]) -> None:
        """Take over what the seats of one game see and may do."""
        game = self._games[row]
        self._obs[row] = obs
        self._available[row] = False
        for seat, player in enumerate(game.players):
            # Not `get_valid_actions`, which lists all joint actions: 1296 for four players in the open.
            self._available[row, seat, [action.value for action in game._valid_actions[player]]] = True

    def _give_out(self, array: np.ndarray) -> Tensor:
        """A copy on the device: no later step may write to what was returned."""
        return torch.tensor(array, device=self.device)

    def avail_actions(self) -> Bool[Tensor, "R A C"]:
        """0 nothing (always), 1-4 north, south, west, east (the cell is on the grid and holds no food), 5 load.

        Whoever moves to a cell that another player keeps or wants stays where it is. With three players and more two
        may still meet in one cell, seldom: the package takes who wants to leave a cell, and cannot, for gone.
        """
        return self._give_out(self._available)

    def obs(self) -> Float[Tensor, "R A O"]:
        """The package's observation, in this order; never all zeros, because levels start at 1.

        | part | entries |
        |---|---|
        | food | 3 x (row, column, level): what is left, in reading order, then (-1, -1, 0) for what is gone |
        | oneself | row, column, level |
        | others | (A-1) x (row, column, level), by seat |
        """
        return self._give_out(self._obs)

    def state(self) -> Float[Tensor, "R S"]:
        """Food as in `obs`, then A x (row, column, level) by seat. That is all but the time: what seat 0 observes."""
        return self._give_out(self._obs[:, 0])

    def frame(self, row: int = 0) -> dict[str, Any]:
        """A snapshot of one row for drawing, in numpy.

        | key | value |
        |---|---|
        | episode, time | numbers |
        | food | [8, 8]: the level of the food in each cell, 0 without; row 0 is the north |
        | position | [A, 2]: row and column of each player |
        | level | [A]: of each player |
        | rewards | [A]: of the latest step |
        | done | whether the episode is over |
        """
        players = self._obs[row, 0, 3 * FOODS :].reshape(-1, 3).astype(int)
        return {
            "episode": int(self.episode[row]),
            "time": int(self._time[row]),
            "food": self._games[row].field.copy(),
            "position": players[:, :2],
            "level": players[:, 2],
            "rewards": self._rewards[row].copy(),
            "done": bool(self._done[row]),
        }
