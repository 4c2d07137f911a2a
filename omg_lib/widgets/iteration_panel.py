"""IterationPanel: one update stage by stage, as ipywidgets around an IterationModel."""

from __future__ import annotations

from html import escape

import ipywidgets as W

from omg_lib.lessons.iteration import Iteration
from omg_lib.widgets.iteration_model import MOVES, IterationModel
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel
from omg_lib.words import _

CLOSE = "<style>.omg-iteration-table :is(td, th) { padding: 1px 10px 1px 0; line-height: 1.35; }</style>"
FIXED = 3
"""Maximum number of axes outside the picture: candidates have five axes."""


class IterationPanel(Panel):
    """Step through a recorded update: `IterationPanel(record(cfg))`, or, from a file without values,
    `IterationPanel(Iteration(ShapeTrace.load(file)))`.

    Buttons and a slider move from stage to stage (arrow keys, Home, End). `panel.model.go("next")` and
    `panel.model.look(across="A")` do the same from Python; the controls follow.
    """

    def __init__(self, iteration: Iteration) -> None:
        self.model = IterationModel(iteration)
        self._following = False
        last = len(self.model.stages) - 1
        self.moves = {name: W.Button(description=_(name), layout={"width": "76px"}) for name in MOVES}
        for name, button in self.moves.items():
            button.on_click(lambda _, name=name: self.model.go(name))
        self.slider = W.IntSlider(0, 0, last, description=_("stage"), readout=False, layout={"width": "300px"})
        self.field = W.Dropdown(description=_("field"), layout={"width": "190px"})
        self.down = W.Dropdown(description=_("down"), layout={"width": "150px"})
        self.across = W.Dropdown(description=_("across"), layout={"width": "150px"})
        self.fixed = [W.BoundedIntText(description="-", layout={"width": "125px"}) for _ in range(FIXED)]
        self.status, self.table, self.picture, self.source = (W.HTML() for _ in range(4))
        controls = (self.slider, self.field, self.down, self.across, *self.fixed)
        for control in controls:
            control.style.description_width = "initial"
            control.observe(lambda change, control=control: self._moved(control, change["new"]), "value")
        parts = self.__dict__ | self.moves
        for name in (*MOVES, "slider", "field", "down", "across", "status", "table", "picture", "source"):
            parts[name].add_class(f"omg-iteration-{name}")
        for part, height in ((self.picture, "345px"), (self.table, "225px"), (self.source, "290px")):
            part.layout.height = height  # nothing jumps from stage to stage
        names = naming(
            "omg-iteration", "omg-iteration-status", {".omg-iteration-slider [role=slider]": _("stage slider")}
        )
        super().__init__(
            [
                _row([*self.moves.values(), self.slider]),
                self.status,
                _row([self.field, self.down, self.across, *self.fixed]),
                self.picture,
                self.table,
                self.source,
                names,
            ],
            layout={"max_width": "1000px"},
        )
        self.add_class("omg-iteration")
        self.keep(self.status, self.picture, self.table, self.source)
        self.model.listen(self._show)
        self._show()

    def _moved(self, control: W.ValueWidget, value: int | str | None) -> None:
        if self._following or value is None:
            return
        if control is self.slider:
            self.model.go(value)
        elif control in self.fixed:
            self.model.place(list(self.model.fixed)[self.fixed.index(control)], value)
        else:
            name = next(name for name in ("field", "down", "across") if getattr(self, name) is control)
            self.model.look(**{name: value})

    def _show(self) -> None:
        model, self._following = self.model, True
        self.slider.value = model.position
        axes = list(model.sizes)
        for control, options, value in (
            (self.field, list(model.stage.fields), model.field),
            (self.down, axes, model.down or None),
            (self.across, axes, model.across or None),
        ):
            control.options, control.value, control.disabled = options, value, len(options) < 2
        for control, (axis, index) in zip(self.fixed, [*model.fixed.items(), *[("", 0)] * FIXED], strict=False):
            control.description = axis
            control.max = model.sizes.get(axis, 1) - 1
            control.value = index
            control.layout.visibility = "visible" if axis else "hidden"
        self._following = False
        self.status.value = f'<div role="status" aria-live="polite">{escape(model.status)}</div>'
        self.table.value, self.picture.value = CLOSE + model.table._repr_html_(), model.picture
        self.source.value = _code(model)


def _code(model: IterationModel) -> str:
    """Show the stage's source lines in a box that can be scrolled by keyboard."""
    numbered = "\n".join(f"{number:4}  {line}" for number, line in model.source.lines)
    look = "max-height:280px;overflow:auto;font-size:11px;line-height:1.35;margin:0"
    label = _("source lines of {stage}").format(stage=model.stage.name)
    named = f'tabindex="0" role="region" aria-label="{escape(label)}"'
    return f'<b>{model.source.file}</b><pre {named} style="{look}">{escape(numbered)}</pre>'


def _row(children: list[W.Widget]) -> W.Box:
    return W.Box(children, layout={"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "0 10px"})
