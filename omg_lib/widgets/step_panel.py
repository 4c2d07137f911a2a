"""StepPanel: a battle step by step, as ipywidgets around a model of `replay_model`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as W
from jaxtyping import Float
from torch import Tensor

from omg_lib.subgoals import SubgoalPrior
from omg_lib.training import Training
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel
from omg_lib.widgets.replay_model import LatentModel, ReplayModel, Scene
from omg_lib.words import _

FIT = "<style>.omg-pictures svg { max-width: 100%; height: auto; }</style>"
"""Battles have a fixed width; in a narrow column they must shrink."""


class StepPanel(Panel):
    """A list of battles, a slider over the steps, pictures, and a sentence that describes them.

    Everything shown comes from `panel.model`; `panel.show(step)` moves the slider from Python.
    """

    def __init__(self, model: ReplayModel | LatentModel) -> None:
        self.model = model
        titles = [(title, index) for index, title in enumerate(model.titles)]
        self._battle = W.Dropdown(options=titles, value=0, description=_("battle"), layout={"width": "330px"})
        self._step = W.IntSlider(0, 0, model.steps - 1, description=_("step"), layout={"width": "400px"})
        for control, name in ((self._battle, "omg-battle"), (self._step, "omg-step")):
            control.style.description_width = "initial"
            control.add_class(name)
        self._said, self._pictures = W.HTML(), W.HTML()
        self._said.add_class("omg-said")
        self._pictures.add_class("omg-pictures")
        controls = W.Box([self._battle, self._step], layout={"flex_flow": "row wrap", "grid_gap": "0 16px"})
        names = naming("omg-step-panel", "omg-said", {".omg-step [role=slider]": _("step slider")})
        super().__init__([controls, self._said, self._pictures, names], layout={"max_width": "900px"})
        self.add_class("omg-step-panel")
        self.keep(self._said, self._pictures)
        self._battle.observe(self._choose, "value")
        self._step.observe(lambda _: self._draw(), "value")
        self._draw()

    def show(self, step: int) -> None:
        self._step.value = self.model.checked(step)

    def _choose(self, change: dict[str, Any]) -> None:
        self.model.choose(change["new"])
        last = self.model.steps - 1
        if self._step.value > last:
            self._step.value = last  # draws
            self._step.max = last
        else:
            self._step.max = last
            self._draw()

    def _draw(self) -> None:
        step = self._step.value
        pictures = "".join(
            f'<figure style="flex:1 1 300px;max-width:400px;margin:0"><figcaption>{escape(caption)}</figcaption>'
            f"{svg}</figure>"
            for caption, svg in self.model.pictures(step)
        )
        self._pictures.value = f'{FIT}<div style="display:flex;flex-wrap:wrap;gap:16px">{pictures}</div>'
        self._said.value = f'<div role="status">{escape(self.model.words(step))}</div>'


class ReplayPanel(StepPanel):
    """The subgoals that a run infers in its test battles: `ReplayPanel(run, episodes=6)`."""

    def __init__(self, run: Training, episodes: int = 6) -> None:
        super().__init__(ReplayModel(run, episodes))


class LatentPanel(StepPanel):
    """A prior's embedding space, linked to battles: `LatentPanel(prior, states, scenes)`."""

    def __init__(self, prior: SubgoalPrior, states: Float[Tensor, "N O"], scenes: Sequence[Scene]) -> None:
        super().__init__(LatentModel(prior, states, scenes))
