"""SeatPuzzle: a list of answers, the picture and the verdict, as ipywidgets around a SeatModel."""

from __future__ import annotations

from html import escape

import ipywidgets as W

from omg_lib.config import ConfigError
from omg_lib.lessons.regroup_answers import ANSWERS
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel
from omg_lib.widgets.seat_model import PREDICTED, SeatModel
from omg_lib.words import _, labelled


class SeatPuzzle(Panel):
    """Choose an answer and see where every label goes: `SeatPuzzle()` as a cell's last line.

    `puzzle.model.choose(answer=5, shuffled=True)` does the same from Python; the controls follow.
    """

    def __init__(self, n_agents: int = 4) -> None:
        self.model, self._following = SeatModel(n_agents), False
        options = [(labelled(key, _(answer.words)), key) for key, answer in ANSWERS.items()]
        self.answers = W.RadioButtons(options=options, value=None, layout={"width": "auto"})
        words = [(_("no prediction"), None), (_("right"), True), (_("wrong"), False)]
        named = {name: labelled(_(name), "").rstrip() for name in PREDICTED}
        self.expected = {name: W.Dropdown(options=words, description=said) for name, said in named.items()}
        self.agents = W.IntText(n_agents, description="n_agents")
        self.agents.layout.width = "150px"
        self.shuffled = W.Checkbox(False, description=_("shuffle the rows of the sample"), indent=False)
        self.code, self.status, self.picture = W.HTML(), W.HTML(), W.HTML()
        parts = (self.answers, self.agents, self.shuffled, self.code, self.status, self.picture)
        for part, name in zip(parts, ("answers", "agents", "shuffled", "code", "status", "picture"), strict=True):
            part.add_class(f"omg-seat-{name}")
        for name, control in self.expected.items():
            control.style.description_width, control.layout.width = "initial", "190px"
            control.add_class(f"omg-seat-expect-{name}")
            control.observe(lambda change, name=name: self._predicted(name, change["new"]), "value")
        asked = W.HBox([W.HTML(_("Predict, before you choose an answer:")), *self.expected.values()])
        controls = W.HBox([self.agents, self.shuffled])
        names = naming("omg-seat", "omg-seat-status", {".omg-seat-answers .widget-radio-box": _("answers")})
        children = [asked, self.answers, controls, self.code, self.status, self.picture, names]
        super().__init__(children, layout={"max_width": "1000px"})
        self.add_class("omg-seat")
        self.keep(self.status, self.picture)
        for control, name in ((self.answers, "answer"), (self.agents, "n_agents"), (self.shuffled, "shuffled")):
            control.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
        self.model.listen(self._show)
        self._show()

    def _moved(self, name: str, value: object) -> None:
        if self._following:
            return
        try:
            self.model.choose(**{name: value})
        except ConfigError as error:
            self.model.refuse(error)

    def _predicted(self, name: str, value: bool | None) -> None:
        if not self._following:
            self.model.expect(**{name: value})

    def _show(self) -> None:
        model, self._following = self.model, True
        self.answers.value, self.shuffled.value = model.answer, model.shuffled
        if not model.verdict.said.startswith("n_agents="):  # a refused value stays, ready to be corrected
            self.agents.value = model.n_agents
        for name, control in self.expected.items():
            control.value = model.expected[name]
        self._following = False
        code = "" if model.answer is None else ANSWERS[model.answer].code
        self.code.value = f'<code style="white-space:pre-wrap">{escape(code)}</code>'
        held = f"<p>{escape(model.held)}</p>" if model.held else ""
        verdict = f'<div role="status" aria-live="polite">{model.verdict._repr_html_()}{held}</div>'
        self.status.value, self.picture.value = verdict, model.picture
