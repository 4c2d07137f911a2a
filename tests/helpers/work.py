"""A clock that counts work: seconds depend on what else the machine does, calls of functions do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from cProfile import Profile
from itertools import count

TICK = 1e-6
"""Seconds by this clock in which a function is entered or left, Python's or C's."""


class Work:
    """Runs with what Python does, and by what sleeps say."""

    def __init__(self, ticks: count) -> None:
        self.ticks, self.slept = ticks, 0.0

    def __call__(self) -> float:
        return next(self.ticks) * TICK + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@contextmanager
def working() -> Iterator[Work]:
    """A clock that runs inside."""
    ticks = count()
    with Profile(ticks.__next__, TICK):  # it asks for the time at each call and return
        yield Work(ticks)


def calls(function: Callable[[], object]) -> float:
    """How many functions one call of this calls, it included."""
    with working() as work:
        began = work()
        function()
        return (work() - began) / TICK / 2
