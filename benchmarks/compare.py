"""How fast are we beside PyMARL? Both in one process, the same environment, the same network, the same batches.

    python -m benchmarks.compare --pymarl CHECKOUT --json FILE      ratios, their spread, absolute figures
    python -m benchmarks.compare                                    our figures alone

Eight agents, SMAC 8m's shapes, IQL in which all seats learn. README.md says how the timing works.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks import memory
from benchmarks.our_side import Ours
from benchmarks.pymarl_side import PyMARL
from benchmarks.timing import Reading, interleave, machine, ratio, spread
from omg_lib.episodes import EpisodeBatch

GROUPS = {
    "runner": ("runner_1", "runner_8", "runner_32"),
    "insert": ("insert",),
    "sample": ("sample",),
    "train_32": ("train_32",),
    "train_256": ("train_256",),
    "iteration": ("iteration",),
}
"""Operation of PyMARL -> ours that are timed beside it, in the same rounds."""
UNITS = {"runner": "env-steps/s", "insert": "episodes/s"}
HORIZONS = (5, 10)


def compare(checkout: str | None, rounds: int, threads: int, episodes: int, repeats: int = 3) -> dict:
    """Everything that the JSON holds; prints as it goes."""
    torch.set_num_threads(threads)
    ours = Ours(episodes, learner="iql")
    peer = PyMARL(checkout, buffer_size=episodes) if checkout else None
    result: dict = {
        "machine": machine(),
        **revision(Path(__file__).parent, "commit"),
        **(revision(Path(checkout), "pymarl_commit") if checkout else {}),
        "torch": torch.__version__,
        "threads": threads,
        "rounds": rounds,
        "clock": "CPU seconds" if threads == 1 else "wall",
        "ratios": {},
        "ours": {},
        "pymarl": {},
        "others": {},
    }
    print(f"{result['machine']['cpu']}, torch {result['torch']}, threads {threads}, clock: {result['clock']}")
    time_operations(ours, peer, result)
    weigh(checkout, threads, repeats, result)
    time_omg(rounds, threads, result)
    return result


def time_operations(ours: Ours, peer: PyMARL | None, result: dict) -> None:
    """Fill in the speeds: per second for both sides, and ratios where PyMARL is there."""
    batches = {size: ours.whole_sample(size) for size in (32, 256)}
    operations = ours.operations(batches[256], batches)
    theirs = {}
    if peer is not None:
        peer.fill(ours.buffer)
        peer.learner.train(peer.batch(batches[32]), 0, 0)
        theirs = peer.operations(batches[256], batches)
    for name, keys in GROUPS.items():
        group = {key: operations[key] for key in keys}
        if theirs:
            group["pymarl"] = theirs[name]
        readings = interleave(group, result["rounds"], result["threads"])
        result["others"][name] = spread([r.others for column in readings.values() for r in column])
        for key in keys:
            report(key, UNITS.get(name, "a second"), readings[key], readings.get("pymarl"), result)


def report(key: str, unit: str, ours: list[Reading], theirs: list[Reading] | None, result: dict) -> None:
    result["ours"][key] = spread([r.rate for r in ours]) | {"unit": unit}
    line = f"{key:17} {figure(result['ours'][key])} {unit}"
    if theirs:
        result["pymarl"][key] = spread([r.rate for r in theirs]) | {"unit": unit}
        result["ratios"][key] = ratio(ours, theirs)
        line += f"   PyMARL {figure(result['pymarl'][key])}   x {figure(result['ratios'][key])}"
    print(line, flush=True)


def figure(values: dict) -> str:
    """median [min - max]"""
    median, low, high = (f"{values[k]:.3g}" if values[k] < 1000 else f"{values[k]:,.0f}" for k in values if k != "unit")
    return f"{median} [{low} - {high}]"
