"""Foraging: the paper's first task, level-based foraging from the package `lbforaging` (the extra `envs`).

Players and food have levels. Players next to a food who load it in the same step get it if their levels add up to at
least its level, so some food takes several players and some only one: a general-sum game (Albrecht & Ramamoorthy
2013; Papoudakis et al. 2021, who made the package).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from omg_lib.envs.base import EnvInfo, whole_number
from omg_lib.envs.games import Game, Games, Moment, extra, no_options

GRID, FOODS = 8, 3
"""As in the paper: an 8 x 8 grid that every player sees in full, with three foods. They fit beside 8 players."""
LIMIT = 50
"""Maximum steps of an episode: the package's default; the paper does not publish its own."""
NONE, N_ACTIONS = 0, 6
RULES = dict(
    min_player_level=1, max_player_level=2, min_food_level=1, max_food_level=None, field_size=(GRID, GRID),
    max_num_food=FOODS, sight=GRID, max_episode_steps=LIMIT, force_coop=False, grid_observation=False, penalty=0.0,
)  # fmt: skip
"""The settings of the package's `Foraging-8x8-2p-3f-v3`, also for more players. A player's level is 1 or 2, a food's is
at most the sum of the three lowest players' levels (of both, if there are two)."""


class Foraging(Games):
    """Level-based foraging for 2 to 8 players: R games of `lbforaging`, stepped one after the other.

    A seat earns its own level times the food's for each food it helps to load. This is the package's reward before it
    normalises a team's total to at most 1, because only this gives scores of the paper's size: with two players, a
    random seat gets 1.0 (the paper's untrained learner: 0.8), a seat that shares in every food 9.4, and 7.7 if no food
    is loaded by more levels than it takes (the paper's final score: about 7). The comparison is rough: the paper does
    not give levels, rewards or limit, and its untrained episodes last 13 steps.

    The game is over when all food is gone. It has no winner, no options and no scripted styles.

    Actions: 0 nothing (always available), 1-4 north, south, west, east (if the cell is on the grid and holds no food),
    5 load. A player that moves to a cell that another player keeps or wants stays where it is. With three or more
    players, two can still share a cell, rarely: the package frees a cell when its player tries to leave, even if the
    move fails.

    A seat's observation is the package's, in this order; never all zeros, because levels start at 1. Numbers are not
    scaled: rows and columns are 0 to 7.

    | part | entries |
    |---|---|
    | food | 3 x (row, column, level): remaining food in reading order, then (-1, -1, 0) for food that is gone |
    | oneself | row, column, level |
    | others | (A-1) x (row, column, level), by seat |

    The state is the food, then A x (row, column, level) by seat: everything but the time, and equal to seat 0's
    observation.

    A frame adds food [8, 8], the level in each cell (0: no food), row 0 in the north; position [A, 2], row and column
    of each player; level [A].
    """

    @classmethod
    def describe(cls, n_agents: int | Any, **options: Any) -> EnvInfo:
        """Return the sizes at n = 2..8: O = S = 3 (3 + n), C = 6. ConfigError for another n or for any option."""
        no_options("foraging", options)
        n = whole_number("n_agents", n_agents, 2, 8)
        width = 3 * (FOODS + n)
        return EnvInfo("foraging", n, width, width, N_ACTIONS, LIMIT, has_winner=False, general_sum=True)

    def make_game(self) -> Game:
        with extra("foraging", "lbforaging"):
            from lbforaging.foraging import ForagingEnv
        return Grid(ForagingEnv(players=self.info.n_agents, normalize_reward=False, **RULES))


class Grid(Game):
    """One game of the package."""

    def __init__(self, package: Any) -> None:
        self.package = package

    def begin(self, chance: np.random.Generator) -> Moment:
        # The package avoids the cells where its players stood before: without this, an episode would depend on the
        # previous one.
        for player in self.package.players:
            player.position = None
        self.package.np_random = chance
        return self._moment(self.package.reset()[0], 0.0, False)

    def step(self, actions: list[int]) -> Moment:
        obs, rewards, ended, _, _ = self.package.step(actions)
        # The package reports the limit as an end of the game, but the game ends only when all food is gone.
        return self._moment(obs, rewards, ended and not self.package.field.any())

    def _moment(self, obs: tuple[np.ndarray, ...], rewards: Any, over: bool) -> Moment:
        players = self.package.players
        available = np.zeros((len(players), N_ACTIONS), bool)
        for seat, player in enumerate(players):
            # Not `get_valid_actions`, which lists all joint actions: 1296 for four players in the open.
            available[seat, [action.value for action in self.package._valid_actions[player]]] = True
        return Moment(obs, obs[0], available, rewards, over)

    def frame(self) -> dict[str, Any]:
        players = self.package.players
        return {
            "food": self.package.field.copy(),
            "position": np.array([player.position for player in players]),
            "level": np.array([player.level for player in players]),
        }
