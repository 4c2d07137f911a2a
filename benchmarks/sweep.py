"""How time and memory of one update grow with n_agents and batch_size, and what arithmetic says beside it.

    python -m benchmarks.sweep --out FOLDER              sweep.csv and sweep.png, some minutes
    python -m benchmarks.sweep --out FOLDER --plot       sweep.png again, from sweep.csv

Each cell is one configuration in a process of its own, which may take `--limit` GB; what does not fit is drawn as
refused. The dashed lines are predictions, put through the measurement at n_agents 8, batch_size 32 (or the nearest).
"""

from __future__ import annotations

import argparse
import csv
from itertools import product
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import memory
from benchmarks.synthetic import describe
from omg_lib.config import OMGConfig

LEARNERS = ("iql", "omg")
N_AGENTS = (2, 4, 8, 12, 16)
BATCH_SIZES = (8, 16, 32, 64)
ANCHOR = (8, 32)
FILLED = 0.63
"""Share of a padded sample that was really played: (75 + 1) of 121 rows."""
COLUMNS = (
    "learner", "n_agents", "batch_size", "rows", "seconds", "peak_bytes", "process_bytes",
    "multiply_adds", "tensor_bytes", "refused",
)  # fmt: skip
PANELS = {
    "seconds": ("CPU seconds of one update", "multiply_adds", 1.0),
    "peak_bytes": ("GB at the peak of one update", "tensor_bytes", 1e9),
}
"""Column -> (title, column that predicts its growth, divisor)."""


def predicted(config: OMGConfig) -> dict[str, float]:
    """What time and memory grow with, per step of an episode.

    `multiply_adds`: every row (G * A of them) meets every weight of every network; a candidate subgoal (H of them for
    omg) meets the GRU's input weights and the last layer. `tensor_bytes`: the sample, which holds all seats of every
    episode, regrouped once more where one seat learns, and what each played row keeps for its gradient.
    """
    info, H = describe(config.n_agents), config.rnn_hidden_dim
    O, C, A, Z, K = info.obs_dim, info.n_actions, info.n_agents, config.subgoal_dim, config.context_dim  # noqa: E741
    rows, omg = config.batch_size * A, config.learner == "omg"
    inputs = O + C + A + (Z if omg else 0)
    agent = inputs * H + 6 * H * H + H * C
    work, kept = 4 * agent, 2 * inputs + 10 * H + 4 * C
    if omg:
        condition, F = O + (A + 1) * C, config.feature_dim
        model = 3 * K * (condition + K) + O * F + 2 * Z * (F + K) + 2 * F * (Z + K + O)
        work += 3 * model + 2 * agent + config.horizon * (3 * H * H + H * C)
        kept += 2 * condition + 10 * K + 8 * Z + 8 * F + 4 * O + config.horizon * H
    sample = config.sample_size * (A * (4 * O + 8 + C) + 4 * info.state_dim + 6)
    regrouped = rows * (4 * O + 8 + C + 4 * info.state_dim + 8 * A) if config.has_teammates else 0
    return {"multiply_adds": rows * work, "tensor_bytes": sample + regrouped + FILLED * 4 * rows * kept}


def sweep(n_agents: list[int], batch_sizes: list[int], threads: int, limit: float) -> list[dict]:
    """One row for each learner, n_agents and batch_size."""
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
    """Time and memory (columns) of each learner (rows) against batch_size, one line for each n_agents."""
    learners = sorted({row["learner"] for row in rows})
    figure = Figure(figsize=(11, 4.2 * len(learners)), layout="constrained")
    axes = figure.subplots(len(learners), len(PANELS), squeeze=False)
    for (r, learner), (c, column) in product(enumerate(learners), enumerate(PANELS)):
        _panel(axes[r][c], [row for row in rows if row["learner"] == learner], column)
        axes[r][c].set_title(f"{learner}: {PANELS[column][0]}")
    axes[0][0].legend(fontsize="small")
    figure.suptitle(f"{title}\ndashed: predicted growth; crosses: refused")
    return figure


def _panel(axes: Axes, rows: list[dict], column: str) -> None:
    _, predictor, divisor = PANELS[column]
    measured = [row for row in rows if not row["refused"]]
    anchor = min(measured, key=_from_anchor)
    scale = float(anchor[column]) / float(anchor[predictor]) / divisor
    for k, agents in enumerate(sorted({int(row["n_agents"]) for row in rows})):
        line = [row for row in rows if int(row["n_agents"]) == agents]
        sizes = [int(row["batch_size"]) for row in line]
        expected = [float(row[predictor]) * scale for row in line]
        done = [(int(row["batch_size"]), float(row[column]) / divisor) for row in line if not row["refused"]]
        axes.plot(sizes, expected, "--", color=f"C{k}", linewidth=1)
        axes.plot(*zip(*done, strict=True), "o-", color=f"C{k}", label=f"n_agents {agents}")
        refused = [(size, y) for size, y, row in zip(sizes, expected, line, strict=True) if row["refused"]]
        if refused:
            axes.plot(*zip(*refused, strict=True), "X", color=f"C{k}", markersize=11)
    axes.set(xscale="log", yscale="log", xlabel="batch_size")
    ticks = sorted({int(row["batch_size"]) for row in rows})
    axes.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _from_anchor(row: dict) -> int:
    return abs(int(row["n_agents"]) - ANCHOR[0]) + abs(int(row["batch_size"]) - ANCHOR[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--n-agents", type=int, nargs="+", default=N_AGENTS)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=8.0, metavar="GB", help="what an update may take")
    parser.add_argument("--plot", action="store_true", help="only draw what sweep.csv holds")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    table = args.out / "sweep.csv"
    if not args.plot:
        rows = sweep(args.n_agents, args.batch_sizes, args.threads, args.limit)
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    with table.open() as file:
        draw(list(csv.DictReader(file)), "One update on the CPU").savefig(args.out / "sweep.png", dpi=120)


if __name__ == "__main__":
    main()
