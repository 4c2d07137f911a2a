"""MemoryMeter: boxes for the buffer size, the batch size and the available memory, around a MemoryModel."""

from __future__ import annotations

from html import escape

import ipywidgets as W

from omg_lib.config import OMGConfig
from omg_lib.widgets.memory_model import GB, MemoryModel
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel
from omg_lib.words import _


class MemoryMeter(Panel):
    """Compare the bytes of every n_agents with what this process may use: `MemoryMeter()` as a cell's last line.

    `meter.model.choose(buffer_size=1000, limit=4)` does the same from Python; the controls follow.
    """

    def __init__(self, config: OMGConfig | None = None) -> None:
        self.model = MemoryModel(config)
        now = self.model.config
        self.buffer_size = W.IntText(now.buffer_size, description="buffer_size")
        self.batch_size = W.IntText(now.batch_size, description="batch_size")
        self.limit = W.FloatText(round(self.model.limit / GB, 2), step=1, description=_("memory, GB"))
        self.status, self.picture = W.HTML(), W.HTML()
        for part, name in (
            (self.buffer_size, "buffer-size"), (self.batch_size, "batch-size"), (self.limit, "limit"),
            (self.status, "status"), (self.picture, "picture"),
        ):  # fmt: skip
            part.add_class(f"omg-memory-{name}")
        for control, name in (
            (self.buffer_size, "buffer_size"),
            (self.batch_size, "batch_size"),
            (self.limit, "limit"),
        ):
            control.layout.width, control.style.description_width = "190px", "initial"
            control.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
        controls = W.HBox([self.buffer_size, self.batch_size, self.limit])
        self._following = False
        names = naming("omg-memory", "omg-memory-status", {})
        super().__init__([controls, self.status, self.picture, names], layout={"max_width": "1000px"})
        self.add_class("omg-memory")
        self.keep(self.status, self.picture)
        self.model.listen(self._show)
        self._show()

    def _moved(self, name: str, value: int | float) -> None:
        if not self._following:
            self.model.choose(**{name: value})

    def _show(self) -> None:
        model, self._following = self.model, True
        refused = model.status.startswith(("batch_size=", "buffer_size=", "limit="))
        if not refused:  # a refused value stays, ready to be corrected
            self.buffer_size.value, self.batch_size.value = model.config.buffer_size, model.config.batch_size
            self.limit.value = round(model.limit / GB, 2)
        self._following = False
        self.status.value = f'<div role="status" aria-live="polite">{escape(model.status)}</div>'
        self.picture.value = model.picture
