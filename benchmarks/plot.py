"""Draw the ratios of a comparison.

    python -m benchmarks.plot RATIOS.json RATIOS.png

Upper panel: speed-up over PyMARL; lower panel: our memory as a share of PyMARL's. Bars are medians, whiskers the range
over the rounds, marks the requirement.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from omg_lib.system.files import read_json

SPEED = {
    "runner_1": ("runner, 1 environment", 5),
    "runner_8": ("runner, 8 as one batch", 15),
    "runner_32": ("runner, 32 as one batch", 25),
    "insert": ("insert an episode", 1),
    "sample": ("sample 256 + truncate", 4),
    "train_32": ("train, 32 episodes", 1.3),
    "train_256": ("train, 256 episodes", 1.3),
    "iteration": ("whole iteration", 3),
}
MEMORY = {"buffer_bytes": ("buffer of 5,000 episodes", 0.55), "train_peak_bytes": ("peak of train, 256 episodes", 0.6)}
"""Ratio -> (label, requirement): minimum speed-up, or maximum share."""


def draw(result: dict) -> Figure:
    """Return the figure of one result of `benchmarks.compare`; missing ratios are left out."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    speed, memory = figure.subplots(2, 1, height_ratios=(len(SPEED), len(MEMORY)))
    _bars(speed, SPEED, result["ratios"], "C0")
    speed.set(xscale="log", xlim=(0.8, 100), xlabel="times faster than PyMARL")
    _bars(memory, MEMORY, result["ratios"], "C2")
    memory.set(xlim=(0, 1.1), xlabel="share of PyMARL's memory")
    threads = "one thread" if result["threads"] == 1 else f"{result['threads']} threads"
    figure.suptitle(f"{result['machine']['cpu']}, {threads}, torch {result['torch']}", fontsize="medium")
    return figure


def _bars(axes: Axes, wanted: dict[str, tuple[str, float]], ratios: dict, color: str) -> None:
    rows = [(label, required, ratios[key]) for key, (label, required) in wanted.items() if key in ratios]
    for y, (_, required, ratio) in enumerate(rows):
        median = ratio["median"]
        axes.barh(y, median, color=color, xerr=[[median - ratio["min"]], [ratio["max"] - median]], ecolor="0.3")
        axes.plot([required, required], [y - 0.4, y + 0.4], color="k", linewidth=2)
        end = max(ratio["max"], required)
        axes.annotate(f"{median:.3g}", (end, y), xytext=(6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.invert_yaxis()
    axes.axvline(1, color="0.6", linewidth=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("json", type=Path)
    parser.add_argument("png", type=Path)
    args = parser.parse_args()
    draw(read_json(args.json)).savefig(args.png, dpi=120)


if __name__ == "__main__":
    main()
