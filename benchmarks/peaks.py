"""A run's predicted memory peak beside the measured one, each size in a fresh process.

    python -m benchmarks.peaks                           the grid, then a table: takes some minutes
    python -m benchmarks.peaks --sizes '[{"n_agents": 4, "batch_size": 8}]'      these sizes, one JSON line each

The measured peak is the operating system's count of resident memory (VmHWM, Linux) after two updates. Exit code 1 if a
prediction is off by more than a quarter and by more than 200 MB.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partialmethod
from itertools import islice, product

from benchmarks.memory import in_fresh_process, resident
from omg_lib.config import OMGConfig
from omg_lib.memory.peak import LIBRARIES, predicted_peak
from omg_lib.subgoals import SubgoalPrior
from omg_lib.training import Training

UPDATES = 2
GRID = [
    *(dict(learner=name, n_agents=n, batch_size=g) for name, n, g in product(("iql", "omg"), (2, 8, 16), (8, 32))),
    *(dict(learner=name, n_agents=8, batch_size=32) for name in ("vdn", "qmix", "naive_om", "liam", "iql_actions")),
    dict(learner="iql", teammates="scripted", n_agents=12, batch_size=32),
    dict(learner="omg", n_agents=4, batch_size=64, horizon=10),
    dict(learner="omg", env="foraging", n_agents=3, batch_size=32),
    dict(learner="omg", env="skirmish:partners", n_agents=16, batch_size=32),
]  # fmt: skip


def measure(settings: dict) -> dict:
    """Return both peaks, in bytes, of a process that does nothing else. Pre-training is cut short: it needs little."""
    config = OMGConfig(**dict(device="cpu", updates=UPDATES + 1) | settings)  # the last one would end with a test
    if config.has_teammates:
        config = replace(config, batch_size_run=config.n_agents)
    SubgoalPrior.fit = partialmethod(SubgoalPrior.fit, steps=3)
    predicted = resident() + LIBRARIES + predicted_peak(config).total
    with Training(config) as run:
        for _ in islice(run, UPDATES):
            pass
    return settings | {"predicted": predicted, "measured": resident("VmHWM")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=json.loads, default=GRID, metavar="JSON", help="a list of settings")
    rows, wide = [], 0
    for settings in parser.parse_args().sizes:
        rows.append(in_fresh_process(measure, settings))
        print(json.dumps(rows[-1]), flush=True)
    print(f"{'learner':<12} {'env':<18} {'A':>3} {'G':>3} {'predicted':>10} {'measured':>10}  off")
    for row in rows:
        off = row["predicted"] - row["measured"]
        wide += abs(off) > max(0.25 * row["measured"], 200e6)
        sizes = f"{row['learner']:<12} {row.get('env', 'skirmish'):<18} {row['n_agents']:>3} {row['batch_size']:>3}"
        both = f"{row['predicted'] / 1e6:>7.0f} MB {row['measured'] / 1e6:>7.0f} MB"
        print(f"{sizes} {both}  {off / row['measured']:+.0%}")
    return int(wide > 0)


if __name__ == "__main__":
    raise SystemExit(main())
