"""The paper's own game: level-based foraging with ten fixed opponents (its Figs. 4(a), 6, 7, 8(a) and Table 3).

`python -m paper foraging` trains the opponents and a prior, then every arm and seed that is missing, and writes
`foraging.csv`, `foraging_curves.csv` and `foraging.md`. Call it again to continue.

The constants are Table 1's (`omg_lib.preset("paper", "foraging")`). The paper leaves open what `Foraging` documents
(levels, reward, limit), how long opponents train, what a batch of 32 holds, and when to update. Here opponents are D3QN
teams in self-play, which learn from the sum of both rewards; a batch is 32 episodes; an update follows every second
episode, after the learner has had both seats.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

import omg_lib as omg
from omg_lib.config import SPLITS
from omg_lib.envs.foraging import FOODS
from omg_lib.episodes import EpisodeBatch, living
from omg_lib.experiment.evaluate import evaluate, interval
from omg_lib.experiment.measures import choice_shares, hit_ratio, inferred_states, play_tests
from omg_lib.experiment.scores import write_rows
from omg_lib.learners.omg import OMGLearner
from omg_lib.regroup import regroup
from omg_lib.subgoals import last_step
from omg_lib.system.files import read_table, write_text
from omg_lib.system.places import Place, remove
from paper.plan import FIELDS, FIRST_SEED, Arm, Plan, runs_of
from paper.report import rows_of, table
from paper.run import (
    commit,
    config_of,
    folder_of,
    make_missing,
    make_pool,
    make_prior,
    piece_of,
    scores_of,
    train_in,
    write,
)

EPISODES, OPPONENTS, SEEDS = 50_000, 10, 5
"""As in the paper: training episodes, fixed opponents, seeds."""
LEARNING = omg.preset("paper", "foraging") | dict(
    batch_size=16, batch_size_run=2, updates=EPISODES // 2, test_interval=50_000, test_nepisode=64, device="cpu"
)
"""Shared by all arms; a group has an episode of each seat, so 16 groups are Table 1's batch of 32."""
OPPONENT = LEARNING | dict(
    learner="iql", batch_size=32, batch_size_run=4, updates=3000, test_interval=10**9, td_steps=1
)
"""An opponent's training: 12,000 episodes of self-play in which both seats learn."""
ARMS: dict[str, dict[str, Any]] = {
    "d3qn": dict(learner="iql"),
    "omg conservative": dict(learner="omg"),
    "naive_om": dict(learner="naive_om"),
    "liam": dict(learner="liam"),
    "omg optimistic": dict(learner="omg", subgoal_mode="optimistic"),
    "omg random": dict(learner="omg", subgoal_choice="random"),
    "omg t+1": dict(learner="omg", subgoal_choice="t+1"),
    "omg t+3": dict(learner="omg", subgoal_choice="t+3"),
    "omg supervised conservative": dict(learner="omg", subgoal_model="supervised"),
    "omg supervised optimistic": dict(learner="omg", subgoal_model="supervised", subgoal_mode="optimistic"),
    "omg inferred only": dict(learner="omg", q_subgoal="inferred"),
    "omg prior only": dict(learner="omg", q_subgoal="prior"),
    "omg H=1": dict(learner="omg", horizon=1),
    "omg H=3": dict(learner="omg", horizon=3),
    "omg H=10": dict(learner="omg", horizon=10),
    "omg released": dict(learner="omg_released", **FIELDS),
}
PUBLISHED = Path(__file__).with_name("published_foraging.csv")


def foraging(quick: bool, data: Path) -> Plan:
    """Return the plan for foraging, or a smoke test of it."""
    small = dict(batch_size=1, updates=2, test_nepisode=2) if quick else {}
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if quick else SEEDS))
    return Plan(
        env="foraging",
        n_agents=2,
        data=data,
        runs=runs_of(data),
        pool_settings=OPPONENT | (dict(batch_size=2, updates=2) if quick else {}),
        pool_seeds=2 if quick else OPPONENTS,
        prior_episodes=10 if quick else 640,
        prior_steps=20 if quick else 3000,
        arms=tuple(Arm(name, "foraging", LEARNING | settings | small, seeds) for name, settings in ARMS.items()),
        episodes=2 if quick else 64,
        tuning=0,
        tuned_seeds=0,
        tuned_battles=0,
        cross_episodes=0,
        algorithms=("iql",),
        splits="train" if quick else "+".join(SPLITS),
    )


# --- runs ------------------------------------------------------------------------------------------------------------


def train_piece(plan: Plan, arm: Arm, seed: int) -> str:
    """Train one arm and seed (or resume it), play with every opponent, and write what was found."""
    folder, done = folder_of(plan, arm, seed), piece_of(plan, arm, seed, "scores")
    torch.set_num_threads(1)
    began = time.process_time()
    with omg.Training(config_of(plan, arm, seed)) as run:
        resumed = train_in(folder, run)
        seconds = time.process_time() - began
        values = {
            "arm": arm.name,
            "seed": seed,
            "updates": run.update,
            "episodes": run.runner.episode,
            "t_env": run.runner.t_env,
            "cpu_seconds": None if resumed else round(seconds, 1),
            "commit": commit(),
            "tests": tests_of(folder / "metrics.csv"),
            "scores": [asdict(score) for score in evaluate(run, run.config.training_splits, plan.episodes)],
            "subgoals": subgoals_of(run, plan.episodes * len(run.controller.coplayers.sets)),
        }
    write(done, values)
    remove(Place(folder) / "checkpoints" / "episodes")  # many megabytes, not needed any more
    return f"{arm.name} {seed}: {seconds:.0f} CPU seconds"


def tests_of(path: Path) -> list[tuple[int, float, float]]:
    """Return (update, score, steps) of each greedy test."""
    rows = [row for row in read_table(path) if row["test_return"]]
    return [(int(row["update"]), float(row["test_return"]), float(row["test_length"])) for row in rows]


def subgoals_of(run: omg.Training, episodes: int) -> dict[str, Any] | None:
    """Return which k is chosen, and the hit ratio; None for a learner without subgoals."""
    if not isinstance(run.learner, OMGLearner):
        return None
    batch = play_tests(run, episodes)
    shares = choice_shares(run, batch).tolist()
    return {"shares": shares, "hit_ratio": mean_hit_ratio(run, batch), "trajectories": len(batch)}


def mean_hit_ratio(run: omg.Training, batch: EpisodeBatch) -> float:
    """Return the mean hit ratio of the inferred subgoals. A state is the other player's cell (`cells`)."""
    grouped = regroup(batch)
    last = last_step(living(grouped, run.env.info))
    visited, guessed = (trajectories(x, last) for x in (grouped["obs"], inferred_states(run, batch)))
    ratios = [hit_ratio(told[:-1], seen) for told, seen in zip(guessed, visited, strict=True)]
    return sum(ratios) / len(ratios)


def cells(obs: Float[Tensor, "*N O"]) -> Int[Tensor, "*N 2"]:
    """Return the row and column of the other player, from real or decoded observations of two players, rounded."""
    other = 3 * (FOODS + 1)
    return obs[..., other : other + 2].round().long()


def trajectories(obs: Float[Tensor, "G T A O"], last: Int[Tensor, "G A"]) -> list[list[tuple[int, ...]]]:
    """Return the states of each group's seats up to `last`."""
    by_seat = rearrange(cells(obs), "g t a yx -> (g a) t yx").tolist()
    ends = (last.flatten() + 1).tolist()
    return [[tuple(cell) for cell in states[:end]] for states, end in zip(by_seat, ends, strict=True)]


def run_foraging(plan: Plan, jobs: int) -> None:
    """Run everything that is missing, `jobs` at a time, seed by seed."""
    make_pool(plan)
    make_prior(plan)
    pieces = sorted(((arm, seed) for arm in plan.arms for seed in arm.seeds), key=lambda piece: piece[1])
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as workers:
        make_missing(workers, {piece_of(plan, *piece, "scores"): (train_piece, plan, *piece) for piece in pieces})


# --- tables ----------------------------------------------------------------------------------------------------------


def write_foraging(plan: Plan) -> None:
    """Write the tables of the pieces that exist; nothing if there is none."""
    pieces, folder = scores_of(plan), plan.data / "results"
    if not pieces:
        return
    arms = dict.fromkeys(piece["arm"] for piece in pieces)
    write_rows(folder / "foraging.csv", [summary_of(arm, [p for p in pieces if p["arm"] == arm]) for arm in arms])
    curves = [
        {"arm": piece["arm"], "seed": piece["seed"], "update": update, "score": score, "steps": steps}
        for piece in pieces
        for update, score, steps in piece["tests"]
    ]
    write_rows(folder / "foraging_curves.csv", curves)
    write_text(folder / "foraging.md", "\n".join(beside(rows_of(folder / "foraging.csv"), rows_of(PUBLISHED))) + "\n")


def summary_of(arm: str, pieces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return an arm's score and steps with 95 % intervals over seeds and opponents, and the means of its subgoals."""
    line: dict[str, Any] = {"arm": arm, "seeds": len(pieces), "opponents": len(pieces[0]["scores"])}
    for name, key in (("score", "mean_return"), ("steps", "length")):
        values = np.array([[score[key] for score in piece["scores"]] for piece in pieces])
        line |= dict(zip((name, f"{name}_low", f"{name}_high"), np.round(interval(values), 3).tolist(), strict=True))
    found = [piece["subgoals"] for piece in pieces if piece["subgoals"]]
    line["hit_ratio"] = round(float(np.mean([f["hit_ratio"] for f in found])), 3) if found else None
    shares = np.mean([f["shares"] for f in found], axis=0) if found else []
    line["shares"] = " ".join(f"{100 * share:.1f}" for share in shares)
    return line | {"commit": " ".join(sorted({piece["commit"] for piece in pieces}))}


def beside(rows: Sequence[dict[str, str]], published: Sequence[dict[str, str]]) -> list[str]:
    """Return foraging.md: our numbers and the paper's."""
    theirs = {row["arm"]: row for row in published}
    body = []
    for row in rows:
        paper = theirs.get(row["arm"], {})
        ours = [f"{row[name]} [{row[f'{name}_low']}, {row[f'{name}_high']}]" for name in ("score", "steps")]
        told = [paper.get(name, "") for name in ("score", "steps", "hit_ratio", "shares")]
        body.append([row["arm"], row["seeds"], ours[0], told[0], ours[1], told[1], row["hit_ratio"], told[2],
                     row["shares"], told[3]])  # fmt: skip
    head = ["arm", "seeds", "score", "paper", "steps", "paper", "hit ratio", "paper", "k = 1..H, %", "paper"]
    note = "Intervals are 95 %, over seeds and opponents. Levels, reward, limit and opponents are ours: compare orders."
    return ["# Foraging beside the paper's", "", "Written by `python -m paper foraging`.", "", note, "",
            *table(head, body)]  # fmt: skip
