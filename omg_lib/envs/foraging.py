"""Foraging: the paper's first task, level-based foraging through the package `lbforaging` (the extra `envs`).

Players and food have levels. Neighbours of a food that load it in the same step get it if their levels add up
to its own, so some food needs company and some does not: a general-sum game (Albrecht & Ramamoorthy 2013;
Papoudakis et al. 2021, whose package this is).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from omg_lib.envs.base import EnvInfo, whole_number
from omg_lib.envs.games import Game, Games, Moment, extra, no_options

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


class Foraging(Games):
    """Level-based foraging for 2 to 8 players: R games of `lbforaging`, stepped one after the other.

    A seat earns its own level times the food's for each food that it helps to load. That is the package's reward
    before it is normalised to at most 1 for the whole team, because it alone gives scores of the paper's size: with
    two players a seat that plays at random gets 1.0 (the paper's untrained learner 0.8), one that shares in every
    food 9.4, and 7.7 if no food is loaded by more levels than it takes (the paper's end: about 7). Only loosely
    comparable: the paper says nothing of levels, rewards and limit, and its untrained episodes last 13 steps.

    The game is over when all food is gone. Nobody wins. There are no options and no scripted styles.

    Actions: 0 nothing (always), 1-4 north, south, west, east (the cell is on the grid and holds no food), 5 load.
    Whoever moves to a cell that another player keeps or wants stays where it is. With three players and more two
    may still meet in one cell, seldom: the package takes who wants to leave a cell, and cannot, for gone.

    A seat's observation is the package's, in this order; never all zeros, because levels start at 1. Numbers are not
    scaled: rows and columns are 0 to 7.

    | part | entries |
    |---|---|
    | food | 3 x (row, column, level): what is left, in reading order, then (-1, -1, 0) for what is gone |
    | oneself | row, column, level |
    | others | (A-1) x (row, column, level), by seat |

    The state is the food, then A x (row, column, level) by seat: all but the time, and what seat 0 observes.

    A frame adds food [8, 8], the level in each cell, 0 without, row 0 in the north; position [A, 2], row and column
    of each player; level [A].
    """

    @classmethod
    def describe(cls, n_agents: int | Any, **options: Any) -> EnvInfo:
        """The sizes at n = 2..8: O = S = 3 (3 + n), C = 6. ConfigError for another n or for any option."""
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
        # The package keeps off the places where its players stood before: without this, an episode would depend on
        # the one before it.
        for player in self.package.players:
            player.position = None
        self.package.np_random = chance
        return self._moment(self.package.reset()[0], 0.0, False)

    def step(self, actions: list[int]) -> Moment:
        obs, rewards, ended, _, _ = self.package.step(actions)
        # The package calls the end at the limit an end of the game: it is one only when all food is gone.
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
