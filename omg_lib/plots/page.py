"""SVG for a page: a frame and texts for pictures drawn by hand, and matplotlib's `Figure` as the text of an SVG."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from io import StringIO

from matplotlib.figure import Figure

from omg_lib.envs.drawing import own_ids

Number = int | float


def figure_svg(figure: Figure, said: str) -> str:
    """The text of an `<svg>` element with a transparent ground, never wider than its column. `said` is its name for
    those who hear the page.
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
    """The text of an `<svg>` element around parts drawn by hand, in the page's own ink, never wider than its column
    or than `widest` pixels (by default its own width). `size` is that of texts that name none. `said` is its name for
    those who hear the page. Its ids become its own: no other drawing on a page shares them.
    """
    look = f"width:100%;max-width:{widest or width:g}px;height:auto;display:block"
    return own_ids(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
        f' aria-label="{escape(said)}" fill="currentColor" font-size="{size:g}" font-family="system-ui, sans-serif"'
        f' style="{look};color:var(--jp-content-font-color1, inherit)">{"".join(parts)}</svg>'
    )


def svg_text(x: Number, y: Number, text: str, size: Number = 11, **attributes: Number | str) -> str:
    """A line of text; `text_anchor="end"` becomes the attribute text-anchor."""
    named = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{named}>{escape(text)}</text>'


def svg_box(x: Number, y: Number, width: Number, height: Number, fill: str, opacity: Number, **more: str) -> str:
    """A box; `more` are further attributes, as in `svg_text`."""
    named = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {size} fill="{fill}" fill-opacity="{opacity:g}"{named}/>'


def svg_hatches(prefix: str, looks: Mapping[str, tuple[str, str]]) -> str:
    """`<defs>` with a pattern `prefix-name` for each name -> (colour, hatch) that has a hatch."""
    made = "".join(
        f'<pattern id="{prefix}-{name}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<path d="{hatch}" stroke="{colour}" stroke-width="1.6"/></pattern>'
        for name, (colour, hatch) in looks.items()
        if hatch
    )
    return f"<defs>{made}</defs>"
