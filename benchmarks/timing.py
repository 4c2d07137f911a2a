"""Fair timing on a machine that is never quite idle: operations run in turn, round by round.

A round runs every operation once, each for at least `min_time`, in an order that rotates from round to round. Ratios
are taken within a round, where anything that slows the machine slows both sides. With one thread the clock is the
process's CPU seconds, which equal wall-clock time on a quiet machine; with more it is the wall clock.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

Operation = Callable[[], float]
"""Does a piece of work and returns its amount: environment steps, episodes, or 1."""
Spread = dict[str, float]


@dataclass(frozen=True)
class Reading:
    """One operation in one round: work per second, and the cores that other processes used meanwhile."""

    rate: float
    others: float


def interleave(
    operations: Mapping[str, Operation],
    rounds: int,
    threads: int,
    min_time: float = 0.2,
    clock: Callable[[], float] | None = None,
) -> dict[str, list[Reading]]:
    """Warm every operation up once, then take one reading of each per round; `clock` overrides the default above."""
    for operation in operations.values():
        operation()
    clock = clock or (time.process_time if threads == 1 else time.perf_counter)
    names, readings = list(operations), {name: [] for name in operations}
    for r in range(rounds):
        start = r % len(names)
        for name in names[start:] + names[:start]:
            readings[name].append(_read(operations[name], clock, min_time))
    return readings


def _read(operation: Operation, clock: Callable[[], float], min_time: float) -> Reading:
    busy, own, began, start, work = _busy_seconds(), time.process_time(), time.perf_counter(), clock(), 0.0
    while True:
        work += operation()
        elapsed = time.perf_counter() - began
        if elapsed >= min_time:
            break
    others = (_busy_seconds() - busy - (time.process_time() - own)) / elapsed
    return Reading(work / (clock() - start), max(0.0, others))


def _busy_seconds() -> float:
    """Return the CPU seconds that the whole machine has worked since it started; 0 if the system does not say."""
    try:
        ticks = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def spread(values: list[float]) -> Spread:
    """Return median, min and max."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(ours: list[Reading], theirs: list[Reading]) -> Spread:
    """Return our speed-up, computed round by round."""
    return spread([a.rate / b.rate for a, b in zip(ours, theirs, strict=True)])


def machine() -> dict[str, object]:
    """Describe this machine for readers of the results."""
    cpu = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "vector": torch.backends.cpu.get_cpu_capability(),
        "load_average": list(os.getloadavg()),
    }
