"""The paper's small game (Sec. 4.1, Fig. 3): how much does it help to know where the opponent is heading?

A grid of 11 x 11 cells, (row, column) from the top left. The agent starts at (5, 0), the opponent at (5, 10). Rewards
of 1 are at (0, 5) and (10, 5); only the first to arrive gets one. The paper gives no more rules; here:

- Both players move at once and may share a cell.
- In each episode the opponent heads for one of the two rewards, drawn at random, on a shortest path; if two steps are
  equally short, it picks one at random. So its goal is fixed but its single steps are not. Once there, it stays.
- Players who arrive together get nothing. Both players are 10 steps away from both rewards, so the agent cannot win
  the opponent's reward, only the other one.
- An episode ends when both rewards are taken, that is, when the agent has its own, or after LIMIT steps. The limit
  does not end the game: values bootstrap beyond it.
- The discount follows from the values in Fig. 3: 1.0 beside a reward, then 0.9, 0.8, 0.7, 0.7, 0.6.

The learner is tabular Q-learning. An oracle gives it information about the opponent, its `condition`:

| condition | table | update | the oracle gives |
|---|---|---|---|
| none | Q(s, a) | Eq. 2 | nothing |
| action | Q(s, a_opponent, a) | Eq. 3 | the opponent's action in this step |
| subgoal | Q(s, g, a) | Eq. 4 | the reward that the opponent heads for: a future state, fixed for the episode |

There are two choices of s, the `state`. "both", the cells of both players, is the smallest state that is Markov
without an oracle: the opponent's cell shows whether its reward is gone, and all that its past reveals about its goal.
"own", the agent's cell alone, is Markov only together with g: an agent that knows the goal need not watch the opponent.

Result: with "both" the opponent's cell soon reveals its goal, so Q(s, g, a) learns no faster than Q(s, a), but both
learn faster than Q(s, a_opponent, a), which has more pairs (Eq. 9). With "own", Q(s, g, a) is soon perfect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from omg_lib.config import ConfigError
from omg_lib.envs.base import whole_number
from omg_lib.words import _, listing

Row = Int[np.ndarray, " N"]
SIZE = 11
CELLS = SIZE * SIZE
"""Cells are numbered row * SIZE + column."""
START, OPPONENT_START = 5 * SIZE, 5 * SIZE + 10
REWARDS = (5, 10 * SIZE + 5)
"""Cells of the upper and the lower reward; a goal is a position in this tuple."""
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1), (0, 0))
"""Up, down, left, right, stay, as (row, column). A step into a wall has no effect."""
N_ACTIONS = 4
"""The agent has the first four moves; only the opponent stays."""
LIMIT = 40
"""Maximum steps of an episode: four times the shortest path."""
GAMMA, ALPHA, EPSILON = 0.9, 0.5, 0.2
BEST_RETURN = GAMMA**9
"""The maximum discounted return (Eq. 1): the reward comes with the tenth step."""
GAMES = 20
"""Games that one learner plays in parallel on one table: fewer, longer numpy operations."""
POINTS, TESTS = 20, 50
"""A learning curve has a test at the start and POINTS more, each with TESTS greedy episodes."""

CONDITIONS = {"none": 1, "action": len(MOVES), "subgoal": len(REWARDS)}
"""Condition -> number of different values the oracle can give."""
STATES = {"both": CELLS * CELLS, "own": CELLS}
"""Choice of s -> number of states."""


def _targets() -> np.ndarray:
    """Return the cell that each action leads to: [cell, action]."""
    row, column = np.divmod(np.arange(CELLS)[:, None], SIZE)
    down, right = np.array(MOVES).T
    return (row + down).clip(0, SIZE - 1) * SIZE + (column + right).clip(0, SIZE - 1)


def _shortest_steps() -> np.ndarray:
    """Return the two actions the opponent picks from, the same twice if only one is left: [goal, cell, 2]."""
    steps = np.empty((len(REWARDS), CELLS, 2), dtype=np.int64)
    for goal, reward in enumerate(REWARDS):
        for cell in range(CELLS):
            down, right = np.subtract(divmod(reward, SIZE), divmod(cell, SIZE))
            nearer = [action for action, (d, r) in enumerate(MOVES) if d * down + r * right > 0]
            steps[goal, cell] = (nearer[0], nearer[-1]) if nearer else len(MOVES) - 1
    return steps


TARGETS, SHORTEST_STEPS = _targets(), _shortest_steps()
HAS_REWARD = np.isin(np.arange(CELLS), REWARDS)


def _draw(rng: np.random.Generator, choices: int, count: int) -> np.ndarray:
    """Draw whole numbers below `choices`, [count]; for small counts several times faster than rng.integers."""
    return (choices * rng.random(count)).astype(np.int64)


class GridGames:
    """N games in parallel: `own`, `opponent` (cells), `goal`, `intent` and `time`, whole numbers [N].

    `intent` is the opponent's action in the next step, drawn in advance because an oracle may need it.
    """

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.own, self.opponent, self.goal, self.intent, self.time = np.zeros((5, count), dtype=np.int64)
        self.restart(np.arange(count))

    def restart(self, rows: Int[np.ndarray, " M"]) -> None:
        """Start a new episode in these rows."""
        self.own[rows], self.opponent[rows], self.time[rows] = START, OPPONENT_START, 0
        self.goal[rows] = _draw(self.rng, 2, len(rows))
        self.intent[rows] = SHORTEST_STEPS[self.goal[rows], OPPONENT_START, _draw(self.rng, 2, len(rows))]

    def step(self, actions: Row) -> tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
        """Move both players; return where the agent gets its reward and where the episode is over."""
        self.own = TARGETS[self.own, actions]
        self.opponent = TARGETS[self.opponent, self.intent]
        self.intent = SHORTEST_STEPS[self.goal, self.opponent, _draw(self.rng, 2, len(actions))]
        self.time += 1
        # The opponent never reaches its goal later than the agent, so there the agent always meets it.
        won = HAS_REWARD[self.own] & (self.own != self.opponent)
        return won, won | (self.time >= LIMIT)

    def rows(self, condition: str, state: str) -> Row:
        """Return the row of a Q-table for what the learner sees now."""
        told = {"none": 0, "action": self.intent, "subgoal": self.goal}[condition]
        s = self.own if state == "own" else self.own * CELLS + self.opponent
        return s * CONDITIONS[condition] + told


@dataclass(frozen=True)
class Learned:
    """The results of B learners, tested at P points.

    | field | shape | meaning |
    |---|---|---|
    | steps | [P] | environment steps of each learner before a test |
    | returns | [B, P] | mean discounted return (Eq. 1) of the greedy policy |
    | pairs | [B, P] | different pairs of s and the oracle's value that the learner has met (Eq. 9) |
    | q | [B, S, 4] | the final tables; row s * (number of oracle values) + value, s as in `GridGames.rows` |
    """

    condition: str
    state: str
    steps: Int[np.ndarray, " P"]
    returns: Float[np.ndarray, "B P"]
    pairs: Int[np.ndarray, "B P"]
    q: Float[np.ndarray, "B S 4"]


def learn(
    condition: str | Any,
    steps: int | Any = 100_000,
    repetitions: int | Any = 20,
    seed: int | Any = 0,
    state: str | Any = "both",
) -> Learned:
    """Train `repetitions` independent learners for `steps` environment steps each, epsilon-greedily (Eq. 2, 3 or 4).

    A learner plays GAMES games at once and updates its table after each step of all of them; if two games update the
    same entry in the same step, only one update counts. Equal arguments give equal results. ConfigError for an unknown
    condition or state, and for numbers out of range.
    """
    _check(condition, state)
    steps = whole_number("steps", steps, POINTS * GAMES)
    repetitions = whole_number("repetitions", repetitions, 2, 200)
    play, test = np.random.default_rng(whole_number("seed", seed, 0)).spawn(2)  # testing does not affect training
    size = STATES[state] * CONDITIONS[condition]
    tables = np.zeros((repetitions, size, N_ACTIONS))
    q = tables.reshape(-1, N_ACTIONS)  # the same memory: all tables, one below the other
    met = np.zeros(len(q), dtype=bool)
    games, n = GridGames(repetitions * GAMES, play), repetitions * GAMES
    table = np.repeat(np.arange(repetitions) * size, GAMES)  # the first row of the table of each game's learner
    rounds = np.arange(POINTS + 1) * (steps // GAMES) // POINTS
    returns, pairs = np.empty((2, repetitions, POINTS + 1))
    rows = table + games.rows(condition, state)
    for point, count in enumerate(np.diff(rounds, prepend=0)):
        for __ in range(count):
            actions = np.where(play.random(n) < EPSILON, _draw(play, N_ACTIONS, n), best_actions(q, rows, play))
            won, over = games.step(actions)
            update(q, rows, actions, won, table + games.rows(condition, state))
            met[rows] = True
            games.restart(np.flatnonzero(over))
            rows = table + games.rows(condition, state)
        pairs[:, point] = met.reshape(repetitions, size).sum(1)
        returns[:, point] = greedy_returns(tables, condition, state, test)
    return Learned(condition, state, rounds * GAMES, returns, pairs.astype(np.int64), tables)


def best_actions(q: Float[np.ndarray, "S 4"], rows: Row, rng: np.random.Generator) -> Row:
    """Return the best action of each row. Tiny noise breaks ties: otherwise a new table would always go up."""
    values = q.take(rows, axis=0)
    return (values + 1e-9 * rng.random(values.shape)).argmax(1)


def update(q: Float[np.ndarray, "S 4"], rows: Row, actions: Row, won: Bool[np.ndarray, " N"], next_rows: Row) -> None:
    """Take one step of Q-learning in place: towards 1 where the agent won, else towards GAMMA max_a Q(next row, a).

    Depending on what a row is, this is Eq. 2 (s), Eq. 3 (s and the opponent's action) or Eq. 4 (s and the fixed g).
    """
    following = q.take(next_rows, axis=0)
    best = following[np.arange(len(rows)), following.argmax(1)]  # ten times as fast as max(1)
    old = q[rows, actions]
    q[rows, actions] = old + ALPHA * (np.where(won, 1.0, GAMMA * best) - old)


def greedy_returns(
    q: Float[np.ndarray, "B S 4"], condition: str, state: str, rng: np.random.Generator
) -> Float[np.ndarray, " B"]:
    """Return the mean discounted return (Eq. 1) of each learner's greedy policy over TESTS episodes."""
    games = GridGames(len(q) * TESTS, rng)
    table = np.repeat(np.arange(len(q)) * q.shape[1], TESTS)
    returns = np.zeros(len(table))
    for t in range(LIMIT):
        won, _ = games.step(best_actions(q.reshape(-1, N_ACTIONS), table + games.rows(condition, state), rng))
        returns[won & (returns == 0)] = GAMMA**t  # a finished game continues but no longer counts
        if returns.all():
            break
    return returns.reshape(len(q), TESTS).mean(1)


@dataclass(frozen=True)
class Episode:
    """One episode to draw: cells (row, column) of both players from the start, [T + 1, 2] each.

    `goal` is the opponent's: 0 is the upper reward, 1 the lower; `won` is whether the agent got the other one.
    """

    agent: Int[np.ndarray, "T1 2"]
    opponent: Int[np.ndarray, "T1 2"]
    goal: int
    won: bool


def episode(learned: Learned, seed: int | Any = 0) -> Episode:
    """Play an episode of the first learner's greedy policy. ConfigError for a bad seed."""
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    games, won, over = GridGames(1, rng), np.array([False]), np.array([False])
    cells = [(games.own[0], games.opponent[0])]
    while not over[0]:
        won, over = games.step(best_actions(learned.q[0], games.rows(learned.condition, learned.state), rng))
        cells.append((games.own[0], games.opponent[0]))
    agent, opponent = np.stack(np.divmod(np.array(cells).T, SIZE), axis=-1)
    return Episode(agent, opponent, int(games.goal[0]), bool(won[0]))


def value_map(learned: Learned) -> Float[np.ndarray, "11 11"]:
    """Return Fig. 3's map: for each cell of the agent the largest value in the table, averaged over the learners."""
    return learned.q.reshape(len(learned.q), CELLS, -1).max(-1).mean(0).reshape(SIZE, SIZE)


def state_pairs(condition: str | Any, state: str | Any = "both") -> int:
    """Count the different pairs of s and the oracle's value that an episode can show: what Eq. 9 compares.

    The paper's argument is that there are fewer pairs (s, g) than (s, a_opponent). ConfigError for an unknown condition
    or state.
    """
    _check(condition, state)
    over = HAS_REWARD[:, None] & ~np.eye(CELLS, dtype=bool)
    reached = np.zeros((len(REWARDS), CELLS, CELLS), dtype=bool)  # goal, agent, opponent
    reached[:, START, OPPONENT_START] = True
    for __ in range(LIMIT - 1):
        goal, own, opponent = np.nonzero(reached)
        for intent in SHORTEST_STEPS[goal, opponent].T:
            reached[goal[:, None], TARGETS[own, :N_ACTIONS], TARGETS[opponent, intent][:, None]] = True
        reached[:, over] = False
    goal, own, opponent = np.nonzero(reached)
    games, seen = GridGames(len(goal), np.random.default_rng(0)), set()
    for intent in SHORTEST_STEPS[goal, opponent].T:
        games.own, games.opponent, games.goal, games.intent = own, opponent, goal, intent
        seen |= set(games.rows(condition, state).tolist())
    return len(seen)


def band(returns: Float[np.ndarray, "B P"], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over the learners and its 95 % percentile bootstrap interval: mean, low and high, [P] each."""
    drawn = np.random.default_rng(seed).integers(len(returns), size=(2000, len(returns)))
    low, high = np.quantile(returns[drawn].mean(1), [0.025, 0.975], axis=0)
    return returns.mean(0), low, high


def table(curves: Sequence[Learned]) -> list[dict[str, str | int | float]]:
    """Return a row per test of each curve: condition, state, steps, mean return, its 95 % interval, mean pairs met."""
    names = ("condition", "state", "steps", "return", "low", "high", "pairs")
    rows = []
    for curve in curves:
        columns = (column.tolist() for column in (curve.steps, *band(curve.returns), curve.pairs.mean(0)))
        for values in zip(*columns, strict=True):
            rows.append(dict(zip(names, (curve.condition, curve.state, *values), strict=True)))
    return rows


def _check(condition: object, state: object) -> None:
    for name, value, choices in (("condition", condition, CONDITIONS), ("state", state, STATES)):
        if not isinstance(value, str) or value not in choices:
            raise ConfigError(name, value, _("allowed are {names}").format(names=listing(choices)))
