"""Does our IQL learn like PyMARL's per environment step? Both on skirmish, with the same settings.

    python -m benchmarks.beside_pymarl --pymarl CHECKOUT --out data/results/beside_pymarl.csv

Seed s plays the same battles on both sides, in training and in the greedy tests; weights, exploration and samples are
drawn separately. A side and seed already in the file is not run again: repeat an interrupted call to continue it. The
picture is drawn beside the file. One torch thread; seconds are CPU seconds of training, without the tests, which the
two sides play differently (ours many at once).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

import omg_lib as omg
from benchmarks.pymarl_side import PyMARL
from omg_lib.seeds import TEST_EPISODES
from omg_lib.system.files import read_table, write_rows

N_AGENTS = 3
BATTLES = 128
SIDES = {"pymarl": "PyMARL's IQL", "ours": "ours"}
COLUMNS = ("side", "seed", "t_env", "win_rate", "seconds")
PANELS = {"t_env": "environment steps", "seconds": "CPU seconds of training"}


class ScalarSkirmish:
    """One battle of skirmish at a time, with the methods and types of SMAC's StarCraft2Env.

    `episode` is the number of the next battle.
    """

    def __init__(self, n_agents: int = N_AGENTS, seed: int = 0) -> None:
        self.env = omg.make_env("skirmish", n_agents, batch=1, seed=seed)
        self.episode_limit, self.episode = self.env.info.episode_limit, 0

    def reset(self) -> None:
        self.env.reset(first=self.episode)
        self.episode += 1

    def step(self, actions: Any) -> tuple[float, bool, dict[str, bool]]:
        reward, done, info = self.env.step(torch.as_tensor(actions).unsqueeze(0))
        return float(reward), bool(done), {key: bool(value) for key, value in info.items()}

    def get_obs(self) -> list[np.ndarray]:
        return list(self.env.obs()[0].numpy())

    def get_state(self) -> np.ndarray:
        return self.env.state()[0].numpy()

    def get_avail_actions(self) -> list[list[int]]:
        return self.env.avail_actions()[0].int().tolist()

    def get_env_info(self) -> dict[str, int]:
        info = self.env.info
        return {
            "n_agents": info.n_agents,
            "n_actions": info.n_actions,
            "obs_shape": info.obs_dim,
            "state_shape": info.state_dim,
            "episode_limit": info.episode_limit,
        }

    def close(self) -> None:
        self.env.close()


def curve(advance: Callable[[], int], test: Callable[[], float], steps: int, interval: int) -> list[dict[str, float]]:
    """Train until `advance`, which returns the steps so far, reaches `steps`; return a row for each test.

    Tests run before the first step, after every `interval` steps, and at the end.
    """
    rows, t_env, due, seconds = [], 0, 0, 0.0
    while True:
        if t_env >= min(due, steps):
            rows.append({"t_env": t_env, "win_rate": test(), "seconds": round(seconds, 2)})
            due = (t_env // interval + 1) * interval
        if t_env >= steps:
            return rows
        began = time.process_time()
        t_env = advance()
        seconds += time.process_time() - began


def ours(seed: int, steps: int, interval: int, battles: int = BATTLES) -> list[dict[str, float]]:
    """Train our IQL with its defaults; the loop itself neither ends nor tests."""
    endless = dict(t_max=10**9, test_interval=10**9, test_nepisode=battles)
    config = omg.OMGConfig(learner="iql", n_agents=N_AGENTS, seed=seed, device="cpu", **endless)
    with omg.Training(config) as run:
        reports = iter(run)
        return curve(lambda: next(reports).t_env, run.test, steps, interval)


def pymarl(checkout: str, seed: int, steps: int, interval: int, battles: int = BATTLES) -> list[dict[str, float]]:
    """Train PyMARL's IQL with its defaults, in the order of its run.py: an episode, an update from 32 episodes."""
    config = omg.OMGConfig(learner="iql")
    schedule = dict(epsilon_start=config.epsilon_start, test_nepisode=battles)
    peer = PyMARL(checkout, N_AGENTS, config.buffer_size, env=ScalarSkirmish, seed=seed, **schedule)
    runner, buffer, size, played = peer.runner, peer.buffer, config.batch_size, 0

    def advance() -> int:
        nonlocal played
        buffer.insert_episode_batch(runner.run(test_mode=False))
        if buffer.can_sample(size):
            sample = buffer.sample(size)
            peer.learner.train(sample[:, : sample.max_t_filled()], runner.t_env, played)
        played += 1
        return runner.t_env

    def test() -> float:
        training, runner.env.episode = runner.env.episode, TEST_EPISODES
        for _ in range(battles):
            runner.run(test_mode=True)
        runner.env.episode = training
        return peer.logger.latest["test_battle_won_mean"]

    return curve(advance, test, steps, interval)


def held(path: Path) -> list[dict[str, str]]:
    """Return the rows of the file; none if there is no file yet."""
    if not path.exists():
        return []
    return read_table(path)


def add(path: Path, side: str, seed: int, rows: list[dict[str, float]]) -> None:
    """Append one finished curve to the file."""
    everything = held(path) + [{"side": side, "seed": seed} | row for row in rows]
    write_rows(path, everything, COLUMNS)


def missing(path: Path, seeds: int) -> list[tuple[str, int]]:
    """Return the pairs of side and seed that the file lacks, seed by seed."""
    done = {(row["side"], int(row["seed"])) for row in held(path)}
    return [(side, seed) for seed in range(seeds) for side in SIDES if (side, seed) not in done]


def draw(rows: list[dict[str, str]]) -> Figure:
    """Plot the win rate of both sides, mean and range over seeds, against environment steps and seconds."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (column, label) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        for color, (side, name) in enumerate(SIDES.items()):
            mine = [row for row in rows if row["side"] == side]
            seeds = sorted({int(row["seed"]) for row in mine})
            if not seeds:
                continue
            x, y = (
                np.array([[float(row[key]) for row in mine if int(row["seed"]) == seed] for seed in seeds])
                for key in (column, "win_rate")
            )
            axes.plot(x.mean(axis=0), y.mean(axis=0), "o-", color=f"C{color}", label=name)
            axes.fill_between(x.mean(axis=0), y.min(axis=0), y.max(axis=0), color=f"C{color}", alpha=0.2)
        axes.set(xlabel=label, ylim=(-0.02, 1.02))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("win rate of the greedy policy")
    figure.axes[0].legend()
    seeds = len({row["seed"] for row in rows})
    figure.suptitle(f"IQL on skirmish, n_agents {N_AGENTS}: mean and range, seeds: {seeds}")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pymarl", metavar="CHECKOUT", required=True, help="a checkout of oxwhirl/pymarl")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--interval", type=int, default=10_000, help="environment steps between two tests")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for side, seed in missing(args.out, args.seeds):
        if side == "ours":
            rows = ours(seed, args.steps, args.interval)
        else:
            rows = pymarl(args.pymarl, seed, args.steps, args.interval)
        add(args.out, side, seed, rows)
        points = "  ".join(f"{row['t_env']}: {row['win_rate']:.2f} ({row['seconds']:.0f}s)" for row in rows)
        print(f"{side} seed {seed}: {points}", flush=True)
    draw(held(args.out)).savefig(args.out.with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
