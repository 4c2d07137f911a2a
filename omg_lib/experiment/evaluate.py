"""Evaluation: how well a trained learner plays with each set of teammates, seen or unseen, and how certain that is.

The battles are the same for every learner and every set (test battles with a separate seed), so differences are paired.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.controller import HOST
from omg_lib.envs import env_info, make_env, side_by_side
from omg_lib.envs.base import whole_number
from omg_lib.experiment.intervals import RATES, interval
from omg_lib.runner import Runner
from omg_lib.runs.folder import copy_learner
from omg_lib.seeds import TEST_EPISODES
from omg_lib.system.files import read_table
from omg_lib.teammates.players import CoPlayers
from omg_lib.teammates.pool import Pool, TeammateSet
from omg_lib.training import Training
from omg_lib.words import _

WIDTH = 64
"""Episodes played in parallel."""
ITSELF = TeammateSet("itself", "", "", ())
"""The teammates to report for a learner that plays all seats."""
BATTLES_SEED = 20_241
"""Seed of the battles that compare learners; training and its tests use the run's seed."""


@dataclass(frozen=True)
class Score:
    """One learner with one set of teammates. Rates are 0 to 1, lengths in steps; `win_rate` is None without winners."""

    teammates: str
    split: str
    kind: str
    episodes: int
    win_rate: float | None
    mean_return: float
    length: float


def evaluate(run: Training, splits: Sequence[str], episodes: int = 128, pool: Pool | None = None) -> list[Score]:
    """Play `episodes` greedy episodes with each set of these splits; the run itself does not change.

    `pool` replaces the run's teammates. Where all seats learn and there is no `pool`, the team plays as it trained: one
    score, with no split. ConfigError for the oracle with another pool (it knows its own sets by number), and for a
    split that the pool lacks.
    """
    if pool is None and not run.config.has_teammates:
        return [play(run, None, 0, episodes)]
    own = run.controller.coplayers
    if pool is not None and run.config.base == "oracle" and pool.sets != own.pool.sets:
        allowed = _("the oracle knows only its own pool's sets: allowed is the run's pool")
        raise ConfigError("teammates", _("another pool"), allowed)
    coplayers = own if pool is None else CoPlayers(pool, run.env.info, HOST)
    return [play(run, coplayers, number, episodes) for number in coplayers.pool.ids(*splits)]


def play(run: Training, coplayers: CoPlayers | None, number: int, episodes: int) -> Score:
    """Play `episodes` greedy episodes with set `number`; the learner's seat rotates. None: it has all seats."""
    teammates, beside = ITSELF, None
    if coplayers is not None:
        teammates = coplayers.pool.sets[number]
        beside = CoPlayers(coplayers.pool, run.env.info, HOST, (number,))
    width = min(side_by_side(run.config.env, WIDTH), episodes)
    env = make_env(run.config.env, run.config.n_agents, batch=width, seed=BATTLES_SEED)
    runner = Runner(run.config, env, run.controller, beside)
    wins, returns, lengths = [], [], []
    while len(wins) < episodes:
        batch = runner.run(test_mode=True)
        wins += runner.wins.tolist()
        returns += runner.returns.tolist()
        lengths += batch.lengths()
    env.close()
    rates = [float(np.mean(x[:episodes])) for x in (wins, returns, lengths)]
    won = rates[0] if env.info.has_winner else None
    return Score(teammates.name, teammates.split, teammates.kind, episodes, won, rates[1], rates[2])


def cross_play(pool: Pool, names: Sequence[str], episodes: int = WIDTH) -> Float[np.ndarray, "rows columns"]:
    """Return the win rate of member `names[i]` in one seat of a team of member `names[j]`: do teammates matter? If the
    game has no winner, return the mean return (in a general-sum game that seat's own).

    No learner takes part. The seat rotates; the battles are those of `play`.
    """
    info = env_info(pool.env, pool.n_agents)
    coplayers = CoPlayers(pool, info, torch.device("cpu"))
    number = {member.name: i for i, member in enumerate(pool.members)}
    env = make_env(pool.env, pool.n_agents, batch=episodes, seed=BATTLES_SEED)
    scores, rows = np.zeros((len(names), len(names))), np.arange(episodes)
    seats = rows % pool.n_agents
    for i, guest in enumerate(names):
        for j, host in enumerate(names):
            members = np.full((episodes, pool.n_agents), number[host])
            members[rows, seats] = number[guest]
            env.reset(first=TEST_EPISODES)
            coplayers.begin(members)
            done, returns = torch.zeros(episodes, dtype=torch.bool), torch.zeros(episodes)
            while not done.all():
                reward, done, outcome = env.step(coplayers.act(env, env.obs(), env.avail_actions()))
                returns += outcome["rewards"][rows, seats] if info.general_sum else reward
            scores[i, j] = float((outcome["battle_won"].float() if info.has_winner else returns).mean())
    env.close()
    return scores


def fine_tune(run: Training, number: int, episodes: int, battles: int = 128) -> tuple[float, Score]:
    """Train a copy of a run for exactly `episodes` more episodes with set `number` of its own pool.

    It trains from the first round, with one update each time every seat has had its turn. Its buffer starts empty, so a
    sample holds only the new teammates: as many groups as were played, up to the run's `batch_size`. Episode numbers,
    exploration and Eq. 8's mix continue from the run.

    Returns the mean over exactly these episodes (win rate, or return without winners; exploring), which the paper
    reports, and how it plays afterwards (greedy, `battles` battles). If the run used Ray actors, the games run in this
    process. ConfigError for a run without teammates, a set that does not exist, and a number of episodes that is not a
    multiple of `n_agents`.
    """
    coplayers, config = run.controller.coplayers, run.config
    check_company(config)
    check_rounds(config, episodes)
    sets = (whole_number("number", number, 0, len(coplayers.pool.sets) - 1),)
    runner = {"runner": "local", "actors": None} if config.runner == "ray" else {}
    endless = dict(updates=None, steps=None, t_max=10**12, test_interval=10**15)
    with Training(dataclasses.replace(config, **endless, **runner), sets=sets) as tuned:
        copy_learner(run, tuned)
        tuned.recent = deque(maxlen=episodes)
        updates = iter(tuned)
        for rounds in range(1, episodes // config.n_agents + 1):
            tuned.config = dataclasses.replace(tuned.config, batch_size=min(rounds, config.batch_size))
            next(updates)
        returns, wins = zip(*tuned.recent, strict=True)
        score = play(tuned, coplayers, number, battles)
    return float(np.mean(returns if score.win_rate is None else wins)), score


def check_rounds(config: OMGConfig, episodes: int) -> None:
    """Raise ConfigError unless the learner plays each seat equally often."""
    seats = config.n_agents
    if whole_number("fine_tune", episodes, 1) % seats:
        near = _("{less} or {more}").format(
            less=max(1, episodes // seats) * seats, more=(episodes // seats + 1) * seats
        )
        raise ConfigError(
            "fine_tune",
            episodes,
            _("each of the {seats} seats learns equally often: allowed is {near}").format(seats=seats, near=near),
        )


def check_company(config: OMGConfig) -> None:
    """Raise ConfigError for a run without teammates."""
    if not config.has_teammates:
        raise ConfigError("teammates", config.teammates, _("all seats learn in this run: allowed is any but none"))


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Read a recorded table, with numbers as numbers and empty cells as None. ConfigError if it cannot be read."""

    def value(text: str) -> Any:
        try:
            return float(text) if text else None
        except ValueError:
            return text

    return [{key: value(text) for key, text in row.items()} for row in read_table(path)]


def interval_of(rows: Sequence[dict[str, Any]]) -> tuple[float, float, float, int, int]:
    """Return the mean, its 95 % interval, the number of runs and the number of sets per run, from rows with run,
    teammates and a score.

    Either all runs met the same sets, or each met the same number of its own (random networks of its seed). ConfigError
    for anything else.
    """
    met: dict[str, dict[str, float]] = {}
    for row in rows:
        value = row["mean_return"] if row["win_rate"] is None else row["win_rate"]
        met.setdefault(row["run"], {})[row["teammates"]] = value
    first, every = next(iter(met.values())), [name for scores in met.values() for name in scores]
    own = len(met) > 1 and len(set(every)) == len(every)
    same = all(scores.keys() == first.keys() for scores in met.values())
    if not same and not (own and all(len(scores) == len(first) for scores in met.values())):
        raise ConfigError("runs", len(met), _("they met different teammates; allowed are runs with the same sets"))
    values = [list(scores.values()) if own else [scores[name] for name in first] for scores in met.values()]
    within = (-np.inf, np.inf) if rows[0]["win_rate"] is None else RATES
    return *interval(np.array(values), own_sets=own, within=within), len(met), len(first)
