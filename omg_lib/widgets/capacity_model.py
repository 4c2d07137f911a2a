"""What the capacity panel knows, without Jupyter: what a step and an update cost, and what so many steps a day take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from omg_lib.config import ConfigError
from omg_lib.lessons.capacity import DAY, Cluster, Costs, plan
from omg_lib.plots.capacity import capacity_svg


class CapacityModel:
    """The capacity panel without its view.

    `choose(steps_a_day=, wait=, faster=)`: steps a day; what a step of the game waits, in milliseconds; by how much the
    learner is faster than it was measured (on a GPU, say). State: these three, `plan`, `status` (a sentence) and
    `picture` (SVG). What is not allowed becomes `status` and changes nothing else.
    """

    def __init__(self, costs: Costs, cluster: Cluster | None = None) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.measured, self.cluster = costs, cluster or Cluster()
        self.steps_a_day, self.wait, self.faster = 1e7, 1000 * costs.wait, 1.0
        self.choose()

    def listen(self, listener: Callable[[], None]) -> None:
        """`listener()` is called after every change."""
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
        take, used = ("take", "is used") if possible else ("would take", "would be used")
        limit = f"The limit is {p.limit}" if possible else f"It cannot be done, because of {p.limit}"
        return (
            f"{wanted} {take} {runs}, together {nodes}; "
            f"learners are busy {100 * p.learner:.0f} % of the time, worth {p.gpus:.1f} GPUs in all. "
            f"{limit}; the link {used} to {100 * p.network:.1f} %, "
            f"the object store to {100 * p.store:.1f} %."
        )
