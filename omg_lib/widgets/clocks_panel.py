"""ClocksPanel: a slider for the team size, a button, and the two clocks as bars, around a ClocksModel."""

from __future__ import annotations

from html import escape

import ipywidgets as W

from omg_lib.config import OMGConfig, team_sizes
from omg_lib.widgets.clocks_model import ClocksModel
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel
from omg_lib.words import _


class ClocksPanel(Panel):
    """Compare the cost of acting with a batch of 1, 8 and 32 on two clocks: `ClocksPanel()` as a cell's last line.

    `panel.model.choose(4)`, `panel.model.measure()` and `panel.model.wait()` do the same from Python.
    """

    def __init__(self, config: OMGConfig | None = None) -> None:
        self.model = ClocksModel(config)
        allowed = team_sizes(self.model.config.env)
        self.agents = W.IntSlider(self.model.n_agents, min(allowed), max(allowed), description="n_agents")
        self.agents.layout.width, self.agents.style.description_width = "330px", "initial"
        self.button = W.Button(description=_("Measure"), button_style="primary", layout={"width": "100px"})
        self.status, self.picture = W.HTML(), W.HTML()
        for name in ("agents", "button", "status", "picture"):
            getattr(self, name).add_class(f"omg-clocks-{name}")
        names = naming("omg-clocks", "omg-clocks-status", {".omg-clocks-agents [role=slider]": _("n_agents slider")})
        controls = W.Box([self.agents, self.button], layout={"flex_flow": "row wrap", "grid_gap": "0 12px"})
        super().__init__([controls, self.status, self.picture, names], layout={"max_width": "1000px"})
        self.add_class("omg-clocks")
        self.keep(self.status, self.picture)
        self.agents.observe(self._moved, "value")
        self.button.on_click(lambda _: self.model.measure())
        self.model.listen(self._show)
        self._show()

    def _moved(self, change: dict) -> None:
        if change["new"] != self.model.n_agents:
            self.model.choose(change["new"])

    def _show(self) -> None:
        with self.model.lock:
            self.agents.value = self.model.n_agents
            said = escape(self.model.status)
            self.status.value = f'<div role="status" aria-live="polite" style="min-height:1.5em">{said}</div>'
            self.picture.value = self.model.picture
