"""Foraging: the paper's first task, level-based foraging, with the rules of the package `lbforaging`.

Players and food have levels. Players next to a food who load it in the same step get it if their levels add up to at
least its level, so some food takes several players and some only one: a general-sum game (Albrecht & Ramamoorthy
2013; Papoudakis et al. 2021, who made the package). A test compares every step with the package's, which takes two to
six times as long.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from omg_lib.envs.base import EnvInfo, whole_number
from omg_lib.envs.games import Game, Games, Moment, no_options

GRID, FOODS = 8, 3
"""As in the paper: an 8 x 8 grid that every player sees in full, with three foods. They fit beside 8 players."""
LIMIT = 50
"""Maximum steps of an episode: the package's default; the paper does not publish its own."""
LEVELS, ATTEMPTS = 2, 1000
"""Players' levels are 1 or 2, as in the package's `Foraging-8x8-2p-3f-v3`, also for more players; a food's is at most
the sum of the three lowest players' levels (of both, if there are two)."""
N_ACTIONS, LOAD = 6, 5
MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (0, 0))
"""Rows and columns that each action moves by."""
GONE = (-1, -1, 0)


class Foraging(Games):
    """Level-based foraging for 2 to 8 players: R games, stepped one after the other.

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
        return Grid(self.info.n_agents)


class Grid(Game):
    """One game. Food is {(row, column): level}; no cell is beside two foods."""

    def __init__(self, players: int) -> None:
        self.players = range(players)
        self.place = [(0, 0)] * players
        self.level = [1] * players
        self.food: dict[tuple[int, int], int] = {}

    def begin(self, chance: np.random.Generator) -> Moment:
        """Place players and food with the package's draws, in its order."""
        self.place, self.level, self.food = [], [], {}
        chance.permutation(len(self.players))  # of the ranges of the players' levels, which are all alike
        for _ in self.players:
            while (cell := (int(chance.integers(0, GRID)), int(chance.integers(0, GRID)))) in self.place:
                pass
            self.place.append(cell)
            self.level.append(int(chance.integers(1, LEVELS + 1)))
        most = sum(sorted(self.level)[:3])
        chance.permutation(FOODS)
        for _ in range(ATTEMPTS):
            cell = int(chance.integers(1, GRID - 1)), int(chance.integers(1, GRID - 1))
            if cell not in self.place and not any(_near(cell, other) for other in self.food):
                self.food[cell] = int(chance.integers(1, most + 1))
            if len(self.food) == FOODS:
                break
        return self.moment([0.0 for _ in self.players])

    def step(self, actions: list[int]) -> Moment:
        """Move everyone whose cell nobody else keeps or wants, then load."""
        wanted = [(y + MOVES[a][0], x + MOVES[a][1]) for (y, x), a in zip(self.place, actions, strict=True)]
        rivals = Counter(wanted)
        self.place = [new if rivals[new] == 1 else old for old, new in zip(self.place, wanted, strict=True)]
        rewards = [0.0 for _ in self.players]
        loading = [seat for seat in self.players if actions[seat] == LOAD]
        beside = {seat: self._beside(*self.place[seat]) for seat in loading}
        for cell in set(beside.values()):
            seats = [seat for seat in loading if beside[seat] == cell]
            if sum(self.level[seat] for seat in seats) >= self.food[cell]:
                worth = self.food.pop(cell)
                for seat in seats:
                    rewards[seat] = float(self.level[seat] * worth)
        return self.moment(rewards)

    def _beside(self, y: int, x: int) -> tuple[int, int] | None:
        """Return the cell of the food beside this one; None if there is none."""
        return next((cell for dy, dx in MOVES[1:LOAD] if (cell := (y + dy, x + dx)) in self.food), None)

    def moment(self, rewards: list[float]) -> Moment:
        food = [(*cell, self.food[cell]) for cell in sorted(self.food)]
        food += [GONE] * (FOODS - len(food))
        players = [(*cell, level) for cell, level in zip(self.place, self.level, strict=True)]
        obs = [[*food, own, *players[:seat], *players[seat + 1 :]] for seat, own in enumerate(players)]
        flat = np.array(obs, np.float32).reshape(len(players), 3 * (FOODS + len(players)))
        available = [self._available(y, x) for y, x in self.place]
        return Moment(flat, flat[0], np.array(available), rewards, not self.food)

    def _available(self, y: int, x: int) -> list[bool]:
        moves = [
            0 <= y + dy < GRID and 0 <= x + dx < GRID and (y + dy, x + dx) not in self.food for dy, dx in MOVES[1:LOAD]
        ]
        return [True, *moves, self._beside(y, x) is not None]

    def frame(self) -> dict[str, Any]:
        field = np.zeros((GRID, GRID), np.int64)
        for cell, level in self.food.items():
            field[cell] = level
        return {"food": field, "position": np.array(self.place), "level": np.array(self.level)}


def _near(cell: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two foods would be too close: next to each other, also diagonally, or two apart in one line."""
    dy, dx = abs(cell[0] - other[0]), abs(cell[1] - other[1])
    return max(dy, dx) <= 1 or (min(dy, dx) == 0 and max(dy, dx) <= 2)
