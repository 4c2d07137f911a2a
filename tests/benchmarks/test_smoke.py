"""Our fast paths against our own slow versions, as ratios with a wide margin: a path that stops paying off fails."""

import subprocess
import sys
from pathlib import Path

import pytest

PARTS = {
    "runner": ("8 games as one batch beside one at a time", 1.3),
    "sample": ("memory used again beside fresh memory", 1.1),
    "train": ("rows that still hold data beside padding", 1.1),
}
"""Name in `benchmarks.smoke` -> (what is compared, minimum speed-up)."""


@pytest.mark.slow
def test_fast_paths_pay():
    """Runs in its own process: under test, every shape in a signature is checked, which must not be timed."""
    command = [sys.executable, "-m", "benchmarks.smoke"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
    measured = dict(line.split() for line in done.stdout.splitlines())
    for name, (what, least) in PARTS.items():
        assert float(measured[name]) >= least, f"{what}: only {measured[name]} times faster"
