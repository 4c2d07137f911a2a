"""Our fast paths beside our own slow forms, as ratios with a wide margin: a path that stops paying is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest

PARTS = {
    "runner": ("8 games as one batch beside one at a time", 1.3),
    "sample": ("memory used again beside fresh memory", 1.1),
    "train": ("rows that still hold data beside padding", 1.1),
}
"""Name in `benchmarks.smoke` -> (what is compared, times faster it must be)."""


@pytest.mark.slow
def test_fast_paths_pay():
    """In a process of its own: under test every shape in a signature is checked, which is not what is timed."""
    command = [sys.executable, "-m", "benchmarks.smoke"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
    measured = dict(line.split() for line in done.stdout.splitlines())
    for name, (what, least) in PARTS.items():
        assert float(measured[name]) >= least, f"{what}: only {measured[name]} times faster"
