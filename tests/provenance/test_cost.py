"""What following costs at 8 agents, 64 episodes, T = 60, on one thread."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.provenance.peers import needs_pymarl

LINUX = Path("/proc/self/clear_refs").exists()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not LINUX, reason="peak memory is read as Linux has it")]


def measure(learner: str, how: str) -> tuple[float, float]:
    """CPU seconds and MiB of one update."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.helpers.provenance.cost", learner, how]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    seconds, size = map(float, out.split())
    return seconds, size


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["plain", pytest.param("pymarl", marks=needs_pymarl)])
def test_time_is_at_most_tenfold_and_memory_threefold(learner):
    plain, followed = measure(learner, "plain"), measure(learner, "followed")
    print(f"\n{learner}: {plain[0]:.2f} s {plain[1]:.0f} MiB, followed {followed[0]:.2f} s {followed[1]:.0f} MiB")
    assert followed[0] <= 10 * plain[0]
    assert followed[1] <= 3 * plain[1]
