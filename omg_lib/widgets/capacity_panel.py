"""CapacityPanel: sliders for steps a day, a slow game and a fast learner, around a CapacityModel."""

from __future__ import annotations

from html import escape

import ipywidgets as W

from omg_lib.lessons.capacity import Cluster, Costs
from omg_lib.widgets.capacity_model import CapacityModel
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel
from omg_lib.words import _


class CapacityPanel(Panel):
    """Show what a number of environment steps a day takes: `CapacityPanel(costs)` as a cell's last line.

    `panel.model.choose(steps_a_day=1e8, wait=20, faster=10)` does the same from Python; the sliders follow.
    """

    def __init__(self, costs: Costs, cluster: Cluster | None = None) -> None:
        self.model = CapacityModel(costs, cluster)
        look = dict(style={"description_width": "190px"}, layout={"width": "560px"})
        self.steps_a_day = W.FloatLogSlider(
            self.model.steps_a_day, min=5, max=10, step=0.1, description=_("steps a day"), readout_format=".2s", **look
        )
        self.wait = W.FloatSlider(
            self.model.wait, min=0, max=100, step=1, description=_("wait per game step, ms"), **look
        )
        self.faster = W.FloatSlider(
            self.model.faster, min=1, max=100, step=1, description=_("learner speed-up"), readout_format=".0f", **look
        )
        self.controls = {"steps_a_day": self.steps_a_day, "wait": self.wait, "faster": self.faster}
        self.status, self.picture = W.HTML(), W.HTML()
        for name, control in self.controls.items():
            control.add_class(f"omg-capacity-{name.replace('_', '-')}")
            control.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
        self.status.add_class("omg-capacity-status")
        handles = {
            f".omg-capacity-{name.replace('_', '-')} [role=slider]": _("{description} slider").format(
                description=control.description
            )
            for name, control in self.controls.items()
        }
        names = naming("omg-capacity", "omg-capacity-status", handles)
        self._following = False
        super().__init__([*self.controls.values(), self.status, self.picture, names], layout={"max_width": "1000px"})
        self.add_class("omg-capacity")
        self.keep(self.status, self.picture)
        self.model.listen(self._show)
        self._show()

    def _moved(self, name: str, value: int | float) -> None:
        if not self._following:
            self.model.choose(**{name: value})

    def _show(self) -> None:
        self._following = True
        for name, control in self.controls.items():
            control.value = getattr(self.model, name)
        self._following = False
        self.status.value = f'<div role="status" aria-live="polite">{escape(self.model.status)}</div>'
        self.picture.value = self.model.picture
