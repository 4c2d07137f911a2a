"""How many environment steps a day? Costs measured here, and the plans of `omg_lib.lessons.capacity` for them.

    python -m benchmarks.capacity --out data/results/capacity.json     measure, and print the table of capacity.md
    python -m benchmarks.capacity --table data/results/capacity.json   print the table again

The costs of a step and of an update are those of the normal loop at 8 against 8 (batch_size 32, R = 1, one thread). The
cost of carrying a step from an actor is the difference between one Ray actor and a local runner in `ray_runner.csv`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from omg_lib.config import OMGConfig
from omg_lib.lessons.capacity import Cluster, Costs, measure, plan
from omg_lib.system.files import read_json, read_table, write_text

SPEEDS = Path(__file__).parents[1] / "data/results/ray_runner.csv"
CONFIG = dict(env="skirmish", n_agents=8, batch_size=32, device="cpu")
DAYS = (1e6, 1e7, 1e8, 1e9)
CASES = {"the embedded battle, one game an actor": (0.0, 1.0), "a game that waits 20 ms": (0.020, 1.0),
         "the same, and a learner 20 times faster": (0.020, 20.0)}  # fmt: skip
"""Case -> seconds that a step waits, and the learner's speed-up over the measurement."""


def carrying(rows: Sequence[dict[str, str]]) -> float:
    """Return the extra seconds of a step of the cheap battle through one actor, compared with this process at the same
    width. Takes the best round of each, the one least disturbed by other processes.
    """
    battle = {
        (row["runner"], row["width"], row["actors"]): float(row["high"]) for row in rows if row["game"] == "battle"
    }
    width = max((row["width"] for row in rows), key=int)
    return max(0.0, 1 / battle["ray", width, "1"] - 1 / battle["local", width, "0"])


def table(costs: Costs) -> str:
    """Tabulate what each case takes, as Markdown."""
    lines = ["| | steps a day | runs | games a run | cores a run | nodes | learners busy | of the time | limit |",
             "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, (wait, faster) in CASES.items():
        for steps in DAYS:
            p = plan(replace(costs, wait=wait, learn=costs.learn / faster), steps, Cluster())
            shares = (f"{p.gpus:.1f}", f"{100 * p.learner:.0f} %", p.limit)
            cells = (name, f"{steps:,.0f}", p.runs, p.games, p.cores, p.nodes, *shares)
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--table", type=Path, metavar="FILE.json")
    parser.add_argument("--updates", type=int, default=10)
    args = parser.parse_args()
    if args.table:
        print(table(Costs(**read_json(args.table))))
        return
    torch.set_num_threads(1)
    costs = replace(measure(OMGConfig(**CONFIG), args.updates), copy=carrying(read_table(SPEEDS)))
    if args.out:
        write_text(args.out, json.dumps(asdict(costs), indent=1) + "\n")
    print(table(costs))


if __name__ == "__main__":
    main()
