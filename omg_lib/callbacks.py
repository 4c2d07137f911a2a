"""`Callback` tells your code what a run does; `TensorBoard` is one that writes event files."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omg_lib.config import ConfigError, RunError
from omg_lib.words import _


@dataclass(frozen=True)
class Report:
    """One finished update.

    metrics: loss, td_loss, grad_norm, epsilon, train_return and train_win_rate (over the latest 100 training episodes),
    for omg also omg_loss, recon_loss, kl_loss; test_return and test_length after a greedy test; win_rate is the latest
    test's. Rates are fractions from 0 to 1; a game without a winner has none. A learner of your own adds its metrics.
    """

    update: int
    t_env: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Played:
    """One finished training episode: its number, its length in steps, its return, and whether it was won (None if the
    game has no winner). With teammates the return is the learner seat's in a general-sum game, else the team's.
    """

    episode: int
    length: int
    total: float
    won: bool | None


@dataclass(frozen=True)
class Tested:
    """A greedy test: means over its episodes. In a general-sum game with teammates, the return is the learner seat's.
    The length is in steps; `win_rate` is None if the game has no winner.
    """

    update: int
    t_env: int
    episodes: int
    test_return: float
    test_length: float
    win_rate: float | None


class Callback:
    """Called by a run as things happen: `Training(config, callbacks=[...])`. Override the methods you need.

    Calls come from the training thread, once the event is complete. If a callback raises, the run ends with a
    CallbackError before the next update; no training is lost.
    """

    def on_episode(self, played: Played) -> None:
        """Called for each training episode, in order, also before the first update."""

    def on_test(self, tested: Tested) -> None:
        """Called for each greedy test that is due, before the `on_update` of its update."""

    def on_update(self, report: Report) -> None:
        """Called for each update."""

    def on_stop(self, finished: bool) -> None:
        """Called when a loop over the run ends, for any reason; `finished` says whether the budget is spent."""


def checked(callbacks: object) -> tuple[Callback, ...]:
    """Return these callbacks. ConfigError unless each is an instance of Callback."""
    found = tuple(callbacks) if isinstance(callbacks, Sequence) else (None,)
    if not all(isinstance(one, Callback) for one in found):
        raise ConfigError("callbacks", callbacks, _("allowed is a list of instances of omg_lib.Callback"))
    return found


class CallbackError(RunError):
    """A callback failed; the run has stopped between two updates."""


class TensorBoard(Callback):
    """Writes an event file for TensorBoard: every metric, tests and episodes, over environment steps.

    `folder` is created if it is missing. A resumed run adds a file to the same folder, and TensorBoard joins them. It
    needs the extra: `pip install -e ".[tensorboard]"`. ConfigError without it, and for a folder that cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            writers = importlib.import_module("tensorboardX")
        except ImportError:
            allowed = _('it needs tensorboardX, which is not installed; run pip install -e ".[tensorboard]"')
            raise ConfigError("callbacks", "TensorBoard", allowed) from None
        try:
            self.writer = writers.SummaryWriter(str(folder))
        except OSError as error:
            allowed = _("cannot be written ({strerror}); allowed is a writable folder").format(strerror=error.strerror)
            raise ConfigError("folder", str(folder), allowed) from None

    def on_episode(self, played: Played) -> None:
        values = {"return": played.total, "length": played.length}
        self._write("episode", values, played.episode)

    def on_test(self, tested: Tested) -> None:
        rate = {} if tested.win_rate is None else {"win_rate": tested.win_rate}
        self._write("test", {"return": tested.test_return, "length": tested.test_length} | rate, tested.t_env)

    def on_update(self, report: Report) -> None:
        tested = ("test_return", "test_length", "win_rate")
        values = {name: value for name, value in report.metrics.items() if name not in tested}
        self._write("train", values, report.t_env)

    def on_stop(self, finished: bool) -> None:
        self.writer.close()  # the writer's flush does not write everything; another loop opens another file

    def _write(self, group: str, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{group}/{name}", value, step)
