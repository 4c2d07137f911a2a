"""The ES module as one text, and a self-contained page around it: no request to any host, alive from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from omg_lib.config import ConfigError
from omg_lib.system.files import reason, write_text
from omg_lib.words import N_, _, language

MODULE = Path(__file__).with_name("module")
PARTS = ("contract", "layout", "skeleton", "paint", "follow", "picture", "controls", "panel")
"""The files of the module, each after those that it imports."""
STILL = N_("This picture stands still: its script did not run here. Open the page in a browser that allows scripts.")
FRAME = N_("The flow of tensors")


@cache
def module() -> str:
    """Return the files joined into one ES module: their imports of one another are dropped, nothing else changes."""
    lines = [line for name in PARTS for line in (MODULE / f"{name}.js").read_text(encoding="utf-8").splitlines()]
    return "\n".join(line for line in lines if not line.startswith("import ")) + "\n"


@cache
def css() -> str:
    return (MODULE / "flow.css").read_text(encoding="utf-8")


def flow_page(data: Mapping[str, Any], still: str, title: str = "", framed: bool = False) -> str:
    """Return one HTML page that shows a `handover` (with `measured`, if there is a run), with live controls.

    `still` is the SVG that stays where the script cannot run. `framed` is for a frame in another page.
    """
    title = title or _(FRAME)
    heading = "" if framed else f"<h1>{escape(title)}</h1>\n"
    script = module().replace("</script", r"<\/script")
    return f"""<!doctype html>
<html lang="{language().replace("_", "-")}"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>{css()}</style></head>
<body class="omg-page"><main>
{heading}<div id="flow"><p>{escape(_(STILL))}</p><div class="omg-flow">{still}</div></div>
</main><script type="module">
{script}
window.flow = mount(document.getElementById("flow"), {_inside_script(data)});
</script></body></html>
"""


def save_page(path: str | Path, data: Mapping[str, Any], still: str) -> None:
    """Write `flow_page`. ConfigError if the file cannot be written."""
    try:
        write_text(Path(path), flow_page(data, still))
    except OSError as error:
        allowed = _("cannot be written ({error}); allowed is a file in a folder that exists").format(
            error=reason(error)
        )
        raise ConfigError("html", str(path), allowed) from None


def flow_frame(page: str) -> str:
    """Return a page as a frame for the output of a cell; it takes the height of what it holds."""
    look = "width:100%;height:760px;border:0"
    named = f'title="{escape(_(FRAME))}" loading="lazy" style="{look}"'
    return f'<iframe {named} srcdoc="{escape(page, quote=True)}"></iframe>'


def _inside_script(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\!--")
