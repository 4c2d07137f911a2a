"""A slice of a tensor as a heat map: an SVG picture whose cells are one embedded image, which keeps the file small."""

from __future__ import annotations

import base64
from io import BytesIO

import matplotlib
import numpy as np
from jaxtyping import Shaped
from matplotlib.image import imsave
from torch import Tensor

from omg_lib.plots.page import svg_frame, svg_text
from omg_lib.words import _

Number = int | float
WIDE, HIGH, LEFT, TOP = 560, 250, 74, 40
"""Size of the cell area, left and top margins, in the picture's own units."""
FEW = 160
"""Largest number of cells that still show their numbers."""
MAP = matplotlib.colormaps["viridis"]


def heat_svg(x: Shaped[Tensor, "down across"], down: str, across: str, title: str) -> str:
    """Return the text of an `<svg>` element: the numbers of `x` as colours, and as text if there are few.

    The smallest number is dark blue, the largest yellow. If all are equal, the scale also includes zero. NaN stays
    blank. The picture has the same size for any slice.
    """
    values = x.detach().cpu().double().numpy()
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    least, most = low, high
    if low == high:  # all equal: with zero in the scale, ones do not look like zeros
        low, high = min(low, 0.0), max(high, 0.0)
    shade = (values - low) / (high - low) if high > low else np.zeros_like(values)
    rows, columns = values.shape
    height, width = min(HIGH, 28 * rows), min(WIDE, 56 * columns)
    zeros = float((values == 0).mean())
    said = _("{rows} × {columns} numbers from {least:.3g} to {most:.3g}, {zeros:.0%} of them zero").format(
        rows=rows, columns=columns, least=least, most=most, zeros=zeros
    )
    parts = [
        svg_text(LEFT, 14, title, 13, font_weight="bold"),
        _image(shade, LEFT, TOP, width, height),
        f'<rect x="{LEFT}" y="{TOP}" width="{width}" height="{height}" fill="none" stroke="currentColor"/>',
        svg_text(LEFT, TOP - 6, _("{across} → 0 to {columns}").format(across=across, columns=columns - 1)),
        svg_text(LEFT - 8, TOP + 12, f"{down} ↓ 0", text_anchor="end"),
    ]
    if rows > 1:
        parts.append(svg_text(LEFT - 8, TOP + height - 2, str(rows - 1), text_anchor="end"))
    if rows * columns <= FEW:
        parts += _numbers(values, shade, width / columns, height / rows)
    parts += [
        svg_text(LEFT, TOP + HIGH + 22, f"{low:.3g}"),
        _image(np.linspace(0, 1, 32).reshape(1, 32), LEFT + 52, TOP + HIGH + 12, 120, 12),
        svg_text(LEFT + 178, TOP + HIGH + 22, f"{high:.3g}"),
        svg_text(LEFT + 240, TOP + HIGH + 22, _("{zeros:.0%} zeros").format(zeros=zeros)),
    ]
    named = _("{title}: {down} down, {across} across, {said}.").format(title=title, down=down, across=across, said=said)
    return svg_frame(LEFT + WIDE + 10, TOP + HIGH + 30, named, parts)


def _image(shade: np.ndarray, x: Number, y: Number, width: Number, height: Number) -> str:
    """Draw numbers from 0 to 1 as colours, one pixel each, enlarged without blur."""
    colours = MAP(np.nan_to_num(shade))
    colours[~np.isfinite(shade), 3] = 0
    png = BytesIO()
    imsave(png, colours, format="png")
    data = base64.b64encode(png.getvalue()).decode()
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    look = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
    return f'<image {place} {look} href="data:image/png;base64,{data}"/>'


def _numbers(values: np.ndarray, shade: np.ndarray, wide: Number, high: Number) -> list[str]:
    parts = []
    for (row, column), value in np.ndenumerate(values):
        text, dark = f"{value:.3g}", not shade[row, column] > 0.6
        size = min(12.0, 0.9 * high, 1.5 * wide / len(text))
        where = LEFT + (column + 0.5) * wide, TOP + (row + 0.5) * high + size / 3
        parts.append(svg_text(*where, text, size, text_anchor="middle", fill="#ffffff" if dark else "#000000"))
    return parts
