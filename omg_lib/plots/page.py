"""A figure on a page: matplotlib's `Figure` draws itself nowhere without pyplot, so it becomes the text of an SVG."""

from __future__ import annotations

import re
from html import escape
from io import StringIO

from matplotlib.figure import Figure


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
    return re.sub(r' (?:width|height)="[^"]*"', "", head).replace("<svg", look, 1) + ">" + rest
