"""Words on figures: matplotlib needs a font that has their characters, and otherwise shows boxes."""

from __future__ import annotations

from functools import cache

from omg_lib.words import N_, _, language, say

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


MISSING = N_("No font here has Chinese characters, so figures are in English: install Noto Sans CJK for Chinese ones.")


@cache
def find_font(base: str) -> str | None:
    """Add a font for a language to matplotlib's and return its name; None, said in one line, if there is none."""
    from matplotlib import font_manager, rcParams

    there = {font.name for font in font_manager.fontManager.ttflist}
    name = next((name for name in FAMILIES[base] if name in there), None)
    if name:
        rcParams["font.family"] = [*rcParams["font.family"], name]
    else:
        say(_(MISSING))
    return name
