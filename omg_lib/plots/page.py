"""SVG for a page: a frame, boxes and text for hand-drawn pictures, and matplotlib's `Figure` as SVG text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from io import StringIO

from matplotlib.figure import Figure

from omg_lib.envs.drawing import own_ids

Number = int | float


def figure_svg(figure: Figure, said: str) -> str:
    """Return the text of an `<svg>` element with a transparent background, never wider than its column. `said` is its
    name for screen readers.
    """
    text = StringIO()
    figure.savefig(text, format="svg", transparent=True)
    svg = text.getvalue()
    body = svg[svg.index("<svg") :]
    width = figure.get_figwidth() * 96
    look = f'<svg role="img" aria-label="{escape(said)}" style="width:100%;max-width:{width:.0f}px;height:auto"'
    head, rest = body.split(">", 1)
    return own_ids(re.sub(r' (?:width|height)="[^"]*"', "", head).replace("<svg", look, 1) + ">" + rest)


def svg_frame(
    width: Number, height: Number, said: str, parts: Iterable[str], size: Number = 11, widest: Number | None = None
) -> str:
    """Return the text of an `<svg>` element around hand-drawn parts, in the page's text colour, never wider than its
    column or than `widest` pixels (by default its own width). `size` is the default font size. `said` is its name for
    screen readers. Ids are made unique: no other drawing on the page shares them.
    """
    look = f"width:100%;max-width:{widest or width:g}px;height:auto;display:block"
    return own_ids(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
        f' aria-label="{escape(said)}" fill="currentColor" font-size="{size:g}" font-family="system-ui, sans-serif"'
        f' style="{look};color:var(--jp-content-font-color1, inherit)">{"".join(parts)}</svg>'
    )


def svg_text(x: Number, y: Number, text: str, size: Number = 11, **attributes: Number | str) -> str:
    """Return a line of text; `text_anchor="end"` becomes the attribute text-anchor."""
    named = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{named}>{escape(text)}</text>'


def svg_box(x: Number, y: Number, width: Number, height: Number, fill: str, opacity: Number, **more: str) -> str:
    """Return a box; `more` are further attributes, as in `svg_text`."""
    named = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {size} fill="{fill}" fill-opacity="{opacity:g}"{named}/>'


def svg_hatches(prefix: str, looks: Mapping[str, tuple[str, str]]) -> str:
    """Return `<defs>` with a pattern `prefix-name` for each name -> (colour, hatch) that has a hatch."""
    made = "".join(
        f'<pattern id="{prefix}-{name}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<path d="{hatch}" stroke="{colour}" stroke-width="1.6"/></pattern>'
        for name, (colour, hatch) in looks.items()
        if hatch
    )
    return f"<defs>{made}</defs>"
