"""StagePanel: bytes and milliseconds of each stage, following the run of a flow panel."""

from __future__ import annotations

import ipywidgets as W

from omg_lib.plots.stages import stage_svg
from omg_lib.widgets.flow_model import FlowModel
from omg_lib.widgets.panel import Panel


class StagePanel(Panel):
    """`stage_svg` of a FlowModel's latest update, or of its plan before the first one.

    StagePanel(panel.model)          # goes beside a FlowPanel; has no buttons
    """

    def __init__(self, model: FlowModel) -> None:
        self.model, self.picture = model, W.HTML()
        self.picture.add_class("omg-stages")
        super().__init__([self.picture], layout={"max_width": "1000px"})
        self.keep(self.picture)
        model.listen(self._show)
        self._show("flow")

    def _show(self, part: str) -> None:
        """Redraw the picture; called from the main thread and from the worker."""
        if part == "flow":
            with self.model.lock:
                self.picture.value = stage_svg(self.model.trace or self.model.plan)
