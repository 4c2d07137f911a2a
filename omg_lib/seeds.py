"""One seed, many independent streams: every random draw of a run is a function of (seed, what for, which one).

So an episode does not depend on the width of the runner, an update not on what was drawn before it, and a resumed run
goes on as if it had never stopped.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What a draw is for. Never zero: numpy pads a seed with zeros. Environments use (seed, k) alone."""

    TEAM = 1
    ACT = 2
    SAMPLE = 3
    UPDATE = 4
    WEIGHTS = 5
    PRIOR = 6


TEST_EPISODES = 10**9
"""Number of the first test episode: tests play battles that no training ever plays."""


def numpy_generator(seed: int, stream: Stream, k: int = 0) -> np.random.Generator:
    """The generator of the k-th thing of this kind: an episode, a sample."""
    return np.random.default_rng((seed, k, int(stream)))


def torch_generator(seed: int, stream: Stream, k: int = 0) -> torch.Generator:
    """The same for torch, on the CPU, so that every device sees the same noise."""
    state = np.random.SeedSequence((seed, k, int(stream))).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)
