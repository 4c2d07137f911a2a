"""Our runner, buffer and learners on the synthetic environment, combined as in the training loop."""

from __future__ import annotations

import torch

from benchmarks.synthetic import LIMIT, Synthetic
from benchmarks.timing import Operation
from omg_lib.buffer import ReplayBuffer
from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.episodes import EpisodeBatch, truncate
from omg_lib.learners import make_learner
from omg_lib.regroup import regroup
from omg_lib.runner import Runner

CPU = torch.device("cpu")
FILL_WIDTH = 64


class Ours:
    """One configuration, and a buffer of at least `episodes` episodes played by its untrained network."""

    def __init__(self, episodes: int = 1000, **settings) -> None:
        self.config = OMGConfig(**(dict(epsilon_start=0.05, device="cpu") | settings))
        config = self.config
        self.controller = Controller(config, Synthetic.describe(config.n_agents), CPU)
        self.learner = make_learner(config, self.controller, CPU)
        self.buffer = ReplayBuffer(config.buffer_size, config.n_agents if config.has_teammates else 1)
        self._filler = self.runner(FILL_WIDTH)
        self.fill(episodes)

    def fill(self, episodes: int) -> None:
        """Play until the buffer holds at least this many episodes."""
        while self.buffer.episodes_in_buffer < episodes:
            self.buffer.insert_episode_batch(self._filler.run())

    def runner(self, width: int) -> Runner:
        """Return a runner with its own environment that steps `width` games together."""
        return Runner(self.config, Synthetic(self.config.n_agents, batch=width), self.controller)

    def whole_sample(self, size: int) -> EpisodeBatch:
        """Return a sample whose longest episode reaches the limit: T = 121."""
        for _ in range(1000):
            sample = truncate(self.buffer.sample(size))
            if sample.max_t_filled() == LIMIT + 1:
                return sample
        raise ValueError(f"no sample of {size} reaches T = {LIMIT + 1}: store more episodes")

    def operations(self, stored: EpisodeBatch, batches: dict[int, EpisodeBatch]) -> dict[str, Operation]:
        """Return the timed operations by name; they insert `stored` episodes one by one and train on `batches`."""
        runners = {width: self.runner(width) for width in (1, 8, 32)}
        singles = [stored[e : e + 1] for e in range(8)]

        def run(width: int) -> int:
            before = runners[width].t_env
            runners[width].run()
            return runners[width].t_env - before

        def insert() -> int:
            for episode in singles:
                self.buffer.insert_episode_batch(episode)
            return len(singles)

        def sample() -> int:
            truncate(self.buffer.sample(256, reuse=True))
            return 1

        def train(size: int) -> int:
            self.learner.train(batches[size], 0, 0)
            return 1

        def iteration() -> int:
            runners[8].episode = 0  # the same eight episodes in every round
            self.buffer.insert_episode_batch(runners[8].run())
            sample()
            return train(32)

        return {
            "runner_1": lambda: run(1),
            "runner_8": lambda: run(8),
            "runner_32": lambda: run(32),
            "insert": insert,
            "sample": sample,
            "train_32": lambda: train(32),
            "train_256": lambda: train(256),
            "iteration": iteration,
        }

    def omg_operations(self) -> dict[str, Operation]:
        """Return the two parts of one OMG update: the opponent model's loss and step, Q-learning's losses and step."""
        learner, batch = self.learner, regroup(self.whole_sample(self.config.sample_size))
        steps = learner.read(batch)
        noise, hidden = learner.draw_noise(steps), self.controller.init_hidden(steps.rows.shape[0])["hidden"]
        goal = learner.omg_loss(batch, steps, noise, 0.5)[0].goal

        def omg_part() -> int:
            learner.step(learner.omg_loss(batch, steps, noise, 0.5)[0].loss)
            return 1

        def td_part() -> int:
            online, _ = learner.q_values(steps, hidden, goal)
            learner.step(learner.td_loss(steps, online, goal)[0])
            return 1

        return {"omg": omg_part, "td": td_part}
