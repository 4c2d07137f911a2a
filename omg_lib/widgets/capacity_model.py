"""The capacity panel without Jupyter: what a step and an update cost, and what a number of steps a day takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from omg_lib.config import ConfigError
from omg_lib.lessons.capacity import DAY, Cluster, Costs, plan
from omg_lib.plots.capacity import capacity_svg
from omg_lib.words import _, plural


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
                raise ConfigError("faster", now["faster"], _("allowed is a number above 0"))
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
        games = plural("{n} game", "{n} games", p.games).format(n=p.games)
        cores = plural("{n} core", "{n} cores", p.cores).format(n=p.cores)
        each = _("{games} on {cores}").format(games=games, cores=cores)
        runs = (
            _("one run with {each}").format(each=each)
            if p.runs == 1
            else _("{runs} runs, each with {each}").format(runs=p.runs, each=each)
        )
        nodes = plural("{n} node of {cores} cores", "{n} nodes of {cores} cores", p.nodes)
        nodes = nodes.format(n=p.nodes, cores=self.cluster.cores)
        wanted = _("{a_day:,.0f} steps a day ({a_second:,.0f} a second)").format(
            a_day=self.steps_a_day, a_second=self.steps_a_day / DAY
        )
        possible = max(p.network, p.store) <= 1
        take = (
            _("{wanted} take {runs}: {nodes} in all.") if possible else _("{wanted} would take {runs}: {nodes} in all.")
        )
        full = (
            _("the link is {link:.1f} % full, the object store {store:.1f} %.")
            if possible
            else _("the link would be {link:.1f} % full, the object store {store:.1f} %.")
        )
        busy = _("Learners are busy {share:.0f} % of the time, which adds up to {gpus:.1f} GPUs.")
        limit = (
            _("The limit is {limit}").format(limit=_(p.limit))
            if possible
            else _("Not possible: the limit is {limit}").format(limit=_(p.limit))
        )
        return _("{take} {busy} {limit}; {full}").format(
            take=take.format(wanted=wanted, runs=runs, nodes=nodes),
            busy=busy.format(share=100 * p.learner, gpus=p.gpus),
            limit=limit,
            full=full.format(link=100 * p.network, store=100 * p.store),
        )
