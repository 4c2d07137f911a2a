"""FlowPanel: the moving picture of `omg_lib.flow` around a FlowModel, as one anywidget."""

from __future__ import annotations

import base64
import threading
import time
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

import anywidget
from traitlets import Dict, Unicode

from omg_lib.flow import css, flow_frame, module
from omg_lib.flow.reasons import fields_table
from omg_lib.flow.svg import flow_svg
from omg_lib.memory.need import need
from omg_lib.plots.curves import curves_png, curves_text
from omg_lib.plots.units import bytes_text
from omg_lib.training import resolve_device
from omg_lib.widgets.flow_model import FlowModel, device_text
from omg_lib.widgets.panel import SHOWN, Kept, last_picture, still

RATE = 10
"""Maximum messages a second from a run to the page."""
UNSEEN = 10
"""How many messages may wait for the page to draw them: a hidden page draws none and gets no more."""
KEPT_STYLE = "<style>.omg-kept iframe + .omg-still { display: none; }</style>"
"""An untrusted notebook loses its styles and frames; the still picture remains."""


class FlowPanel(Kept, anywidget.AnyWidget):
    """The flow of tensors, predicted while a slider moves and measured while training runs.

        from omg_lib.widgets import FlowPanel
        panel = FlowPanel()              # or FlowPanel(n_agents=4, learner="iql", ...): settings of FlowModel
        panel                            # as a cell's last line: shows it
        panel.model.run(updates=2)       # without a browser: trains, waits, returns the measured trace
        panel.export("flow.html")        # one page that needs neither Jupyter nor a kernel

    The page draws; all other work is in `panel.model` (see FlowModel). Training runs in a worker thread, so the cell
    ends at once and you can run other cells meanwhile. A new panel stops training in older ones.
    """

    _esm = module()
    _css = css()
    data = Dict().tag(sync=True)
    view = Dict().tag(sync=True)
    measured = Dict(default_value=None, allow_none=True).tag(sync=True)
    curves = Dict(default_value=None, allow_none=True).tag(sync=True)
    table = Unicode("").tag(sync=True)

    _made: ClassVar[WeakSet[FlowPanel]] = WeakSet()

    def __init__(self, **settings: Any) -> None:
        for older in FlowPanel._made:  # its cell may have been run again, which removes its Stop button
            if older.model.state != "idle":
                older.model.stop()
        self.model = FlowModel(**settings)
        super().__init__(data=self.model.handover())
        self._made.add(self)
        self._answered: dict[str, int] = {}  # the last message of each view of this panel
        self._listing = False
        self._curves_drawing, self._stream = threading.Lock(), Stream(self)
        self.model.listen(self._show)
        self.on_msg(self._heard)
        for part in ("status", "flow", "curves"):
            self._show(part)

    def export(self, path: str | Path) -> Path | None:
        """Write the page to one file and return it, or None if it cannot be written (the status line says why)."""
        return self.model.export(path)

    def kept(self) -> dict[str, str]:
        with self.model.lock:
            picture = still(flow_svg(self.model.plan, self.model.trace, self.model.differences))
            parts = f'{KEPT_STYLE}{flow_frame(self.model.page(framed=True))}<div class="omg-still">{picture}</div>'
        return {"text/html": SHOWN.format(panel=".omg-panel", words=last_picture(), parts=parts), "text/plain": ""}

    # --- what the page says -------------------------------------------------------------------------------------------

    def _heard(self, _: object, said: dict[str, Any], __: object) -> None:
        """Do what a control asks for. The answer names the message, so the page can recognise outdated answers."""
        model = self.model
        if said["do"] == "ack":
            self._stream.seen = said["ack"]
            return
        self._answered[said["from"]] = said["seq"]
        actions = {"run": model.start, "stop": model.stop, "reset": model.reset}
        if said["do"] in actions:
            actions[said["do"]]()
        elif said["do"] == "set":
            model.set(**{name: value for name, value in said["settings"].items() if name in model.settings})
        elif said["do"] == "save":
            model.save(said["folder"])
        elif said["do"] == "list":
            self._listing = said["on"]
            self._show("flow")
        self._show("status")

    # --- what is shown ------------------------------------------------------------------------------------------------

    def _show(self, part: str) -> None:
        """Send one part of the model to the page; called from the main thread and from the worker."""
        model = self.model
        if part == "curves":
            with self._curves_drawing:  # the last to draw is the last to read: nothing stale stays
                self.curves = self._drawn()
            return
        with model.lock:
            if part == "flow":
                self.measured = model.measured()
                self.table = fields_table(model.plan, model.trace, model.differences) if self._listing else ""
            if part != "progress" or model.state == "idle":  # during a run, the stream sends it
                self.view = self._now()
            if model.state != "idle":
                self._stream.wake()
            else:
                self._follow()

    def _now(self) -> dict[str, Any]:
        model = self.model
        return {
            "settings": {name: model.settings[name] for name in self.data["settings"]},
            "status": model.status,
            "progress": list(model.progress),
            "offers": dict(model.offers),
            "computes": device_text(model.config),
            "buffer": bytes_text(need(model.config).buffer),
            "device": str(resolve_device(model.config.device)),
            "seq": dict(self._answered),
        }

    def _drawn(self) -> dict[str, str]:
        with self.model.lock:
            reports, previous = list(self.model.reports), list(self.model.previous)
        picture = base64.b64encode(curves_png(reports, previous)).decode()
        return {"src": f"data:image/png;base64,{picture}", "alt": curves_text(reports, previous)}


class Stream:
    """Sends a run's latest state to the page, at most RATE times a second, from its own thread.

    States that are not sent in time are dropped, not queued, and the worker never waits.
    """

    def __init__(self, panel: FlowPanel) -> None:
        self.panel, self.sent, self.seen = panel, 0, 0
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Send until the run has ended; called with the model's lock."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="omg-stream", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        model, last = self.panel.model, None
        while True:
            with model.lock:
                if model.state == "idle":
                    self._thread = None
                    break
                now = model.live | {"progress": list(model.progress)}
            if now != last and self.sent - self.seen < UNSEEN:
                self._send(now)
                last = now
            time.sleep(1 / RATE)
        self._send({"live": ""})

    def _send(self, now: dict[str, Any]) -> None:
        self.sent += 1
        self.panel.send(now | ({} if self.sent % 5 else {"ack": self.sent}))
