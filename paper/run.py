"""Pieces of the experiment, each in its own process and resumable: a finished piece leaves a JSON file."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from concurrent.futures import Executor, as_completed
from dataclasses import asdict
from pathlib import Path

import torch

import omg_lib as omg
from omg_lib.config import SPLITS
from omg_lib.envs import env_info
from omg_lib.experiment.evaluate import cross_play, evaluate, fine_tune
from omg_lib.experiment.measures import subgoal_report
from omg_lib.experiment.pretrain import pretrain
from omg_lib.experiment.scores import write_rows
from omg_lib.experiment.train_pool import POOL_SETTINGS, train_pool
from omg_lib.runs.folder import RunFolder
from omg_lib.runs.follow import follow
from omg_lib.system.files import read_json, read_table, write_text
from omg_lib.system.places import Place, remove
from omg_lib.teammates.pool import Pool
from omg_lib.teammates.priors import save_prior
from paper.plan import Arm, Plan

SHIPPED = ("iql", "iql_actions", "omg optimistic")
"""Arms whose first seed goes to `data/agents`."""
EPISODES = Path("checkpoints", "episodes")
"""In a run's folder: many megabytes that only training needs. A folder without them belongs to a finished run."""


def make_pool(plan: Plan) -> None:
    """Make the pool of fixed teammates, like `python -m omg_lib teammates`."""
    settings = POOL_SETTINGS | plan.pool_settings | {"env": plan.env, "n_agents": plan.n_agents}
    train_pool(omg.OMGConfig.from_dict(settings), plan.algorithms, plan.pool_seeds, plan.pool)


def make_prior(plan: Plan) -> None:
    """Make the subgoal prior, like `python -m omg_lib pretrain`."""
    if plan.prior.exists():
        return
    config = omg.OMGConfig(
        env=plan.env, n_agents=plan.n_agents, teammates=str(plan.pool), splits=plan.splits, device="cpu"
    )
    prior, report = pretrain(config, plan.prior_episodes, plan.prior_steps)
    plan.prior.parent.mkdir(parents=True, exist_ok=True)
    made = {"env": plan.env, "n_agents": plan.n_agents, "teammates": str(plan.pool), "seed": config.seed}
    made |= {"episodes": plan.prior_episodes, "steps": plan.prior_steps}
    save_prior(prior, plan.prior, made | asdict(report))


def cross_play_of(plan: Plan) -> Path:
    return plan.data / "results" / "cross_play.csv"


def cross_piece(plan: Plan) -> str:
    """Play every pool member in one seat of every member's team, without a learner, and write `cross_play.csv`."""
    path = cross_play_of(plan)
    torch.set_num_threads(1)
    pool = Pool.load(plan.pool, plan.env, env_info(plan.env, plan.n_agents))
    names = [member.name for member in pool.members]
    rates = cross_play(pool, names, plan.cross_episodes)
    rows = [{"in one seat": name} | dict(zip(names, row, strict=True)) for name, row in zip(names, rates, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, rows)
    return "cross-play: played"


def folder_of(plan: Plan, arm: Arm, seed: int) -> Path:
    return plan.runs / plan.name / arm.name.replace(" ", "_") / str(seed)


def piece_of(plan: Plan, arm: Arm, seed: int, name: str) -> Path:
    """Return where a finished piece leaves its numbers. They are in the repository: any clone can add seeds."""
    return plan.data / "results" / "pieces" / plan.name / f"{arm.name.replace(' ', '_')}-{seed}-{name}.json"


def config_of(plan: Plan, arm: Arm, seed: int) -> omg.OMGConfig:
    """Return the arm's configuration; without a pool, teammates are the environment's scripts."""
    settings = {"env": plan.env, "n_agents": plan.n_agents, "batch_size_run": plan.n_agents, "seed": seed}
    pool = {"teammates": str(plan.pool), "prior": str(plan.prior)}
    settings |= pool | {"splits": plan.splits} if plan.pool_seeds else {"teammates": "scripted"}
    return omg.OMGConfig.from_dict(settings | arm.settings)


def train_piece(plan: Plan, arm: Arm, seed: int) -> str:
    """Train one arm and seed (or resume it), play with every set of teammates, and write its scores."""
    folder, done = folder_of(plan, arm, seed), piece_of(plan, arm, seed, "scores")
    torch.set_num_threads(1)
    began, config = time.process_time(), config_of(plan, arm, seed)
    with omg.Training(config) as run:
        resumed = train_in(folder, run)
        seconds = time.process_time() - began
        splits = SPLITS if plan.pool_seeds else ("train",)
        splits = ("train", "validation") if arm.group == "selection" else splits
        values = {
            "arm": arm.name,
            "seed": seed,
            "updates": run.update,
            "t_env": run.runner.t_env,
            "cpu_seconds": None if resumed else round(seconds, 1),
            "commit": commit(),
            "tests": tests_of(folder / "metrics.csv"),
            "scores": [asdict(score) for score in evaluate(run, splits, plan.episodes)],
            "subgoals": asdict(subgoal_report(run, plan.episodes)) if config.base == "omg" else None,
        }
    write(done, values)
    remove(Place(folder) / "checkpoints" / "episodes")  # many megabytes, not needed any more
    return f"{arm.name} {seed}: {seconds:.0f} CPU seconds"


def train_in(folder: Path, run: omg.Training) -> bool:
    """Train a run to its end in a folder, from its checkpoint if there is one; return whether there was."""
    resumed = any((folder / "checkpoints").glob("update-*"))
    if not resumed:
        remove(Place.of(folder))
    saved = RunFolder.resume(folder, run) if resumed else RunFolder.create(folder, run.config)
    for _ in follow(run, saved):
        pass
    return resumed


def tune_piece(plan: Plan, arm: Arm, seed: int) -> str:
    """Fine-tune one arm and seed with each test set, and write its scores; train it first if the run is missing."""
    folder, done = folder_of(plan, arm, seed), piece_of(plan, arm, seed, "tuned")
    torch.set_num_threads(1)
    if (folder / EPISODES).exists() or not folder.exists():  # a fresh checkout has only its scores
        with omg.Training(config_of(plan, arm, seed)) as run:
            train_in(folder, run)
        remove(Place(folder) / "checkpoints" / "episodes")
    with omg.load(folder) as run:
        rows = []
        for number in run.controller.coplayers.pool.ids("test"):
            on_the_way, after = fine_tune(run, number, plan.tuning, plan.tuned_battles)
            rows.append({"on_the_way": on_the_way} | asdict(after))
    write(done, {"arm": arm.name, "seed": seed, "episodes": plan.tuning, "commit": commit(), "scores": rows})
    return f"{arm.name} {seed}: tuned"


def run_all(plan: Plan, workers: Executor) -> None:
    """Have the workers run everything that is missing, by group, then by seed; also fine-tune the methods."""
    if plan.pool_seeds:
        make_pool(plan)
        make_prior(plan)
        make_missing(workers, {cross_play_of(plan): (cross_piece, plan)})
    stages = [(train_piece, group) for group in dict.fromkeys(arm.group for arm in plan.arms)]
    stages.insert(-2, (tune_piece, "methods"))  # before the ablations and the released choices, the longest parts
    for work, group in stages:
        name, count = ("tuned", plan.tuned_seeds) if work is tune_piece else ("scores", None)
        pieces = [(arm, seed) for arm in plan.arms if arm.group == group for seed in arm.seeds[:count]]
        pieces.sort(key=lambda piece: piece[1])
        make_missing(workers, {piece_of(plan, *piece, name): (work, plan, *piece) for piece in pieces})


def make_missing(workers: Executor, pieces: dict[Path, tuple]) -> None:
    """Have the workers make the files that are missing, each by its call; where none is, no worker has to start."""
    missing = []
    for path, call in pieces.items():
        if path.exists():
            print(f"{path.stem}: already done", flush=True)
        else:
            missing.append(workers.submit(*call))
    for piece in as_completed(missing):
        print(piece.result(), flush=True)


def ship(plan: Plan) -> None:
    """Copy a few trained runs to `data/agents`, without their episodes, for notebooks to load."""
    for arm in plan.arms:
        source = folder_of(plan, arm, arm.seeds[0])
        if arm.name in SHIPPED and source.exists():
            target = plan.data / "agents" / f"{plan.name}-{arm.name.replace(' ', '_')}"
            latest = max((source / "checkpoints").glob("update-*"))
            remove(Place.of(target))
            shutil.copytree(latest, target / "checkpoints" / latest.name, symlinks=True)
            for name in ("config.json", "metrics.csv"):
                shutil.copyfile(source / name, target / name)


def tests_of(path: Path) -> list[tuple[int, float]]:
    """Return the tests at multiples of 20,000 steps, which makes seeds line up for averaging."""
    found: dict[int, float] = {}
    for row in read_table(path):
        if row["win_rate"]:
            found.setdefault(int(row["t_env"]) // 20_000 * 20_000, float(row["win_rate"]))
    return sorted(found.items())


def scores_of(plan: Plan, name: str = "scores") -> list[dict]:
    """Return what the finished pieces wrote, with their arms."""
    found = []
    for arm in plan.arms:
        for seed in arm.seeds:
            path = piece_of(plan, arm, seed, name)
            if path.exists():
                found.append(read_json(path) | {"group": arm.group, "settings": arm.settings})
    return found


def commit() -> str:
    """Return the measured commit, with a + if the tree has changes."""
    told = subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


def write(path: Path, values: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(values) + "\n")
