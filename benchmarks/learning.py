"""Does it learn? Win rate of the greedy policy against training time, several seeds for each arm.

    python -m benchmarks.learning --out data/results/learning.csv           every arm, seeds 0 to 4
    python -m benchmarks.learning --arms iql_skirmish --seeds 2             a part of it, only printed

An arm and seed already in the file is not run again: repeat an interrupted call to continue it. One torch thread; to
use two cores, make two calls with different --arms and files. Seconds are CPU seconds of the process, which equal
wall-clock time on a quiet machine.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import omg_lib as omg
from omg_lib.system.files import read_table, write_rows

PARTNERS = dict(
    env="skirmish:partners", n_agents=3, batch_size=16, batch_size_run=3, td_steps=5, teammates="scripted", t_max=50_000
)
ARMS = {
    "iql_skirmish": (dict(env="skirmish", n_agents=3, learner="iql"), 120.0),
    "omg_partners": (dict(**PARTNERS, learner="omg"), None),
    "iql_partners": (dict(**PARTNERS, learner="iql"), None),
}
"""Name -> (configuration, CPU seconds of training; None trains for the configuration's t_max). The rest is defaults."""
COLUMNS = ("arm", "seed", "update", "t_env", "seconds", "win_rate", "train_win_rate")


def curve(settings: dict, seed: int, seconds: float | None) -> list[dict[str, float]]:
    """Train one seed; return a row for each test, the last one at the end."""
    rows, tested, began = [], 0, time.process_time()
    with omg.Training(omg.OMGConfig(**settings, seed=seed)) as run:
        for report in run:
            spent = time.process_time() - began
            over = seconds is not None and spent > seconds
            if run.tested_at == tested and not over:
                continue
            tested = run.tested_at
            win_rate = run.test() if over else report.metrics["win_rate"]
            row = {"update": report.update, "t_env": report.t_env, "seconds": round(spent, 1)}
            rows.append(row | {"win_rate": win_rate, "train_win_rate": report.metrics["train_win_rate"]})
            if over:
                break
    return rows


def scripted(env_name: str, n_agents: int, battles: int = 512) -> dict[str, float]:
    """Return a script's win rate in the learner's seat: with its teammates' order of targets, and with other orders."""
    env = omg.make_env(env_name, n_agents, batch=battles, seed=1)
    rates: dict[str, list[float]] = {"right order": [], "wrong order": []}
    for team in env.info.teams:
        for other in env.info.teams:
            styles = np.tile(team, (battles, 1))
            styles[:, 0] = other[0]
            env.reset(first=0)
            done = torch.zeros(battles, dtype=torch.bool)
            while not done.all():
                _, done, info = env.step(env.scripted_actions(styles))
            rates["right order" if team == other else "wrong order"].append(float(info["battle_won"].float().mean()))
    return {name: float(np.mean(values)) for name, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_table(args.out) if args.out and args.out.exists() else []
    for arm in args.arms:
        settings, seconds = ARMS[arm]
        for seed in range(args.seeds):
            if not any(row["arm"] == arm and int(row["seed"]) == seed for row in rows):
                rows += [{"arm": arm, "seed": seed} | row for row in curve(settings, seed, seconds)]
                if args.out:
                    write_rows(args.out, rows, COLUMNS)
            mine = [row for row in rows if row["arm"] == arm and int(row["seed"]) == seed]
            points = "  ".join(f"{float(r['seconds']):.0f}s {float(r['win_rate']):.2f}" for r in mine)
            print(f"{arm} seed {seed}: {points}", flush=True)
    for name, rate in scripted("skirmish:partners", 3).items():
        print(f"skirmish:partners, n_agents 3, a script with the {name} in the learner's seat: {rate:.2f}")


if __name__ == "__main__":
    main()
