"""Words on figures: matplotlib needs a font that has their characters, and otherwise shows boxes."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from omg_lib.words import N_, _, language, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILIES = {
    "zh": (
        "Noto Sans CJK SC",
        "Noto Sans SC",
        "Source Han Sans SC",
        "WenQuanYi Micro Hei",
        "WenQuanYi Zen Hei",
        "PingFang SC",
        "Hiragino Sans GB",
        "Microsoft YaHei",
        "SimHei",
        "Noto Sans CJK JP",  # the name that matplotlib reads from the collection that Linux installs
    )
}
"""Language -> fonts that draw it, the best first. Languages that are not here need no font of their own."""


def drawn(message: str) -> str:
    """Return a message for a figure: in the language in use if a font of this machine draws it, else in English."""
    base = language().partition("_")[0]
    return message if base in FAMILIES and not find_font(base) else _(message)


def new_figure(width: float, height: float, **look: Any) -> Figure:
    """Return an empty figure, in inches. A text takes its fonts when it is made, an axis' title with the axis: so the
    language's font must be there before.
    """
    from matplotlib.figure import Figure

    base = language().partition("_")[0]
    if base in FAMILIES:
        find_font(base)
    return Figure(figsize=(width, height), **{"dpi": 100, "facecolor": "none", "layout": "constrained"} | look)


MISSING = N_("No font here has Chinese characters, so figures are in English: install Noto Sans CJK for Chinese ones.")


@cache
def find_font(base: str) -> str | None:
    """Add a font for a language to matplotlib's and return its name; None, said in one line, if there is none."""
    from matplotlib import rcParams
    from matplotlib.font_manager import findSystemFonts, fontManager

    name = _best(base)
    if name is None:  # matplotlib remembers the fonts of its first run: look for newer ones
        for path in {*findSystemFonts()} - {font.fname for font in fontManager.ttflist}:
            with suppress(Exception):  # of many kinds, for a font that it cannot read
                fontManager.addfont(path)
        name = _best(base)
    if name:
        rcParams["font.family"] = [*rcParams["font.family"], name]
    else:
        say(_(MISSING))
    return name


def _best(base: str) -> str | None:
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return next((name for name in FAMILIES[base] if name in there), None)
