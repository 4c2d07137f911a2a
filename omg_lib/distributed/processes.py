"""Games in separate processes, for slow environments: R of them step at the same time.

A worker process plays a batch of one. Its only link to the parent is a pipe, and it ends when the pipe closes: by
`close()`, or because the parent died, for any reason.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import pickle
import signal
import sys
import threading
import time
import traceback
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
from omg_lib.envs.pettingzoo import unsaid
from omg_lib.words import _, listing

PATIENCE = 300.0
"""Seconds in which a worker must answer by default: StarCraft II can take 90 to start."""
GRACE = 5.0
"""Seconds that workers have to exit before they are killed."""
STARTING = threading.Lock()


class Processes(GameRows):
    """The environment `name` with each row in its own process; results equal those of one process, bit for bit.

    A worker that dies, or does not answer for `patience` seconds, is replaced, and the call raises GameLost. An error
    inside a game is raised here, with its traceback as a note. ConfigError also if a worker cannot start.
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
            for __ in range(self.batch):
                self._workers.append(Worker(*self._order))
            self._ask(dict.fromkeys(range(self.batch), ("ready",)))
        except GameLost as error:
            self.close()
            allowed = _(
                "{error} before it was ready; allowed are environments defined in a module, or in a script that starts "
                'its run under `if __name__ == "__main__":`'
            ).format(error=error)
            raise ConfigError("runner", "processes", allowed) from error
        except BaseException:
            self.close()
            raise

    def _ask(self, questions: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        """Send questions to some workers at once, {row: question}, and wait for all answers, {row: answer}."""
        number = next(self._numbers)
        for row, question in questions.items():
            with suppress(OSError):  # a dead worker is noticed when its answer is due
                self._workers[row].pipe.send((number, *question))
        until, answers, fates = time.monotonic() + self.patience, {}, {}
        for row in questions:
            try:
                answers[row] = self._workers[row].answer(number, until)
            except TimeoutError:
                fates[row] = _("did not answer for {patience:g} seconds").format(patience=self.patience)
            except (OSError, EOFError):
                fates[row] = _("died")
        for row in fates:
            self._workers[row].kill()
            self._workers[row] = Worker(*self._order)
        if fates:
            said = _("the process of row {row} {fate}")
            raise GameLost(listing((said.format(row=row, fate=fate) for row, fate in fates.items()), " and "))
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _begin(self, episodes: dict[int, int]) -> dict[int, Moment]:
        return self._ask({row: ("begin", k) for row, k in episodes.items()})

    def _play(self, actions: np.ndarray, rows: list[int]) -> dict[int, Moment]:
        begun = np.flatnonzero(self.episode >= 0).tolist()  # also rows that are done: their games freeze themselves
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
    """A process that plays one game, with the pipe to it."""

    def __init__(
        self, env: type[BatchedEnv], n_agents: int, seed: int, options: dict[str, Any], environ: dict[str, str]
    ) -> None:
        windows = sys.platform == "win32"
        context = mp.get_context("spawn" if windows else "forkserver")
        if not windows:
            context.set_forkserver_preload([__name__])  # load torch once, not once per worker
        self.pipe, theirs = context.Pipe()
        given = (theirs, env, n_agents, seed, options, environ)
        self.process = context.Process(target=work, args=given, daemon=True)
        try:
            with nullcontext() if env.__module__ == "__main__" else without_main():
                self.process.start()
        except (pickle.PickleError, AttributeError, TypeError) as error:
            allowed = _("{qualname} cannot be sent to a process; allowed are environments defined in a module").format(
                qualname=env.__qualname__
            )
            raise ConfigError("runner", "processes", allowed) from error
        finally:
            theirs.close()

    def answer(self, number: int, until: float) -> Any:
        """Return the answer to a question; skip leftover answers that were not waited for."""
        while self.pipe.poll(max(0.0, until - time.monotonic())):
            found, answer = self.pipe.recv()
            if found == number:
                return answer
        raise TimeoutError

    def kill(self) -> None:
        """Kill it at once; calling it twice is fine."""
        self.pipe.close()
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()


@contextmanager
def without_main() -> Iterator[None]:
    """Keep processes started inside from loading the main module: they do not need it, and Python would otherwise run
    a script again in each of them, from its first line.
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
    """Close every pipe to end the games, and kill the workers that are still there after a while."""
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
    """Run a worker: create the environment, then answer numbered questions until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and then closes the pipe
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=f".*{unsaid()}")  # the parent has already warned
    os.environ.update(environ)
    player = Player(env, n_agents, seed, options)
    with suppress(EOFError, OSError):
        while True:
            number, question, *given = pipe.recv()
            try:
                answer = getattr(player, question)(*given)
            except Exception as error:
                answer = _sendable(error)
                answer.add_note(f"In the game's process:\n{traceback.format_exc()}")  # a pipe carries no traceback
            pipe.send((number, answer))
    player.close()


class Player:
    """A batch of one, created when first needed, to report an error in its creation like any other."""

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
    """Return the error itself if it can be sent through a pipe, else one with the same text."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
