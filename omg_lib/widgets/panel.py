"""The base of every panel: its last picture stays in the saved notebook, for when the kernel is gone."""

from __future__ import annotations

import base64
import re
import threading

import ipywidgets as W
from IPython.display import display

WAIT = 1.0
"""Seconds for which changes are collected before the kept picture is updated."""
SHOWN = """<div class="omg-kept"><style>.jp-OutputArea:has(.widget-vbox) .omg-kept {{ display: none; }}</style>
<p><i>The panel's last picture. The panel itself needs a kernel: run this cell again.</i></p>
{parts}</div>"""
"""The page hides it while the panel is shown above it."""


class Panel(W.VBox):
    """A column of widgets that leaves a copy of its HTML parts in the notebook, as a second output of its cell.

    `keep(part, ...)` names the parts. Without a kernel, JupyterLab shows "Error displaying widget: model not found"
    instead of the panel; the copy below it still shows the last picture.
    """

    def keep(self, *parts: W.HTML) -> None:
        self._parts_kept, self._shown, self._timer = parts, None, None
        self._keeping = threading.Lock()
        for part in parts:
            part.observe(lambda _: self._follow(), "value")

    def _ipython_display_(self, **_: object) -> None:
        display(self._repr_mimebundle_(), raw=True)
        self._shown = display(self.kept(), raw=True, display_id=f"omg-kept-{self.model_id}")

    def kept(self) -> dict[str, str]:
        """Return the copy, by MIME type."""
        parts = "\n".join(re.sub(r"<svg.*?</svg>", _image, part.value, flags=re.S) for part in self._parts_kept)
        parts = parts.replace(' role="status" aria-live="polite"', "").replace(
            ' role="status"', ""
        )  # nothing to announce
        return {"text/html": SHOWN.format(parts=parts), "text/plain": ""}

    def _follow(self) -> None:
        with self._keeping:
            if self._shown and not self._timer:
                self._timer = threading.Timer(WAIT, self._update)
                self._timer.daemon = True
                self._timer.start()

    def _update(self) -> None:
        with self._keeping:
            self._timer = None
        self._shown.update(self.kept(), raw=True)


def _image(svg: re.Match[str]) -> str:
    """Return a drawing as an image, which an untrusted notebook may show, too: black lines on a white background."""
    said = re.search(r'aria-label="([^"]*)"', svg[0])[1]
    width = re.search(r'viewBox="\S+ \S+ (\S+)', svg[0])[1]
    data = base64.b64encode(svg[0].encode()).decode()
    look = f"width:100%;max-width:{float(width):.0f}px;background:#fff"
    return f'<img alt="{said}" style="{look}" src="data:image/svg+xml;base64,{data}">'
