"""FlowPanel: controls, flow picture, progress, status and curves, as ipywidgets around a FlowModel."""

from __future__ import annotations

import base64
import threading
from contextlib import suppress
from html import escape
from typing import Any, ClassVar
from weakref import WeakSet

import ipywidgets as W
import torch
from traitlets import TraitError

from omg_lib.config import ENVIRONMENTS, learner_names
from omg_lib.plots.curves import curves_png, curves_text
from omg_lib.plots.flow import flow_svg
from omg_lib.plots.words import fields_table
from omg_lib.widgets.flow_model import FlowModel, device_text
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel

NAMES = {f".omg-{part.replace('_', '-')} [role=slider]": f"{part} slider" for part in ("n_agents", "batch_size")}


class FlowPanel(Panel):
    """The flow of tensors, predicted while a slider moves and measured while training runs.

        from omg_lib.widgets import FlowPanel
        panel = FlowPanel()              # or FlowPanel(n_agents=4, learner="iql", ...): settings of FlowModel
        panel                            # as a cell's last line: shows it
        panel.model.run(updates=2)       # without a browser: trains, waits, returns the measured trace

    All the work is in `panel.model` (see FlowModel); the panel draws it. Training runs in a worker thread, so the cell
    ends at once and you can run other cells meanwhile. A new panel stops training in older ones.
    """

    _made: ClassVar[WeakSet[FlowPanel]] = WeakSet()

    def __init__(self, **settings: Any) -> None:
        for older in FlowPanel._made:  # its cell may have been run again, which removes its Stop button
            if older.model.state != "idle":
                older.model.stop()
        self._made.add(self)
        self.model = FlowModel(**settings)
        self._syncing = False
        self._curves_drawing = threading.Lock()
        self._controls: dict[str, list[W.ValueWidget]] = {}
        self._parts = {name: W.HTML() for name in ("device", "progress", "status", "flow", "curves", "table")}
        for name in ("progress", "status", "flow", "curves"):
            self._parts[name].add_class(f"omg-{name}")
        self._offers = _row([])
        self._offers.add_class("omg-offers")
        self._parts["table"].layout.overflow = "auto"
        self._details = W.Checkbox(False, description="list every field of every stage", indent=False)
        super().__init__(
            [
                _row([self._number("n_agents", 2, 16), self._number("batch_size", 1, 64)]),
                _row(self._choices()),
                self._parts["device"],
                _row(self._buttons()),
                self._parts["progress"],
                self._parts["status"],
                self._offers,
                *(self._parts[name] for name in ("flow", "curves")),
                self._details,
                self._parts["table"],
                naming("omg-panel", "omg-status", NAMES),
            ],
            layout={"max_width": "1000px"},
        )
        self.add_class("omg-panel")
        self.keep(*(self._parts[name] for name in ("status", "flow", "curves")))
        self._details.observe(lambda _: self._show("flow"), "value")
        self.model.listen(self._show)
        for part in ("settings", "progress", "status", "flow", "curves"):
            self._show(part)

    # --- controls --------------------------------------------------------------------------------------------

    def _number(self, name: str, low: int, high: int) -> W.HBox:
        value = self.model.settings[name]
        box = W.IntText(value, description=name, layout={"width": "140px"})  # with bounds it would clip silently
        box.style.description_width = "initial"
        slider = W.IntSlider(value, low, high, readout=False, layout={"width": "235px"})
        pair = W.HBox([box, slider])
        pair.add_class("omg-" + name.replace("_", "-"))
        self._bind(name, box, slider)
        return pair

    def _choices(self) -> list[W.Widget]:
        cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
        devices = ["auto", "cpu", "cuda", *(f"cuda:{index}" for index in range(1, cards))]
        runners = [("episode (R = 1)", "episode"), ("parallel (R = n_agents)", "parallel")]
        made = []
        for name, label, options, width in (
            ("env", "environment", list(ENVIRONMENTS), "250px"),
            ("learner", "learner", list(learner_names()), "125px"),
            ("runner", "runner", runners, "260px"),
            ("device", "device", devices, "115px"),
            ("seed", "seed", None, "95px"),
        ):
            value = self.model.settings[name]
            if options is None:
                control = W.IntText(value, description=label)
            else:
                known = [option[1] if isinstance(option, tuple) else option for option in options]
                control = W.Dropdown(options=options + [value] * (value not in known), value=value, description=label)
            control.style.description_width, control.layout.width = "initial", width
            control.add_class(f"omg-{name}")
            self._bind(name, control)
            made.append(control)
        return made

    def _bind(self, name: str, *controls: W.ValueWidget) -> None:
        self._controls[name] = list(controls)
        for control in controls:
            control.observe(lambda change: self._syncing or self.model.set(**{name: change["new"]}), "value")

    def _buttons(self) -> list[W.Widget]:
        folder = W.Text("runs/flow", description="folder", layout={"width": "240px"})
        folder.style.description_width = "initial"
        actions = (
            ("Run", self.model.start),
            ("Stop", self.model.stop),
            ("Reset", self.model.reset),
            ("Save", lambda: self.model.save(folder.value)),
        )
        made = []
        for label, action in actions:
            button = W.Button(description=label, layout={"width": "90px"})
            button.on_click(lambda _, action=action: action())
            button.add_class(f"omg-{label.lower()}")
            made.append(button)
        made[0].button_style = "primary"
        return [*made[:3], folder, made[3]]

    def _offer(self, name: str, value: int) -> W.Button:
        """Return a button that applies a setting that would fit into memory."""
        button = W.Button(description=f"{name} {value}", tooltip=f"set {name} to {value}", layout={"width": "auto"})
        button.on_click(lambda _: self.model.set(**{name: value}))
        return button

    # --- what is shown ---------------------------------------------------------------------------------------

    def _show(self, part: str) -> None:
        """Redraw one part of the model; called from the main thread and from the worker."""
        if part == "curves":
            with self._curves_drawing:  # the last to draw is the last to read: nothing stale stays
                self._parts["curves"].value = self._curves()
            return
        with self.model.lock:
            if part == "settings":
                self._sync()
            elif part == "offers":
                self._offers.children = [self._offer(*offer) for offer in self.model.offers.items()]
            else:
                self._parts[part].value = getattr(self, f"_{part}")()
            if part == "flow":
                self._parts["table"].value = self._table() if self._details.value else ""
            if part in ("settings", "progress"):
                self._parts["device"].value = f"computes on: <b>{escape(device_text(self.model.config))}</b>"

    def _sync(self) -> None:
        """Show every setting in its control; a control that cannot show it stays, and the status says what is wrong."""
        self._syncing = True
        for name, controls in self._controls.items():
            value = self.model.settings[name]
            for control in controls:
                with suppress(TraitError):
                    if not isinstance(control, W.IntSlider) or value in range(control.min, control.max + 1):
                        control.value = value
        self._syncing = False

    def _flow(self) -> str:
        return flow_svg(self.model.plan, self.model.trace, self.model.differences)

    def _table(self) -> str:
        return fields_table(self.model.plan, self.model.trace, self.model.differences)

    def _status(self) -> str:
        return f'<div role="status" aria-live="polite" style="min-height:1.5em">{escape(self.model.status)}</div>'

    def _progress(self) -> str:
        text, share = self.model.progress
        now = "" if share is None else f' aria-valuenow="{100 * share:.0f}"'
        width = 100 if share is None else 100 * share
        bar = f"height:6px;width:{width:.1f}%;background:var(--jp-brand-color1, #2f7fe0)"
        return (
            f'<div role="progressbar" aria-label="progress" aria-valuemin="0" aria-valuemax="100"{now}'
            f' aria-valuetext="{escape(text)}">{escape(text)}'
            f'<div style="background:var(--jp-border-color2, #999)"><div style="{bar}"></div></div></div>'
        )

    def _curves(self) -> str:
        with self.model.lock:
            reports, previous = list(self.model.reports), list(self.model.previous)
        picture = base64.b64encode(curves_png(reports, previous)).decode()
        size = 'width="900" height="250" style="max-width:100%;height:auto"'
        alt = escape(curves_text(reports, previous))
        return f'<img {size} decoding="sync" alt="{alt}" src="data:image/png;base64,{picture}">'


def _row(children: list[W.Widget]) -> W.Box:
    return W.Box(children, layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 8px"})
