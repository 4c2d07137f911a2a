"""A table that shows as HTML in a notebook and prints as text elsewhere. It does not need Jupyter."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import zip_longest

from omg_lib.words import _, padded, width

WIDE = 60
"""Most characters of a cell that stay on one line."""
LONG = f"white-space: pre-wrap; overflow-wrap: anywhere; min-width: {WIDE / 2:g}ch"
"""Style of a longer cell, or one with several lines: wrap it instead of cutting it off."""


@dataclass(frozen=True)
class Table:
    """Rows of text under heads. A colour and a star mark the cells in `strong` (row, column)."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[tuple[int, int]] = frozenset()
    caption: str = ""

    def __repr__(self) -> str:
        def star(i: int, j: int) -> str:
            return "*" if (i, j) in self.strong else ""

        rows = [
            tuple(map(_, self.heads)),
            *([cell + star(i, j) for j, cell in enumerate(row)] for i, row in enumerate(self.rows)),
        ]
        lines = [line for row in rows for line in zip_longest(*(cell.split("\n") for cell in row), fillvalue="")]
        widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(padded, line, widths)).rstrip() for line in lines]
        return "\n".join([*text, *filter(None, [self.caption])])

    def _repr_html_(self) -> str:
        def cell(i: int, j: int, text: str) -> str:
            style = "text-align: left; " + (LONG if len(text) > WIDE or "\n" in text else "white-space: nowrap")
            if (i, j) not in self.strong:
                return f'<td style="{style}">{escape(text)}</td>'
            return f'<td style="{style}; background: #b8500d; color: #fff"><b>{escape(text)}*</b></td>'

        heads = "".join(f'<th scope="col" style="text-align: left">{escape(_(head))}</th>' for head in self.heads)
        cells = ["".join(cell(i, j, text) for j, text in enumerate(row)) for i, row in enumerate(self.rows)]
        rows = "".join(f"<tr>{row}</tr>" for row in cells)
        look = "caption-side: bottom; text-align: left; white-space: nowrap"
        caption = f'<caption style="{look}">{escape(self.caption)}</caption>'
        return f"<table>{caption if self.caption else ''}<tr>{heads}</tr>{rows}</table>"
