"""What `gpu.py` measures of whole runs on a device: a recorded trace, many games at once, and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

import omg_lib as omg
from benchmarks import device as on
from benchmarks.timing import spread
from omg_lib.config import OMGConfig
from omg_lib.memory.peak import predicted_peak
from omg_lib.trace import ShapeTrace

ROOT = Path(__file__).parents[1]
WARM_UP = 2
"""Updates before the first one that is measured."""


def trace(place: str, quick: bool) -> ShapeTrace:
    """Record the shapes and times of one update: the runner steps 1, the sample holds 256, the learner sees 32."""
    sizes = dict(n_agents=2, batch_size=4) if quick else dict(n_agents=8, batch_size=32)
    with omg.Training(OMGConfig(device=place, updates=WARM_UP + 1, test_nepisode=1, **sizes)) as run:
        list(run)
        return run.trace


def wide(place: str, device: torch.device, rounds: int, quick: bool) -> dict[str, dict]:
    """Time whole updates of OMG with partners, 5 and 8 agents: one game at a time, and all seats of a group at once."""
    found, clock = {}, on.Clock(device)
    for agents in (2,) if quick else (5, 8):
        for width in (1, agents):
            config = OMGConfig(
                env="skirmish:partners",
                n_agents=agents,
                batch_size=4 if quick else 32,
                batch_size_run=width,
                device=place,
                t_max=10**9,
                test_interval=10**9,
            )
            with omg.Training(config) as run:
                updates, seconds, rates = iter(run), [], []
                for _ in range(WARM_UP):
                    next(updates)
                for _ in range(rounds):
                    began, played = clock(), run.runner.t_env
                    next(updates)
                    seconds.append(clock() - began)
                    rates.append((run.runner.t_env - played) / seconds[-1])
            found[f"n{agents}_r{width}"] = {
                "update": spread([1e3 * x for x in seconds]) | {"unit": "ms"},
                "rate": spread(rates) | {"unit": "env-steps/s"},
            }
    return found


def memory(place: str, device: torch.device, quick: bool) -> dict[str, dict[str, int | None]]:
    """Compare the peak of one update's tensors with the forecast: sample and what the learner computes from it."""
    found = {}
    for learner in ("iql", "omg"):
        for batch_size in (2,) if quick else (32, 128):
            config = OMGConfig(
                learner=learner,
                n_agents=2 if quick else 8,
                batch_size=batch_size,
                device=place,
                t_max=10**9,
                test_interval=10**9,
            )
            with omg.Training(config) as run:
                updates = iter(run)
                next(updates)
                measured = on.peak_bytes(lambda updates=updates: next(updates), device)
            peak = predicted_peak(config)
            found[f"{learner}_{batch_size}"] = {"predicted": peak.sample + peak.update, "measured": measured}
    return found


def tests(quick: bool, timeout: float) -> dict[str, object]:
    """Run the tests that are marked `device` and return pytest's last line and whether all passed."""
    some = ["-k", "random_numbers"] if quick else []
    line = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "device", "tests/device", *some]
    try:
        told = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"passed": False, "said": f"stopped after {timeout:.0f} s"}
    return {"passed": told.returncode == 0, "said": (told.stdout.splitlines() or [""])[-1]}
