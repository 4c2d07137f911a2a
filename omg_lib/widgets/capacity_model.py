"""The capacity panel without Jupyter: what a step and an update cost, and what a number of steps a day takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from omg_lib.config import ConfigError
from omg_lib.lessons.capacity import DAY, Cluster, Costs, plan
from omg_lib.plots.capacity import capacity_svg


class CapacityModel:
    """The capacity panel without its view.

    `choose(steps_a_day=, wait=, faster=)` sets the steps a day, the wait per game step in milliseconds, and the
    learner's speed-up over the measurement (on a GPU, say). State: these three, `plan`, `status` (a sentence) and
    `picture` (SVG). An invalid value sets `status` and changes nothing else.
    """

    def __init__(self, costs: Costs, cluster: Cluster | None = None) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.measured, self.cluster = costs, cluster or Cluster()
        self.steps_a_day, self.wait, self.faster = 1e7, 1000 * costs.wait, 1.0
        self.choose()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change."""
        self._listeners.append(listener)

    def choose(self, **given: int | float) -> None:
        now = dict(steps_a_day=self.steps_a_day, wait=self.wait, faster=self.faster) | given
        try:
            if not now["faster"] > 0:
                raise ConfigError("faster", now["faster"], "allowed is a number above 0")
            costs = replace(self.measured, wait=now["wait"] / 1000, learn=self.measured.learn / now["faster"])
            found = plan(costs, now["steps_a_day"], self.cluster)
        except ConfigError as error:
            self.status = str(error)
        else:
            self.costs, self.plan = costs, found
            self.steps_a_day, self.wait, self.faster = now["steps_a_day"], now["wait"], now["faster"]
            self.picture, self.status = self._drawn(), self._said()
        for listener in self._listeners:
            listener()

    def _drawn(self) -> str:
        return capacity_svg(self.costs, self.cluster.cores, self.plan, self.steps_a_day / DAY)

    def _said(self) -> str:
        p = self.plan
        each = f"{p.games} game{'s' if p.games > 1 else ''} on {p.cores} core{'s' if p.cores > 1 else ''}"
        runs = f"one run with {each}" if p.runs == 1 else f"{p.runs} runs, each with {each}"
        nodes = f"{p.nodes} node{'s' if p.nodes > 1 else ''} of {self.cluster.cores} cores"
        wanted = f"{self.steps_a_day:,.0f} steps a day ({self.steps_a_day / DAY:,.0f} a second)"
        possible = max(p.network, p.store) <= 1
        take, used = ("take", "is") if possible else ("would take", "would be")
        limit = f"The limit is {p.limit}" if possible else f"Not possible: the limit is {p.limit}"
        return (
            f"{wanted} {take} {runs}: {nodes} in all. "
            f"Learners are busy {100 * p.learner:.0f} % of the time, which adds up to {p.gpus:.1f} GPUs. "
            f"{limit}; the link {used} {100 * p.network:.1f} % full, "
            f"the object store {100 * p.store:.1f} %."
        )
