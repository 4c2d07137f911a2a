"""The two-clocks panel without Jupyter: a team size, and what acting costs at that size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.lessons.clocks import Tick, acting_clock
from omg_lib.plots.clocks import clocks_svg
from omg_lib.words import _

WIDTHS = (1, 8, 32)
SECONDS = 0.3
"""Minimum measuring time for one bar."""
KEPT = 3
"""Number of teams shown side by side, latest last."""


class ClocksModel:
    """The two clocks without their view.

    `choose(n_agents)` sets the team to measure next; `measure()` plays with runners of 1, 8 and 32 episodes in a thread
    and returns at once; `wait(timeout)` waits for it. State: `n_agents`, `measured` (n_agents -> ticks), `picture`
    (SVG), `status` (one sentence), `busy`. An invalid value sets `status` and changes nothing else.
    """

    def __init__(self, config: OMGConfig | None = None) -> None:
        self.config = config or OMGConfig()
        self.measured: dict[int, list[Tick]] = {}
        self.status, self.busy, self.picture = _("Measure plays for about a second."), False, clocks_svg({})
        self.lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None

    @property
    def n_agents(self) -> int:
        return self.config.n_agents

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change, also from the measuring thread."""
        self._listeners.append(listener)

    def choose(self, n_agents: int | Any) -> None:
        with self.lock:
            try:
                self.config = replace(self.config, n_agents=n_agents)
            except ConfigError as error:
                self._say(str(error))
            else:
                known = (
                    _("n_agents {n_agents} is measured already.")
                    if n_agents in self.measured
                    else _("n_agents {n_agents}: Measure plays for about a second.")
                )
                self._say(known.format(n_agents=n_agents))

    def measure(self) -> None:
        with self.lock:
            if self.busy:
                self._say(_("Already measuring."))
                return
            self.busy = True
            self._say(_("Measuring with n_agents {n_agents}").format(n_agents=self.n_agents))
            self._thread = threading.Thread(target=self._measure, args=(self.config,), name="omg-clocks", daemon=True)
            self._thread.start()

    def wait(self, timeout: int | float | None = None) -> bool:
        """Wait for the measurement to end; return False if it is still running."""
        if self._thread:
            self._thread.join(timeout)
        return not self.busy

    def _measure(self, config: OMGConfig) -> None:
        ticks, said = None, ""
        try:
            ticks = acting_clock(config, WIDTHS, SECONDS)
        except Exception as error:  # no error may kill the kernel
            said = _("Measuring failed: {name}: {error}").format(name=type(error).__name__, error=error).split("\n")[0]
        with self.lock:
            if ticks:
                self.measured.pop(config.n_agents, None)
                self.measured = dict([*self.measured.items(), (config.n_agents, ticks)][-KEPT:])
                self.picture, said = clocks_svg(self.measured), _said(config.n_agents, ticks)
            self.busy = False
            self._say(said)

    def _say(self, text: str) -> None:
        self.status = text
        for listener in self._listeners:
            listener()


def _said(n_agents: int, ticks: list[Tick]) -> str:
    """Say by what factor each clock changes from the narrowest runner to the widest, on the first device."""
    one, *__, many = [tick for tick in ticks if tick.device == ticks[0].device]
    return _(
        "n_agents {n_agents}, R from {least} to {most}: a lockstep takes {lockstep:.1f} times "
        "as long, a step of one episode {step:.2f} times."
    ).format(
        n_agents=n_agents,
        least=one.width,
        most=many.width,
        lockstep=many.lockstep / one.lockstep,
        step=many.step / one.step,
    )
