"""The base of every panel: its last picture stays in the saved notebook, for when the kernel is gone."""

from __future__ import annotations

import base64
import re
import threading

import ipywidgets as W
from IPython.display import display

from omg_lib.words import _

WAIT = 1.0
"""Seconds for which changes are collected before the kept picture is updated."""
SHOWN = """<div class="omg-kept"><style>.jp-OutputArea:has({panel}) .omg-kept {{ display: none; }}</style>
<p><i>{words}</i></p>
{parts}</div>"""
"""The page hides it while the panel is shown above it."""


class Kept:
    """A widget that leaves a copy of what it shows, `kept()`, in the notebook, as a second output of its cell.

    Without a kernel, JupyterLab shows "Error displaying widget: model not found" instead of the widget; the copy below
    it still shows the last picture.
    """

    _shown, _timer = None, None

    def _ipython_display_(self, **_: object) -> None:
        made = self._repr_mimebundle_()
        display(made[0] if isinstance(made, tuple) else made, raw=True)
        self._keeping = threading.Lock()
        self._shown = display(self.kept(), raw=True, display_id=f"omg-kept-{self.model_id}")

    def kept(self) -> dict[str, str]:
        """Return the copy, by MIME type."""
        raise NotImplementedError

    def _follow(self) -> None:
        if not self._shown:
            return
        with self._keeping:
            if not self._timer:
                self._timer = threading.Timer(WAIT, self._update)
                self._timer.daemon = True
                self._timer.start()

    def _update(self) -> None:
        with self._keeping:
            self._timer = None
        self._shown.update(self.kept(), raw=True)


class Panel(Kept, W.VBox):
    """A column of widgets; `keep(part, ...)` names the HTML parts of its copy."""

    def keep(self, *parts: W.HTML) -> None:
        self._parts_kept = parts
        for part in parts:
            part.observe(lambda _: self._follow(), "value")

    def kept(self) -> dict[str, str]:
        parts = "\n".join(still(part.value) for part in self._parts_kept)
        parts = parts.replace(' role="status" aria-live="polite"', "").replace(
            ' role="status"', ""
        )  # nothing to announce
        return {"text/html": SHOWN.format(panel=".widget-vbox", words=last_picture(), parts=parts), "text/plain": ""}


def last_picture() -> str:
    return _("The panel's last picture. The panel itself needs a kernel: run this cell again.")


def still(html: str) -> str:
    """Return HTML with its drawings as images, which an untrusted notebook may show, too."""
    return re.sub(r"<svg.*?</svg>", _image, html, flags=re.S)


def _image(svg: re.Match[str]) -> str:
    """Return a drawing as an image, which an untrusted notebook may show, too: black lines on a white background."""
    said = re.search(r'aria-label="([^"]*)"', svg[0])[1]
    width = re.search(r'viewBox="\S+ \S+ (\S+)', svg[0])[1]
    data = base64.b64encode(svg[0].encode()).decode()
    look = f"width:100%;max-width:{float(width):.0f}px;background:#fff"
    return f'<img alt="{said}" style="{look}" src="data:image/svg+xml;base64,{data}">'
