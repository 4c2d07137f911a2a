"""Intervals of a mean over seeds and sets of teammates. Both are random draws: other seeds and teammates would give
other numbers. `paper.coverage` simulates how often these intervals contain the true value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

RATES = (0.0, 1.0)
"""The range of a rate; the difference of two is in (-1, 1)."""


def interval(
    values: Float[np.ndarray, "seeds sets"],
    level: float = 0.95,
    own_sets: bool = False,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float, float]:
    """Return the mean of a table and the ends of its interval, cut to `within`.

    A column is one set that all seeds met; with `own_sets` each row holds its own sets. One row gives the interval of
    that run over sets, one column that of one set over seeds. A single number says nothing about its spread: its
    interval is all of `within`.
    """
    mean, half = values.mean(), half_width(values, level, own_sets)
    low, high = np.clip([mean - half, mean + half], *within)
    return float(mean), float(low), float(high)


def half_width(
    values: Float[np.ndarray, "*tables seeds sets"], level: float = 0.95, own_sets: bool = False
) -> Float[np.ndarray, "*tables"]:
    """Return half the width of the interval of each table's mean; infinite for tables of one number.

    Rows and columns are crossed random effects: the variance of the mean is (MS_seeds + MS_sets - MS_rest) / (seeds
    sets), never less than either of the two alone gives. Its degrees of freedom are Satterthwaite's, with the rest
    subtracted as in the variance, and never fewer than those of the shorter side: of the forms that were tried in
    simulation, the one whose coverage stays closest to the level. If each seed has its own sets, the means of the rows
    are independent draws.
    """
    seeds, sets = values.shape[-2:]
    if own_sets and seeds > 1:
        return half_width(values.mean(-1, keepdims=True), level)
    if seeds == 1 or sets == 1:
        draws = values.reshape(*values.shape[:-2], seeds * sets)
        if seeds == sets:
            return np.full(values.shape[:-2], np.inf)
        return _half(draws.var(-1, ddof=1) / (seeds * sets), seeds * sets - 1, level)
    mean = values.mean((-2, -1), keepdims=True)
    rows, columns = values.mean(-1, keepdims=True) - mean, values.mean(-2, keepdims=True) - mean
    rest = values - mean - rows - columns
    degrees = np.array([seeds - 1, sets - 1, (seeds - 1) * (sets - 1)])
    sums = sets * (rows**2).sum((-2, -1)), seeds * (columns**2).sum((-2, -1)), (rest**2).sum((-2, -1))
    squares = np.stack(sums, axis=-1) / degrees
    total = np.maximum(squares @ [1, 1, -1], squares[..., :2].max(-1))
    spent = (squares**2 / degrees) @ [1, 1, -1]
    freedom = np.divide(total**2, spent, out=np.full_like(total, seeds * sets - 1), where=spent > 0)
    return _half(total / (seeds * sets), np.clip(freedom, degrees.min(), seeds * sets - 1), level)


def _half(variance: Any, freedom: Any, level: float) -> np.ndarray:
    from scipy.stats import t  # here, because it takes a second to import

    return np.asarray(t.ppf((1 + level) / 2, freedom) * np.sqrt(variance))
