"""Games in processes of their own, for environments that are slow: R of them step at the same time.

A worker process plays a batch of one. It knows its parent by one pipe, and ends when that is closed: by `close()`, or
because the parent is gone, however it died.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from omg_lib.config import ConfigError
from omg_lib.envs import find_env
from omg_lib.envs.base import BatchedEnv, EnvInfo, GameLost
from omg_lib.envs.games import GameRows, Moment
from omg_lib.envs.pettingzoo import UNSAID

PATIENCE = 300.0
"""Seconds in which a worker must answer, unless it is said otherwise: StarCraft II may take 90 to start."""
GRACE = 5.0
"""Seconds for workers to end by themselves, before they are killed."""
STARTING = threading.Lock()


class Processes(GameRows):
    """The environment `name` with each row in its own process; the results are those of one process, bit for bit.

    A worker that dies, or that gives no answer for `patience` seconds, is replaced, and the call raises GameLost. An
    error inside a game is raised here as it is. ConfigError also if a worker cannot begin.
    """

    @classmethod
    def describe(cls, n_agents: int | Any, name: str = "", **options: Any) -> EnvInfo:
        env, implied = find_env(name)
        return env.describe(n_agents, **implied, **options)

    def __init__(
        self,
        n_agents: int | Any,
        batch: int | Any = 1,
        seed: int | Any = 0,
        device: str | torch.device = "cpu",
        name: str = "",
        patience: int | float = PATIENCE,
        **options: Any,
    ) -> None:
        super().__init__(self.describe(n_agents, name=name, **options), batch, seed, device)
        env, implied = find_env(name)
        self.patience, self._numbers = patience, count()
        self._order = (env, self.info.n_agents, self.seed, implied | options, dict(os.environ))
        self._workers: list[Worker] = []
        try:
            for _ in range(self.batch):
                self._workers.append(Worker(*self._order))
            self._ask(dict.fromkeys(range(self.batch), ("ready",)))
        except GameLost as error:
            self.close()
            allowed = (
                f"{error} before it was ready; allowed are environments of a module's file, and those of a script "
                'that starts its run under `if __name__ == "__main__":`'
            )
            raise ConfigError("runner", "processes", allowed) from error
        except BaseException:
            self.close()
            raise

    def _ask(self, questions: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        """Put a question to some workers, {row: question}, all at once, and await every answer, {row: answer}."""
        number = next(self._numbers)
        for row, question in questions.items():
            with suppress(OSError):  # a worker that is gone is found out when it owes an answer
                self._workers[row].pipe.send((number, *question))
        until, answers, fates = time.monotonic() + self.patience, {}, {}
        for row in questions:
            try:
                answers[row] = self._workers[row].answer(number, until)
            except TimeoutError:
                fates[row] = f"gave no answer for {self.patience:g} seconds"
            except (OSError, EOFError):
                fates[row] = "died"
        for row in fates:
            self._workers[row].kill()
            self._workers[row] = Worker(*self._order)
        if fates:
            raise GameLost(" and ".join(f"the process of row {row} {fate}" for row, fate in fates.items()))
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _begin(self, episodes: dict[int, int]) -> dict[int, Moment]:
        return self._ask({row: ("begin", k) for row, k in episodes.items()})

    def _play(self, actions: np.ndarray, rows: list[int]) -> dict[int, Moment]:
        begun = np.flatnonzero(self.episode >= 0).tolist()  # a row that is done is told too: its game freezes itself
        answers = self._ask({row: ("play", actions[row].tolist()) for row in begun})
        return {row: answers[row] for row in rows}

    def _scripts(self, styles: list[list[int]]) -> list[list[int]]:
        return list(self._ask({row: ("script", wanted) for row, wanted in enumerate(styles)}).values())

    def frame(self, row: int = 0) -> dict[str, Any]:
        return self._ask({row: ("frame",)})[row]

    def close(self) -> None:
        end_workers(self._workers)
        self._workers.clear()


class Worker:
    """A process that plays one game, and the pipe to it."""

    def __init__(
        self, env: type[BatchedEnv], n_agents: int, seed: int, options: dict[str, Any], environ: dict[str, str]
    ) -> None:
        windows = sys.platform == "win32"
        context = mp.get_context("spawn" if windows else "forkserver")
        if not windows:
            context.set_forkserver_preload([__name__])  # torch is loaded once, not once for each worker
        self.pipe, theirs = context.Pipe()
        given = (theirs, env, n_agents, seed, options, environ)
        self.process = context.Process(target=work, args=given, daemon=True)
        try:
            with nullcontext() if env.__module__ == "__main__" else without_main():
                self.process.start()
        except (pickle.PickleError, AttributeError, TypeError) as error:
            allowed = f"{env.__qualname__} cannot be sent to a process; allowed are environments of a module's file"
            raise ConfigError("runner", "processes", allowed) from error
        finally:
            theirs.close()

    def answer(self, number: int, until: float) -> Any:
        """The answer to a question; what is left of others, on which somebody did not wait, is passed by."""
        while self.pipe.poll(max(0.0, until - time.monotonic())):
            found, answer = self.pipe.recv()
            if found == number:
                return answer
        raise TimeoutError

    def kill(self) -> None:
        """End it at once; called twice is fine."""
        self.pipe.close()
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()


@contextmanager
def without_main() -> Iterator[None]:
    """Let processes that are started inside not load the main module: they need nothing of it, and without this Python
    would run a script again in each of them, from its first line.
    """
    main = sys.modules["__main__"]
    with STARTING:
        kept = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
        main.__spec__ = None
        try:
            yield
        finally:
            vars(main).update({"__spec__": None} | kept)


def end_workers(workers: Iterable[Worker]) -> None:
    """Close every pipe, so that the games are closed, and kill what is still there after a while."""
    for worker in workers:
        worker.pipe.close()
    until = time.monotonic() + GRACE
    for worker in workers:
        worker.process.join(max(0.0, until - time.monotonic()))
        worker.kill()


def work(
    pipe: Connection,
    env: type[BatchedEnv],
    n_agents: int,
    seed: int,
    options: dict[str, Any],
    environ: dict[str, str],
) -> None:
    """What a worker does: it makes its environment, then answers numbered questions until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; in the end it closes the pipe
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=f".*{UNSAID}")  # the parent has said it
    os.environ.update(environ)
    player = Player(env, n_agents, seed, options)
    with suppress(EOFError, OSError):
        while True:
            number, question, *given = pipe.recv()
            try:
                answer = getattr(player, question)(*given)
            except Exception as error:
                answer = _sendable(error)
            pipe.send((number, answer))
    player.close()


class Player:
    """A batch of one, made when it is first needed: what goes wrong there is an answer like any other error."""

    def __init__(self, env: type[BatchedEnv], n_agents: int, seed: int, options: dict[str, Any]) -> None:
        self.env: BatchedEnv | None = None
        self._make = lambda: env(n_agents, seed=seed, **options)

    def ready(self) -> None:
        self.env = self.env or self._make()

    def begin(self, k: int) -> Moment:
        self.ready()
        self.env.reset(first=k)
        return self._moment()

    def play(self, actions: list[int]) -> Moment:
        reward, done, info = self.env.step(np.array([actions]))
        rewards = info["rewards"][0].numpy() if self.env.info.general_sum else float(reward[0])
        cut = bool(info["episode_limit"][0])
        over = bool(done[0]) and not cut
        return self._moment()._replace(rewards=rewards, over=over, won=bool(info["battle_won"][0]), cut=cut)

    def script(self, styles: list[int]) -> list[int]:
        return self.env.scripted_actions(np.array([styles]))[0].tolist()

    def frame(self) -> dict[str, Any]:
        self.ready()
        return self.env.frame()

    def _moment(self) -> Moment:
        env = self.env
        obs, state, available = (show()[0].numpy() for show in (env.obs, env.state, env.avail_actions))
        alive = env.alive()[0].numpy() if env.info.records_alive else True
        return Moment(obs, state, available, alive=alive)

    def close(self) -> None:
        if self.env is not None:
            self.env.close()


def _sendable(error: Exception) -> Exception:
    """The error itself if it survives a pipe, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
