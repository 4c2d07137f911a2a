"""Training: the one loop that notebooks, the command line, tests and sweeps all use."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Float
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from omg_lib.buffer import Episode, ReplayBuffer
from omg_lib.callbacks import Callback, CallbackError, Played, Report, Tested, checked
from omg_lib.config import ConfigError, OMGConfig, RunError
from omg_lib.controller import Controller
from omg_lib.distributed.processes import Processes
from omg_lib.distributed.ray_runner import RayRunner
from omg_lib.envs import BatchedEnv, make_env
from omg_lib.envs.base import whole_number
from omg_lib.episodes import EpisodeBatch, living, sizes_of, to_device, truncate
from omg_lib.explain import explain
from omg_lib.faults import NotFiniteError, first_fault
from omg_lib.learners import make_learner
from omg_lib.learners.omg import OMGLearner
from omg_lib.memory.peak import buffer_on_card, check_memory, out_of_memory, ways_out
from omg_lib.predict import predict
from omg_lib.runner import EpisodeRunner, ParallelRunner, Runner
from omg_lib.seeds import Stream, torch_generator
from omg_lib.system.torch_state import check_learning, hold_settings
from omg_lib.teammates.priors import load_prior
from omg_lib.trace import Recorder, ShapeTrace
from omg_lib.words import _, listing

PRIOR_EPISODES = 64
TEST_WIDTH = 64
RECENT_EPISODES = 100
Progress = Callable[[str, int, int], None]
OnStage = Callable[[str, TensorDictBase], None]


class Stopped(Exception):  # noqa: N818 -- no error
    """Raised between two chunks of work after `stop()`; nothing of the interrupted update remains."""


class Training:
    """A run of one configuration, ready to iterate.

    Each turn of `for report in run` plays the episodes of one update, trains once and reports. After a break, or after
    `stop()` from any thread, a second loop continues where the first one ended. `progress(phase, done, total)` is
    called in the phases collect (episodes before the first update), prior (its pre-training steps) and update (updates,
    or environment steps if `updates` is None). `sets` are the numbers of the pool's teammate sets that episodes draw
    from, by default those of the configuration's training splits. `on_stage(name, fields)` receives what each stage of
    an update returned, right after it; `on_run(name)` is called when a stage begins, `on_run("")` when it ends.
    `callbacks` are called for episodes, tests, updates and the end.

    `plan` is the predicted trace. What a run sets for the whole process (one thread on a CPU; on a GPU float32 and, if
    asked for, determinism) lasts until `close()`. ConfigError if this machine lacks the device or the memory; RunError
    during a run, which then stays in its state before the failed update.
    """

    def __init__(
        self,
        config: OMGConfig,
        progress: Progress | None = None,
        sets: Sequence[int] | None = None,
        on_stage: OnStage | None = None,
        on_run: Callable[[str], None] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        check_learning()
        self.config, self.device, self.plan = config, resolve_device(config.device), predict(config)
        there = self.device if buffer_on_card(config, self.device, self.plan) else None
        check_memory(config, self.device, self.plan, there is not None)
        self.update = 0
        self.trace: ShapeTrace | None = None
        self.prior_errors: list[float] = []
        self.recent: deque[tuple[float, bool]] = deque(maxlen=RECENT_EPISODES)
        self.win_rate: float | None = None
        self.tested_at = 0
        self.round: Recorder | None = None  # what was played for the next update
        self._progress: Progress = progress or (lambda phase, done, total: None)
        self._on_stage, self._on_run, self.callbacks = on_stage, on_run, checked(callbacks)
        self._failed: CallbackError | None = None
        self._stop, self._loops = threading.Event(), False
        self._test_runner: Runner | None = None
        with ExitStack() as opened:
            opened.callback(hold_settings(self, self.device.type == "cpu", config.deterministic))
            self.env = games_of(config, config.batch_size_run)
            opened.callback(self.env.close)
            self.controller = Controller(config, self.env.info, self.device, sets)
            seats = config.n_agents if config.has_teammates else 1
            self.buffer = ReplayBuffer(config.buffer_size, seats, config.seed, there)
            self.learner = make_learner(config, self.controller, self.device, self._poll)
            if config.prior is not None and isinstance(self.learner, OMGLearner):
                load_prior(self.learner.prior, config.prior)
            self.runner = make_runner(config, self.env, self.controller)
            opened.callback(self.runner.close)
            self._opened = opened.pop_all()

    # --- the loop ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Report]:
        self._stop.clear()
        self._loops = True
        try:
            while not self.finished and self._failed is None:
                report = self._next_update()
                self._tell("on_update", report)
                yield report
        except Stopped:
            return
        finally:
            self._loops = False
            self._stop.clear()
            self._tell("on_stop", self.finished)
            failed, self._failed = self._failed, None
            if failed is not None:
                raise failed

    def _tell(self, event: str, what: object) -> None:
        """Call every callback. If one fails, the loop raises its error after it has reported this update."""
        for callback in self.callbacks:
            try:
                getattr(callback, event)(what)
            except Exception as error:  # it is the user's code
                said = f"{type(callback).__name__}.{event} raised {type(error).__name__}: {error}"
                self._failed = CallbackError(_("update {n}: {said}").format(n=self.update, said=said))
                self._failed.__cause__ = error

    def _tell_of(self, batch: EpisodeBatch) -> None:
        """Tell the callbacks about each of these training episodes, which the runner has just played."""
        if self.callbacks:
            first, winner = self.runner.episode - len(batch), self.env.info.has_winner
            played = zip(batch.lengths(), self.runner.returns.tolist(), self.runner.wins.tolist(), strict=True)
            for k, (length, total, won) in enumerate(played, first):
                self._tell("on_episode", Played(k, length, total, won if winner else None))

    @property
    def finished(self) -> bool:
        """Whether the budget (`updates` if given, else environment steps) is spent."""
        if self.config.updates is not None:
            return self.update >= self.config.updates
        return self.runner.t_env >= self.config.t_max_total

    def _next_update(self) -> Report:
        """Run one update. An error that ends the run becomes a RunError that keeps no tensor of it alive."""
        check_learning()
        try:
            return self._one_update()
        except NotFiniteError as error:
            when = _("update {n}: {said}").format(n=self.update + 1, said="")
            fault: RunError = NotFiniteError(error.stage, error.field, when)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
            said = _("{device} has no memory left; {advice}").format(device=self.device, advice=ways_out(self.config))
            fault = RunError(_("update {n}: {said}").format(n=self.update + 1, said=said))
        for optimiser in self.learner.optimisers().values():
            optimiser.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        raise fault

    def _one_update(self) -> Report:
        played = self._collect()
        self._fit_prior()
        recorder = played.copy()  # an update that is stopped half-way keeps its episodes and their record
        with recorder.recording():
            self.buffer.samples = self.update
            sample = truncate(self.buffer.sample(self.config.sample_size, reuse=True))
            sample = to_device(sample, self.device)
            metrics = self._train(sample)
        self.round = None
        self.update += 1
        info = self.env.info
        self.trace = recorder.finish(self.config, sizes_of(self.config, info), self.update, info.records_alive)
        metrics |= self._play_metrics() | self._test_if_due()
        if self.win_rate is not None:
            metrics["win_rate"] = self.win_rate
        if self.config.updates is not None:
            self._progress("update", self.update, self.config.updates)
        else:
            self._progress("update", self.runner.t_env, self.config.t_max_total)
        return Report(self.update, self.runner.t_env, metrics)

    def _train(self, sample: EpisodeBatch) -> dict[str, float]:
        """Train once. NotFiniteError, naming the first stage and field, before any weight has changed."""

        def train() -> dict[str, float]:
            return self.learner.train(sample, self.runner.t_env, self._episodes_per_seat())

        try:
            return train()
        except NotFiniteError as error:
            raise NotFiniteError(*first_fault(train, error, self.device)) from None

    def _collect(self) -> Recorder:
        """Play rounds of `runs_per_update` runs until a sample can be drawn: many before the first update, then one.

        Returns the record of the last round; a round that `stop()` interrupted continues where it was.
        """
        while True:
            if self.round is None:
                self.round = Recorder(self.device, on_stage=self._on_stage, on_run=self._on_run)
            while self.round.calls("runner.run") < self.config.runs_per_update:
                self._poll()
                with self.round.recording():
                    batch = self.runner.run(test_mode=False)
                    self.buffer.insert_episode_batch(batch)
                self.recent.extend(zip(self.runner.returns.tolist(), self.runner.wins.tolist(), strict=True))
                self._tell_of(batch)
                if self.update == 0:
                    held = min(self.buffer.episodes_in_buffer, self.config.sample_size)
                    self._progress("collect", held, self.config.sample_size)
            if self.buffer.can_sample(self.config.sample_size):
                return self.round
            self.round = None

    def _fit_prior(self) -> None:
        """Pre-train the subgoal prior once, on what living seats saw in the first episodes."""
        given = self.config.prior is not None
        if not isinstance(self.learner, OMGLearner) or given or self.update or self.prior_errors:
            return
        count = min(self.config.sample_size, PRIOR_EPISODES)
        states = torch.cat([self._lived(episode) for episode in self.buffer.oldest(count)]).to(self.device)
        generator = torch_generator(self.config.seed, Stream.PRIOR, 1)

        def progress(done: int, total: int) -> None:
            self._poll()
            self._progress("prior", done, total)

        self.prior_errors = self.learner.prior.fit(states, generator, self.config.kl_weight, progress=progress)

    def _lived(self, episode: Episode) -> Float[Tensor, "N O"]:
        """Return what living seats saw in a stored episode."""
        batch = TensorDict({key: torch.from_numpy(x)[None] for key, x in episode.items()}, batch_size=[1])
        batch["filled"] = torch.ones_like(batch["terminated"])
        return batch["obs"][living(batch, self.env.info)]

    def _episodes_per_seat(self) -> int:
        return self.runner.episode // (self.config.n_agents if self.config.has_teammates else 1)

    def _play_metrics(self) -> dict[str, float]:
        returns, wins = zip(*self.recent, strict=True)
        metrics = {"epsilon": self.runner.epsilon, "train_return": sum(returns) / len(returns)}
        if self.env.info.has_winner:
            metrics["train_win_rate"] = sum(wins) / len(wins)
        return metrics

    # --- tests -------------------------------------------------------------------------------------------------------

    def _test_if_due(self) -> dict[str, float]:
        """Test every `test_interval` steps and at the end; return what to report, {} without a test."""
        due = self.runner.t_env // self.config.test_interval > self.tested_at // self.config.test_interval
        if not due and not self.finished:
            return {}
        try:
            tested = self.play_test()
        except Stopped:  # the update itself is done: report it; the loop stops at its next turn
            return {}
        self.win_rate, self.tested_at = tested.win_rate, self.runner.t_env
        self._tell("on_test", tested)
        return {"test_return": tested.test_return, "test_length": tested.test_length}

    def test(self) -> float | None:
        """Return the share of test battles that the greedy policy wins; None if the game has no winner."""
        return self.play_test().win_rate

    def play_test(self) -> Tested:
        """Play `test_nepisode` episodes with the greedy policy, always the same ones."""
        total = self.config.test_nepisode
        if self._test_runner is None:
            self._test_runner = self._make_test_runner()
            self._opened.callback(self._test_runner.close)
        runner, rows = self._test_runner, list[tuple[float, int, bool]]()
        runner.test_episode = 0
        while runner.test_episode < total:
            self._poll()
            batch = runner.run(test_mode=True)
            rows += zip(runner.returns.tolist(), batch.lengths(), runner.wins.tolist(), strict=True)
        returns, lengths, wins = (sum(column) / total for column in zip(*rows[:total], strict=True))
        won = wins if self.env.info.has_winner else None
        return Tested(self.update, self.runner.t_env, total, returns, lengths, won)

    def explain(self, episode: EpisodeBatch | int = 0) -> TensorDict:
        """Return what the learner thinks at each step of one episode, by name: see `omg_lib.explain.explain`.

        A number means the test battle with that number, which is played now as the tests play it.
        """
        if isinstance(episode, EpisodeBatch):
            return explain(self.learner, episode)
        local = replace(self.config, runner="local", actors=None)
        runner = Runner(local, games_of(local, 1), self.controller)
        runner.test_episode = whole_number("episode", episode, 0)
        try:
            return explain(self.learner, runner.run(test_mode=True))
        finally:
            runner.close()

    def _make_test_runner(self) -> Runner:
        """Return a runner of many games side by side if they are cheap, else training's, idle between updates."""
        if self.config.runner != "local" or self.env.a_program_each:
            return self.runner
        total = self.config.test_nepisode
        width = max(w for w in range(1, min(total, TEST_WIDTH) + 1) if total % w == 0)
        return Runner(self.config, games_of(self.config, width), self.controller)

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return what the next update depends on, including the runner's and the learner's counters, as plain data.

        `learner.modules()` and `learner.optimisers()` have the tensors, `buffer.segment` the episodes.
        """
        own = {
            "update": self.update,
            "recent": list(self.recent),
            "win_rate": self.win_rate,
            "tested_at": self.tested_at,
            "prior_errors": self.prior_errors,
            "round": None if self.round is None else self.round.to_dict(),
        }
        return self.runner.state_dict() | self.learner.state_dict() | own

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned. ValueError, KeyError or TypeError if no run has such a round."""
        rows, most = state["round"], self.config.runs_per_update
        begun = None if rows is None else Recorder.from_dict(self.device, rows, most, self._on_stage, self._on_run)
        self.update, self.win_rate, self.tested_at = state["update"], state["win_rate"], state["tested_at"]
        self.prior_errors, self.round = state["prior_errors"], begun
        self.recent.clear()
        self.recent.extend(state["recent"])
        self.runner.load_state_dict(state)
        self.learner.load_state_dict(state)

    # --- control -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the loop at its next chunk of work; safe from any thread. Does nothing if no loop is running."""
        if self._loops:
            self._stop.set()

    def _poll(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def close(self) -> None:
        """Release the environments and restore what was set for the whole process; closing twice is fine."""
        self._opened.close()

    def __enter__(self) -> Training:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def games_of(config: OMGConfig, width: int) -> BatchedEnv:
    """Create `width` games of a configuration where its `runner` setting puts them; no other place decides this."""
    if config.runner == "processes":
        return Processes(config.n_agents, batch=width, seed=config.seed, name=config.env)
    return make_env(config.env, config.n_agents, batch=width, seed=config.seed)


def run_sequential(config: OMGConfig, progress: Progress | None = None) -> list[Report]:
    """Train a whole run, like PyMARL's function of this name, and return the reports of all updates."""
    with Training(config, progress) as run:
        return list(run)


def make_runner(config: OMGConfig, env: BatchedEnv, controller: Controller) -> Runner:
    """Create the runner of the training episodes. ConfigError if this machine lacks what it needs."""
    if config.runner == "ray":
        return RayRunner(config, env, controller)
    return (EpisodeRunner if config.batch_size_run == 1 else ParallelRunner)(config, env, controller)


def resolve_device(name: str) -> torch.device:
    """Return the torch device that "auto", "cpu", "cuda" or "cuda:1" means on this machine."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        have = listing(["auto", "cpu", *(f"cuda:{i}" for i in range(count))])
        allowed = _("this machine has {count} CUDA devices; allowed here are {have}")
        raise ConfigError("device", name, allowed.format(count=count, have=have))
    return device
