"""Drives the EpisodeRunner, BasicMAC, ReplayBuffer and QLearner of a checkout of oxwhirl/pymarl, as its run.py does.

Only PyMARL's module `envs`, which would import SMAC, is replaced: by a registry with one environment, by default the
synthetic one.
"""

from __future__ import annotations

import importlib
import logging
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from benchmarks.synthetic import ScalarSynthetic
from benchmarks.timing import Operation
from omg_lib.buffer import ReplayBuffer
from omg_lib.episodes import EpisodeBatch

PARTS = {
    "EpisodeBatch": "components.episode_buffer",
    "ReplayBuffer": "components.episode_buffer",
    "OneHot": "components.transforms",
    "EpisodeRunner": "runners.episode_runner",
    "BasicMAC": "controllers.basic_controller",
    "QLearner": "learners.q_learner",
}
SETTINGS = dict(
    env="the one", batch_size_run=1, device="cpu", test_nepisode=20, runner_log_interval=10**12,
    learner_log_interval=10**12, gamma=0.99, lr=0.0005, optim_alpha=0.99, optim_eps=0.00001, grad_norm_clip=10,
    agent="rnn", rnn_hidden_dim=64, obs_agent_id=True, obs_last_action=True, action_selector="epsilon_greedy",
    epsilon_start=0.05, epsilon_finish=0.05, epsilon_anneal_time=50000, agent_output_type="q", double_q=True,
    mixer=None, target_update_interval=200,
)  # fmt: skip
"""PyMARL's default.yaml and iql.yaml, except that epsilon starts at its final value and nothing is logged."""


class Logger:
    """Replaces PyMARL's logger: keeps the latest value of each statistic."""

    def __init__(self) -> None:
        self.console_logger = logging.getLogger("benchmarks.pymarl")
        self.latest: dict[str, float] = {}

    def log_stat(self, key: str, value: float, t: int, to_sacred: bool = True) -> None:
        self.latest[key] = float(value)


@contextmanager
def importing_from(source: Path, envs: dict[str, type]) -> Iterator[None]:
    """Make PyMARL's top-level names (`envs`, `utils`, ...) importable only while it is imported."""
    before = set(sys.modules)
    registry = types.ModuleType("envs")
    registry.REGISTRY = envs
    sys.modules["envs"] = registry
    sys.path.insert(0, str(source))
    try:
        yield
    finally:
        sys.path.remove(str(source))
        tops = {path.stem for path in source.iterdir()}
        for name in set(sys.modules) - before:
            if name.split(".")[0] in tops:
                del sys.modules[name]


class PyMARL:
    """PyMARL's IQL on an environment with SMAC's methods; `settings` override those above.

    | attribute | meaning |
    |---|---|
    | runner, mac, buffer, learner | PyMARL's own objects |
    | logger | `logger.latest["loss"]` after the first `learner.train` |
    """

    def __init__(
        self,
        checkout: str | Path,
        n_agents: int = 8,
        buffer_size: int = 5000,
        env: type = ScalarSynthetic,
        seed: int = 0,
        **settings,
    ) -> None:
        warnings.filterwarnings("ignore", module="components|learners")  # advice to PyMARL's authors
        source = Path(checkout) / "src"
        if not (source / "learners" / "q_learner.py").is_file():
            raise FileNotFoundError(f"--pymarl {checkout}: no checkout of oxwhirl/pymarl")
        with importing_from(source, {SETTINGS["env"]: env}):
            self.parts = {name: getattr(importlib.import_module(module), name) for name, module in PARTS.items()}
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.logger = Logger()
        args = SimpleNamespace(**(SETTINGS | settings), env_args=dict(n_agents=n_agents, seed=seed))
        self.runner = self.parts["EpisodeRunner"](args, self.logger)
        info = self.runner.get_env_info()
        self.length = info["episode_limit"] + 1
        args.n_agents, args.n_actions, args.state_shape = info["n_agents"], info["n_actions"], info["state_shape"]
        self.layout = dict(
            scheme={
                "state": {"vshape": info["state_shape"]},
                "obs": {"vshape": info["obs_shape"], "group": "agents"},
                "actions": {"vshape": (1,), "group": "agents", "dtype": torch.long},
                "avail_actions": {"vshape": (info["n_actions"],), "group": "agents", "dtype": torch.int},
                "reward": {"vshape": (1,)},
                "terminated": {"vshape": (1,), "dtype": torch.uint8},
            },
            groups={"agents": n_agents},
            preprocess={"actions": ("actions_onehot", [self.parts["OneHot"](out_dim=info["n_actions"])])},
        )
        self.buffer = self.make_buffer(buffer_size)
        self.mac = self.parts["BasicMAC"](self.buffer.scheme, self.layout["groups"], args)
        self.runner.setup(**self.layout, mac=self.mac)
        self.learner = self.parts["QLearner"](self.mac, self.buffer.scheme, self.logger, args)

    def make_buffer(self, buffer_size: int) -> object:
        """Return an empty ReplayBuffer, which allocates all its memory at the start."""
        return self.parts["ReplayBuffer"](**self.layout, buffer_size=buffer_size, max_seq_length=self.length)

    def batch(self, episodes: EpisodeBatch) -> object:
        """Return the same episodes as PyMARL's EpisodeBatch."""
        size, length = episodes.batch_size
        batch = self.parts["EpisodeBatch"](**self.layout, batch_size=size, max_seq_length=length)
        fields = batch.data.transition_data
        for key in fields.keys() - {"actions_onehot"}:
            fields[key].copy_(episodes[key])
        fields["actions_onehot"].scatter_(-1, fields["actions"], 1.0)
        fields["actions_onehot"] *= fields["filled"].unsqueeze(-1)
        return batch

    def fill(self, episodes: ReplayBuffer) -> None:
        """Fill the buffer with episodes drawn from ours."""
        while (missing := self.buffer.buffer_size - self.buffer.episodes_in_buffer) > 0:
            self.buffer.insert_episode_batch(self.batch(episodes.sample(min(missing, 250))))

    def load_weights(self, online: nn.Module, target: nn.Module) -> None:
        """Copy the weights of our agents."""
        for mac, agent in ((self.mac, online), (self.learner.target_mac, target)):
            mac.agent.load_state_dict({key.removesuffix("_l0"): w for key, w in agent.state_dict().items()})

    def gradients(self) -> dict[str, torch.Tensor]:
        """Return the gradients of the latest train, under our agent's names."""
        weights = self.mac.agent.named_parameters()
        return {f"{key}_l0" if key.startswith("rnn.") else key: w.grad for key, w in weights}

    def operations(self, stored: EpisodeBatch, batches: dict[int, EpisodeBatch]) -> dict[str, Operation]:
        """Return the timed operations by name; they insert `stored` episodes one by one and train on `batches`."""
        singles = [self.batch(stored[e : e + 1]) for e in range(8)]
        batches = {size: self.batch(batch) for size, batch in batches.items()}

        def run() -> int:
            self.runner.run(test_mode=False)
            return self.runner.t

        def insert() -> int:
            for episode in singles:
                self.buffer.insert_episode_batch(episode)
            return len(singles)

        def sample() -> int:
            drawn = self.buffer.sample(256)
            drawn[:, : drawn.max_t_filled()]
            return 1

        def train(size: int) -> int:
            self.learner.train(batches[size], 0, 0)
            return 1

        def iteration() -> int:
            self.runner.env.episode = -1  # the same eight episodes in every round
            for _ in range(8):
                self.buffer.insert_episode_batch(self.runner.run(test_mode=False))
            sample()
            return train(32)

        return {
            "runner": run,
            "insert": insert,
            "sample": sample,
            "train_32": lambda: train(32),
            "train_256": lambda: train(256),
            "iteration": iteration,
        }


def buffer_bytes(buffer: object) -> int:
    """Return the bytes of all fields of a ReplayBuffer."""
    return sum(x.numel() * x.element_size() for x in buffer.data.transition_data.values())
