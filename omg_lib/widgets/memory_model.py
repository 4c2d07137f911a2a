"""The memory meter without Jupyter: the need of every n_agents, and where it exceeds this machine's memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.memory.need import gives_up_at, needs
from omg_lib.plots.buffers import memory_svg
from omg_lib.plots.units import bytes_text
from omg_lib.system.limits import usable_memory
from omg_lib.words import _

GB = 10**9
UNKNOWN = 8 * GB
"""Default if the system does not say what a process may use."""
MOST = 1_000_000


class MemoryModel:
    """The memory meter without its view.

    `choose(batch_size=, buffer_size=, limit=)`: `limit` is in GB, initially what this process may use. State: `config`,
    `limit` (bytes), `needs`, `gives_up` (n_agents or None), `status` (one sentence), `picture` (SVG). An invalid value
    sets `status` and changes nothing else.
    """

    def __init__(self, config: OMGConfig | None = None) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.config, self.limit = config or OMGConfig(), usable_memory() or UNKNOWN
        self.choose()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change."""
        self._listeners.append(listener)

    def choose(self, limit: int | float | None = None, **settings: object) -> None:
        try:
            if limit is not None and not 0 < limit < MOST:
                raise ConfigError(
                    "limit", limit, _("allowed is a number of GB above 0 and below {most:,}").format(most=MOST)
                )
            config = replace(self.config, **settings)
        except ConfigError as error:
            self.status = str(error)
        else:
            self.config, self.limit = config, self.limit if limit is None else int(limit * GB)
            self.needs = needs(self.config)
            self.gives_up = gives_up_at(self.needs, self.limit)
            self.picture, self.status = memory_svg(self.needs, self.limit), self._said()
        for listener in self._listeners:
            listener()

    def _said(self) -> str:
        there, most = bytes_text(self.limit), self.needs[-1]
        if self.gives_up is None:
            return _("Every size up to n_agents {n_agents} fits into {there}: at most {total}.").format(
                n_agents=most.n_agents, there=there, total=bytes_text(most.total)
            )
        first = next(one for one in self.needs if one.n_agents == self.gives_up)
        return _("n_agents {gives_up} needs {total}, more than {there}.").format(
            gives_up=self.gives_up, total=bytes_text(first.total), there=there
        )
