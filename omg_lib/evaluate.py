"""Evaluation: how well a trained learner plays with each set of teammates, seen or unseen, and what may be said of it.

The battles are the same for every learner and every set (their numbers are those of tests, with a seed of their own),
so differences are paired. Intervals are percentile bootstraps over what was drawn at random: teammates and seeds.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from omg_lib.checkpoint import copy_learner
from omg_lib.config import ConfigError
from omg_lib.controller import Controller
from omg_lib.coplayers import CoPlayers
from omg_lib.envs import env_info, make_env, side_by_side
from omg_lib.pools import Pool
from omg_lib.runner import Runner
from omg_lib.seeds import TEST_EPISODES
from omg_lib.training import Training

WIDTH = 64
"""Episodes that are played side by side."""
BATTLES_SEED = 20_241
"""Seed of the battles in which learners are compared; those of training and of its tests have the run's own."""


@dataclass(frozen=True)
class Score:
    """One learner with one set of teammates. Rates are shares, lengths steps; `win_rate` is None without winners."""

    teammates: str
    split: str
    kind: str
    episodes: int
    win_rate: float | None
    mean_return: float
    length: float


def evaluate(run: Training, splits: Sequence[str], episodes: int = 128, pool: Pool | None = None) -> list[Score]:
    """Play `episodes` greedy episodes with each set of these splits; the run itself is not changed.

    `pool` seats other teammates than those of the run. ConfigError for a run without teammates, for the oracle with a
    foreign pool (it knows its own sets by their number), and for a split that the pool lacks.
    """
    own = run.controller.coplayers
    if own is None:
        raise ConfigError("teammates", run.config.teammates, "a run in which all seats learn has no teammates to meet")
    if pool is not None and run.config.learner == "oracle" and pool.sets != own.pool.sets:
        raise ConfigError("teammates", "another pool", "the oracle knows the sets of its own pool only")
    coplayers = own if pool is None else CoPlayers(pool, run.env.info, run.device)
    return [play(run, coplayers, number, episodes) for number in coplayers.pool.ids(*splits)]


def play(run: Training, coplayers: CoPlayers, number: int, episodes: int) -> Score:
    """`episodes` greedy episodes with set `number`; the learner's seat goes round."""
    controller = seated(run.controller, coplayers, (number,))
    width = min(side_by_side(run.config.env, WIDTH), episodes)
    env = make_env(run.config.env, run.config.n_agents, batch=width, seed=BATTLES_SEED)
    runner = Runner(run.config, env, controller)
    wins, returns, lengths = [], [], []
    while len(wins) < episodes:
        batch = runner.run(test_mode=True)
        wins += runner.wins.tolist()
        returns += runner.returns.tolist()
        lengths += (batch["filled"].sum(dim=1).flatten() - 1).tolist()
    env.close()
    rates = [float(np.mean(x[:episodes])) for x in (wins, returns, lengths)]
    teammates = coplayers.pool.sets[number]
    won = rates[0] if env.info.has_winner else None
    return Score(teammates.name, teammates.split, teammates.kind, episodes, won, rates[1], rates[2])


def cross_play(pool: Pool, names: Sequence[str], episodes: int = WIDTH) -> Float[np.ndarray, "rows columns"]:
    """Win rate of member `names[i]` in one seat of a team of member `names[j]`: does it matter whom one plays with?

    No learner takes part. The seat goes round; the battles are those of `play`.
    """
    info = env_info(pool.env, pool.n_agents)
    coplayers = CoPlayers(pool, info, torch.device("cpu"))
    number = {member.name: i for i, member in enumerate(pool.members)}
    env = make_env(pool.env, pool.n_agents, batch=episodes, seed=BATTLES_SEED)
    rates, rows = np.zeros((len(names), len(names))), np.arange(episodes)
    for i, guest in enumerate(names):
        for j, host in enumerate(names):
            members = np.full((episodes, pool.n_agents), number[host])
            members[rows, rows % pool.n_agents] = number[guest]
            env.reset(first=TEST_EPISODES)
            coplayers.begin(members)
            done = torch.zeros(episodes, dtype=torch.bool)
            while not done.all():
                _, done, outcome = env.step(coplayers.act(env, env.obs(), env.avail_actions()))
            rates[i, j] = float(outcome["battle_won"].float().mean())
    env.close()
    return rates


def seated(controller: Controller, coplayers: CoPlayers, sets: tuple[int, ...]) -> Controller:
    """The same networks among other teammates; they are shared, so training goes on in both."""
    other = object.__new__(Controller)
    other.__dict__.update(controller.__dict__, coplayers=coplayers, sets=sets)
    return other


def fine_tune(run: Training, number: int, episodes: int = 100) -> tuple[float, Score]:
    """Let a copy of a run go on learning for `episodes` episodes with set `number` only.

    The paper averages over 100 episodes of fine-tuning. Here exploration and Eq. 8's mix go on from where the run
    stands, and the buffer starts empty, so that every sample holds the new teammates alone. Returns the mean of what
    the paper averages (win rate, or return without winners, exploring), and how it plays afterwards (greedy).
    """
    coplayers = run.controller.coplayers
    endless = dict(updates=None, t_max=10**12, test_interval=10**12)
    with Training(dataclasses.replace(run.config, **endless)) as tuned:
        copy_learner(run, tuned)
        tuned.controller.sets = (number,)
        for _ in tuned:
            if tuned.runner.episode >= episodes:
                break
        returns, wins = zip(*list(tuned.recent)[-episodes:], strict=True)
        score = play(tuned, coplayers, number, 128)
    return float(np.mean(wins if score.win_rate is not None else returns)), score


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a recorded table, numbers as numbers and nothing as None. ConfigError if it cannot be read."""

    def value(text: str) -> Any:
        try:
            return float(text) if text else None
        except ValueError:
            return text

    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            return [{key: value(text) for key, text in row.items()} for row in csv.DictReader(file, strict=True)]
    except (OSError, ValueError, csv.Error) as error:
        reason = f"is no readable table ({str(error)[:80]}); allowed is a CSV file"
        raise ConfigError("path", str(path), reason) from None


def interval_of(rows: Sequence[dict[str, Any]]) -> tuple[float, float, float, int, int]:
    """Mean, 95 % interval, number of runs and of sets, from rows with run, teammates, and a score; every run must have
    met the same sets.
    """
    runs, sets = (list(dict.fromkeys(row[key] for row in rows)) for key in ("run", "teammates"))
    values = np.full((len(runs), len(sets)), np.nan)
    for row in rows:
        value = row["mean_return"] if row["win_rate"] is None else row["win_rate"]
        values[runs.index(row["run"]), sets.index(row["teammates"])] = value
    if np.isnan(values).any():
        raise ConfigError("runs", len(runs), "they met different teammates; allowed are runs that met the same sets")
    return *interval(values), len(runs), len(sets)


def interval(
    values: Float[np.ndarray, "seeds sets"], draws: int = 10_000, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of a table and its percentile bootstrap interval: seeds and sets of teammates are drawn again, both."""
    rng = np.random.default_rng(seed)
    seeds, sets = values.shape
    rows = rng.integers(seeds, size=(draws, seeds, 1))
    columns = rng.integers(sets, size=(draws, 1, sets))
    means = values[rows, columns].mean(axis=(1, 2))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(values.mean()), float(low), float(high)
