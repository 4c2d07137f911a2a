"""What `gpu.py` needs from a device: a clock of CUDA events, measured rates, forms of the rows, games played on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.timing import Operation
from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.envs import EnvInfo
from omg_lib.envs.skirmish import Skirmish
from omg_lib.episodes import EpisodeBatch, PackedRows
from omg_lib.learners import make_learner, q_learner, vdn_qmix
from omg_lib.learners.q_learner import QLearner
from omg_lib.networks import RecurrentAgent
from omg_lib.runner import Runner

LAUNCHES = 1000


class Clock:
    """Seconds on the device's timeline, by CUDA events; on a CPU, wall-clock seconds."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, 0.0
        if device.type == "cuda":
            self.latest = self._event()

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        event.synchronize()
        return event

    def __call__(self) -> float:
        if self.device.type != "cuda":
            return time.perf_counter()
        now = self._event()
        self.seconds += self.latest.elapsed_time(now) / 1000
        self.latest = now
        return self.seconds


def peak_bytes(operation: Operation, device: torch.device) -> int | None:
    """Return an operation's peak bytes of tensors above its start; None on a CPU, where torch does not count."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    operation()
    return torch.cuda.max_memory_allocated(device) - before


# --- floors ----------------------------------------------------------------------------------------------------------


def rates(device: torch.device, quick: bool) -> dict[str, Operation]:
    """Return the operations behind the floors: a large float32 product, a large copy, launches of a small kernel."""
    side, count = (256, 2**20) if quick else (8192, 2**28) if device.type == "cuda" else (1024, 2**24)
    a, b, product = (torch.randn(side, side, device=device) for _ in range(3))
    source, target = torch.ones(count, device=device), torch.empty(count, device=device)
    small = torch.zeros(1, device=device)

    def matmul() -> float:
        torch.mm(a, b, out=product)
        return 2.0 * side**3

    def copy() -> float:
        target.copy_(source)
        return 2.0 * source.numel() * source.element_size()

    def launch() -> float:
        for _ in range(LAUNCHES):
            small.add_(1.0)
        return LAUNCHES

    return {"matmul": matmul, "copy": copy, "launch": launch}


def train_bytes(batch: EpisodeBatch, agent: RecurrentAgent) -> float:
    """Return the minimum traffic of one IQL train on the played steps, in bytes.

    Both networks read the inputs; what the online one keeps for its gradient (first layer, four parts of the gates,
    hidden state, Q) is written once and read once. Weights are small in comparison.
    """
    rows = int(batch["filled"].sum()) * batch["obs"].shape[2]
    hidden, actions = agent.rnn.hidden_size, agent.fc2.out_features
    return 4.0 * rows * (2 * agent.input_dim + 2 * (6 * hidden + actions))


def train_steps(batch: EpisodeBatch) -> int:
    """Return the sequential steps of one IQL train: two networks forward and one back, over the whole T."""
    return 3 * batch.max_t_filled()


# --- the learner -----------------------------------------------------------------------------------------------------


def fresh_learner(config: OMGConfig, info: EnvInfo, device: torch.device) -> QLearner:
    """Return a fresh learner, with the same weights on every device."""
    return make_learner(config, Controller(config, info, device), device)


@contextmanager
def learning_from(rows: type[PackedRows]) -> Iterator[None]:
    """Make learners use this form of the rows instead of their device's own: step by step, or whole sequences."""
    with patch.object(q_learner, "rows_of", rows), patch.object(vdn_qmix, "rows_of", rows):
        yield


# --- rollouts --------------------------------------------------------------------------------------------------------


class ShownOnHost(Skirmish):
    """Skirmish on a device, with its available actions on the host, where the controller chooses."""

    def avail_actions(self) -> Tensor:
        return super().avail_actions().cpu()


def refusal(runner: Runner) -> str | None:
    """Return the error that stops this runner; None if it plays."""
    try:
        runner.run()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return None


def played(runner: Runner) -> Operation:
    """Return a function that plays one run of a runner and counts environment steps."""

    def operation() -> int:
        before = runner.t_env
        runner.run()
        return runner.t_env - before

    return operation


def game_alone(env: Skirmish) -> Operation:
    """The same battles with random actions that never leave the device: an upper bound for any runner."""

    def operation() -> int:
        env.reset(first=0)
        running = torch.ones(env.batch, dtype=torch.bool, device=env.device)
        steps = torch.zeros((), dtype=torch.int64, device=env.device)
        for _ in range(env.info.episode_limit):
            steps += running.sum()
            env.obs(), env.state()
            available = env.avail_actions()
            dice = torch.rand(available.shape, device=env.device)
            _, done, _ = env.step(dice.masked_fill(~available, -1.0).argmax(dim=-1))
            running = ~done
            if not running.any():
                break
        return int(steps)

    return operation
