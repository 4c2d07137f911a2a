"""TargetPanel: one row's TD targets and a switch for each of their parts, around a TargetModel."""

from __future__ import annotations

from html import escape

import ipywidgets as W
from jaxtyping import Float
from tensordict import TensorDictBase
from torch import Tensor

from omg_lib.learners.q_learner import QLearner
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel
from omg_lib.widgets.target_model import TargetModel
from omg_lib.words import N_, _

MOST_STEPS = 10
NAMES = {
    ".omg-target-row [role=slider]": N_("row slider"),
    ".omg-target-td-steps [role=slider]": N_("td_steps slider"),
}
GOALS = [(N_("g_t, as in Eq. 4"), "same"), (N_("of t+1, as in the released code"), "next")]


class TargetPanel(Panel):
    """Sliders and switches over `panel.model`: `TargetPanel(learner, batch)` as a cell's last line.

    `panel.model.choose(mask=False)` does the same from Python; the controls follow. With `goal` (OMG), you can also
    choose the subgoal in the bootstrap.
    """

    def __init__(self, learner: QLearner, batch: TensorDictBase, goal: Float[Tensor, "G T A Z"] | None = None) -> None:
        self.model = TargetModel(learner, batch, goal)
        self.row = W.IntSlider(0, 0, self.model.rows - 1, description=_("row"), layout={"width": "360px"})
        self.controls: dict[str, W.ValueWidget] = {
            "td_steps": W.IntSlider(1, 1, MOST_STEPS, description="td_steps", layout={"width": "260px"}),
            "mask": W.Checkbox(True, description=_("mask"), indent=False),
            "double_q": W.Checkbox(True, description=_("double Q"), indent=False),
            "target_network": W.Checkbox(True, description=_("target network"), indent=False),
        }
        if goal is not None:
            self.controls["bootstrap_subgoal"] = W.Dropdown(
                options=[(_(words), value) for words, value in GOALS], description=_("bootstrap reads")
            )
        for name, control in {"row": self.row, **self.controls}.items():
            control.style.description_width = "initial"
            control.add_class("omg-target-" + name.replace("_", "-"))
            if isinstance(control, W.Checkbox):
                control.layout.width = "auto"
            control.observe(lambda change, name=name: self.model.choose(**{name: change["new"]}), "value")
        self.status, self.picture = W.HTML(), W.HTML()
        look = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 18px"}
        switches = [control for name, control in self.controls.items() if name != "td_steps"]
        rows = [W.Box([self.row, self.controls["td_steps"]], layout=look), W.Box(switches, layout=look)]
        self.status.add_class("omg-target-status")
        names = naming("omg-target", "omg-target-status", {part: _(name) for part, name in NAMES.items()})
        super().__init__([*rows, self.status, self.picture, names], layout={"max_width": "900px"})
        self.add_class("omg-target")
        self.keep(self.status, self.picture)
        self.model.listen(self._show)
        self._show()

    def _show(self) -> None:
        model = self.model
        self.row.value = model.row
        for name, control in self.controls.items():
            control.value = getattr(model.choices, name)
        self.status.value = f'<div role="status" aria-live="polite">{escape(model.status)}</div>'
        self.picture.value = model.picture
