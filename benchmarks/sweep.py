"""How time and memory of one update grow with n_agents and batch_size, beside what arithmetic predicts.

    python -m benchmarks.sweep --out FOLDER              sweep.csv and sweep.png, takes some minutes
    python -m benchmarks.sweep --out FOLDER --plot       sweep.png again, from sweep.csv

Each cell is one configuration in its own process, which may take `--limit` GB; what does not fit is drawn as refused.
The dashed lines are predictions, anchored at the measurement for n_agents 8, batch_size 32 (or the nearest to it).
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import memory
from omg_lib.config import OMGConfig
from omg_lib.lessons.growth import predicted
from omg_lib.plots.growth import growth_figure
from omg_lib.system.files import read_table, write_rows

LEARNERS = ("iql", "omg")
N_AGENTS = (2, 4, 8, 12, 16)
BATCH_SIZES = (8, 16, 32, 64)
COLUMNS = (
    "learner", "n_agents", "batch_size", "rows", "seconds", "peak_bytes", "process_bytes",
    "multiply_adds", "tensor_bytes", "refused",
)  # fmt: skip
PANELS = {
    "seconds": ("CPU seconds of one update", "multiply_adds", 1.0),
    "peak_bytes": ("GB at the peak of one update", "tensor_bytes", 1e9),
}


def sweep(n_agents: list[int], batch_sizes: list[int], threads: int, limit: float) -> list[dict]:
    """Return one row for each learner, n_agents and batch_size."""
    rows = []
    for learner, agents, size in product(LEARNERS, n_agents, batch_sizes):
        settings = dict(learner=learner, n_agents=agents, batch_size=size)
        cell = settings | {"rows": agents * size} | predicted(OMGConfig(**settings))
        cell |= memory.in_fresh_process(memory.update, settings, threads, int(limit * 1e9))
        cell = {key: cell.get(key, "") for key in COLUMNS}
        told = cell["refused"] or f"{cell['seconds']:.3f} s, {cell['peak_bytes'] / 1e9:.2f} GB"
        print(f"{learner} n_agents {agents} batch_size {size}: {told}", flush=True)
        rows.append(cell)
    return rows


def draw(rows: list[dict], title: str) -> Figure:
    """Plot time and memory (columns) of each learner (rows) against batch_size, one line per n_agents."""
    figure = growth_figure(rows, PANELS)
    figure.suptitle(title)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--n-agents", type=int, nargs="+", default=N_AGENTS)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=8.0, metavar="GB", help="memory that an update may take")
    parser.add_argument("--plot", action="store_true", help="only draw sweep.csv")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    table = args.out / "sweep.csv"
    if not args.plot:
        rows = sweep(args.n_agents, args.batch_sizes, args.threads, args.limit)
        write_rows(table, rows, COLUMNS)
    figure = draw(read_table(table), "One update on the CPU")
    figure.savefig(args.out / "sweep.png", dpi=120, facecolor="white")


if __name__ == "__main__":
    main()
