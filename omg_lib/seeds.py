"""One seed, many independent streams: every random draw of a run depends only on (seed, purpose, index).

An episode therefore does not depend on the runner's width, an update does not depend on earlier draws, and a resumed
run continues as if it had never stopped.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """The purpose of a draw. Never zero: numpy pads a seed with zeros. Environments use (seed, k) alone."""

    TEAM = 1
    ACT = 2
    SAMPLE = 3
    UPDATE = 4
    WEIGHTS = 5
    PRIOR = 6
    RELEASED = 7


TEST_EPISODES = 10**9
"""Number of the first test episode: tests play battles that training never plays."""


def numpy_generator(seed: int, stream: Stream, k: int = 0) -> np.random.Generator:
    """Return the generator for item k of this kind: an episode, a sample."""
    return np.random.default_rng((seed, k, int(stream)))


def torch_generator(seed: int, stream: Stream, k: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the same for torch. A GPU's own generator needs no upload, and draws other numbers than the CPU's."""
    state = np.random.SeedSequence((seed, k, int(stream))).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]) >> 1)
