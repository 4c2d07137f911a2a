"""How fast are we compared with PyMARL? Both in one process, with the same environment, network and batches.

    python -m benchmarks.compare --pymarl CHECKOUT --json FILE      ratios, their spread, absolute figures
    python -m benchmarks.compare                                    our figures alone

Eight agents, SMAC 8m's shapes, IQL in which all seats learn. README.md says how the timing works.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import memory
from benchmarks.floor import gate_product, train_flop
from benchmarks.our_side import Ours
from benchmarks.pymarl_side import PyMARL
from benchmarks.timing import interleave, machine, ratio, spread
from omg_lib.system.files import write_text

PARTS = ("speed", "memory", "omg")
GROUPS = {
    "runner": ("runner_1", "runner_8", "runner_32"),
    "insert": ("insert",),
    "sample": ("sample",),
    "train_32": ("train_32",),
    "train_256": ("train_256",),
    "iteration": ("iteration",),
}
"""Operation of PyMARL -> our operations timed in the same rounds."""
UNITS = {"runner": "env-steps/s", "insert": "episodes/s"}
HORIZONS = (5, 10)
LARGE = dict(learner="omg", n_agents=16, batch_size=64, horizon=10)
"""The update that must fit into 8 GB."""


def compare(checkout: str | None, rounds: int, threads: int, episodes: int, repeats: int, parts: Sequence[str]) -> dict:
    """Measure everything that goes into the JSON, and print it along the way."""
    torch.set_num_threads(threads)
    here = Path(__file__).parent
    result: dict = {
        "machine": machine(),
        "commit": git(here, "rev-parse", "HEAD"),
        "uncommitted_changes": bool(git(here, "status", "--porcelain", "--untracked-files=no")),
        "pymarl_commit": git(Path(checkout), "rev-parse", "HEAD") if checkout else None,
        "torch": torch.__version__,
        "threads": threads,
        "rounds": rounds,
        "clock": "CPU seconds" if threads == 1 else "wall",
        "ratios": {},
        "ours": {},
        "pymarl": {},
        "floor": {},
        "omg": {},
        "others": {},
    }
    print(f"{result['machine']['cpu']}, torch {result['torch']}, threads {threads}, clock: {result['clock']}")
    if "speed" in parts:
        _speed(checkout, episodes, result)
    if "memory" in parts and memory.AVAILABLE:
        _memory(checkout, repeats, result)
    if "omg" in parts:
        _omg(result, episodes)
    return result


def _speed(checkout: str | None, episodes: int, result: dict) -> None:
    ours = Ours(episodes, learner="iql", buffer_size=episodes)
    batches = {size: ours.whole_sample(size) for size in (32, 256)}
    operations, theirs = ours.operations(batches[256], batches), {}
    if checkout:
        peer = PyMARL(checkout, buffer_size=episodes)
        peer.load_weights(ours.learner.agent, ours.learner.target)
        peer.fill(ours.buffer)
        theirs = peer.operations(batches[256], batches)
    for name, keys in GROUPS.items():
        group = {key: operations[key] for key in keys} | ({"pymarl": theirs[name]} if theirs else {})
        readings = interleave(group, result["rounds"], result["threads"])
        result["others"][name] = spread([r.others for column in readings.values() for r in column])
        for key in keys:
            result["ours"][key] = spread([r.rate for r in readings[key]]) | {"unit": UNITS.get(name, "/s")}
            if theirs:
                result["pymarl"][key] = spread([r.rate for r in readings["pymarl"]]) | {"unit": UNITS.get(name, "/s")}
                result["ratios"][key] = ratio(readings[key], readings["pymarl"])
            _print(key, result)

    for size, batch in batches.items():
        flop = train_flop(batch, ours.learner.agent)
        group = {"train": operations[f"train_{size}"], "gate": gate_product(size * ours.config.n_agents)}
        readings = interleave(group, result["rounds"], result["threads"])
        shares = [flop * a.rate / b.rate for a, b in zip(readings["train"], readings["gate"], strict=True)]
        result["floor"][f"train_{size}"] = spread(shares) | {"flop": flop}
        print(f"train_{size}: {figure(spread(shares))} of our time is the floor, {flop / 1e9:.1f} GFLOP")


def _memory(checkout: str | None, repeats: int, result: dict) -> None:
    for name, side in {"ours": None, "pymarl": checkout}.items():
        if name == "pymarl" and not checkout:
            continue
        fills, peaks = (
            [memory.in_fresh_process(function, side, result["threads"]) for _ in range(repeats)]
            for function in (memory.fill, memory.train_peak)
        )
        result[name]["fill"] = spread([fill["rate"] for fill in fills]) | {"unit": UNITS["insert"]}
        result[name]["buffer_bytes"] = spread([fill["bytes"] for fill in fills]) | {"unit": "B"}
        result[name]["buffer_resident_bytes"] = spread([fill["resident"] for fill in fills]) | {"unit": "B"}
        result[name]["train_peak_bytes"] = spread([peak["bytes"] for peak in peaks]) | {"unit": "B"}
    for key in ("fill", "buffer_bytes", "buffer_resident_bytes", "train_peak_bytes"):
        if checkout:
            ours, theirs = result["ours"][key], result["pymarl"][key]
            low, high = ours["min"] / theirs["max"], ours["max"] / theirs["min"]
            result["ratios"][key] = {"median": ours["median"] / theirs["median"], "min": low, "max": high}
        _print(key, result)


def _omg(result: dict, episodes: int) -> None:
    for horizon in HORIZONS:
        ours = Ours(episodes, learner="omg", horizon=horizon)
        readings = interleave(ours.omg_operations(), result["rounds"], result["threads"])
        for part, column in readings.items():
            result["ours"][f"{part}_part_h{horizon}"] = spread([r.rate for r in column]) | {"unit": "/s"}
        result["omg"][f"over_td_h{horizon}"] = ratio(readings["td"], readings["omg"])
        print(f"OMG's own part at H = {horizon}: {figure(result['omg'][f'over_td_h{horizon}'])} times the TD part")
    if memory.AVAILABLE:
        large = memory.in_fresh_process(memory.update, LARGE, result["threads"])
        result["omg"]["large_update"] = LARGE | large
        print(f"one update at {LARGE}: {large['seconds']:.1f} s, {large['peak_bytes'] / 1e9:.2f} GB above its start, "
              f"{large['process_bytes'] / 1e9:.2f} GB in all")  # fmt: skip


def _print(key: str, result: dict) -> None:
    line = f"{key:22}"
    for name in ("ours", "pymarl"):
        if key in result[name]:
            line += f"{name} {figure(result[name][key])}   "
    if key in result["ratios"]:
        line += f"ratio {figure(result['ratios'][key])}"
    print(line, flush=True)


def figure(values: dict) -> str:
    """Format as median [min - max] unit; bytes as MB."""
    unit, scale = values.get("unit", ""), 1.0
    if unit == "B":
        unit, scale = "MB", 1e6
    median, low, high = (values[key] / scale for key in ("median", "min", "max"))
    digits = 0 if median >= 1000 else 2
    return f"{median:,.{digits}f} [{low:,.{digits}f} - {high:,.{digits}f}] {unit}".rstrip()


def git(folder: Path, *command: str) -> str | None:
    """Return git's answer about a checkout; None without one."""
    answer = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pymarl", metavar="CHECKOUT", help="a checkout of oxwhirl/pymarl")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--episodes", type=int, default=1000, help="episodes in both buffers, at least 256")
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes per memory figure")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    result = compare(args.pymarl, args.rounds, args.threads, args.episodes, args.repeats, args.parts)
    if args.json:
        write_text(args.json, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
