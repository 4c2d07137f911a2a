"""How often do 95 % intervals hold the truth? Simulated for the shapes of the tables: seeds x sets of teammates.

A simulated win rate is a mean plus an effect of the seed, one of the set, and one of the pair; the truth is the mean
over all seeds and sets that might have been drawn (with one seed, over sets alone: the interval of that run). Written
to `coverage.csv` by `python -m paper --tables-only`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from omg_lib.experiment.intervals import half_width

SHAPES = ((1, 6), (3, 3), (3, 5), (3, 9), (5, 3), (5, 5), (5, 9), (5, 10), (10, 10), (10, 30))
EFFECTS = {
    "rates": (0.0005, 0.04, 0.006),
    "differences": (0.0005, 0.015, 0.010),
    "all alike": (1.0, 1.0, 1.0),
    "mostly seeds": (1.0, 0.05, 0.1),
}
"""Variances of the effects of seed, set and pair. The first two are the size of those in `teammates.csv`: who the
teammates are matters most, the seed hardly."""
TABLES = 4_000
DRAWS = 400
"""Tables simulated for each row, and resamples of a bootstrap."""
NOMINAL = 0.95


def components(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the intervals that every table of the experiment uses."""
    mean, half = values.mean((1, 2)), half_width(values, NOMINAL)
    return mean - half, mean + half


def bootstrap(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of percentile bootstraps over seeds and sets, for comparison: they are too narrow."""
    _, seeds, sets = values.shape
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(seeds, size=(DRAWS, seeds, 1)), rng.integers(sets, size=(DRAWS, 1, sets))
    means = [values[:, row, column].mean((1, 2)) for row, column in zip(rows, columns, strict=True)]
    low, high = np.quantile(means, [(1 - NOMINAL) / 2, (1 + NOMINAL) / 2], axis=0)
    return low, high


METHODS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "variance components": components,
    "percentile bootstrap": bootstrap,
}


def coverage(method: str, seeds: int, sets: int, effects: Sequence[float], tables: int = TABLES) -> float:
    """Return the share of simulated tables whose interval holds the truth; `effects` are three variances."""
    rng = np.random.default_rng((seeds, sets))
    shapes = ((tables, seeds, 1), (tables, 1, sets), (tables, seeds, sets))
    seed, other, pair = (
        np.sqrt(variance) * rng.normal(size=shape) for variance, shape in zip(effects, shapes, strict=True)
    )
    truth = seed[:, 0, 0] if seeds == 1 else np.zeros(tables)
    low, high = METHODS[method](seed + other + pair)
    return float(((low <= truth) & (truth <= high)).mean())


def coverage_rows(tables: int = TABLES) -> list[dict]:
    """Return the rows of coverage.csv."""
    return [
        {"method": method, "seeds": seeds, "sets": sets, "nominal": NOMINAL, "effects": name}
        | {"coverage": round(coverage(method, seeds, sets, effects, tables), 4)}
        for method in METHODS
        for name, effects in EFFECTS.items()
        for seeds, sets in SHAPES
    ]
