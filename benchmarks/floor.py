"""The minimum time for the arithmetic of one IQL train: its multiplications at the rate of the GRU's matrix product.

The rest of a train's time is memory, element-wise functions and Python.
"""

from __future__ import annotations

import torch

from benchmarks.timing import Operation
from omg_lib.episodes import EpisodeBatch
from omg_lib.networks import RecurrentAgent


def train_flop(batch: EpisodeBatch, agent: RecurrentAgent) -> float:
    """Count the floating-point operations of one train on the played steps of a batch in which all seats learn.

    Two networks run forward. Backward through the online one, each product costs two, but no gradient flows to the
    inputs.
    """
    rows = int(batch["filled"].sum()) * batch["obs"].shape[2]
    products = sum(w.numel() for w in agent.parameters() if w.ndim == 2)
    return 2.0 * rows * (4 * products - agent.fc1.weight.numel())


def gate_product(rows: int, hidden: int = 64) -> Operation:
    """Repeat the GRU's product of one step in the same memory; returns the number of floating-point operations."""
    x, weight, out = torch.randn(rows, hidden), torch.randn(hidden, 3 * hidden), torch.empty(rows, 3 * hidden)

    def operation() -> float:
        for _ in range(50):
            torch.mm(x, weight, out=out)
        return 50 * 2.0 * x.numel() * 3 * hidden

    return operation
