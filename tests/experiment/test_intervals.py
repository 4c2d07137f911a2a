"""Intervals over seeds and sets equal textbook ones where there are any, and hold the truth as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from omg_lib.experiment.intervals import RATES, half_width, interval
from paper.coverage import EFFECTS, SHAPES, coverage, coverage_rows


def textbook(draws):
    """Student's interval of the mean of independent draws."""
    return stats.t.interval(0.95, len(draws) - 1, np.mean(draws), stats.sem(draws))


@pytest.mark.parametrize("shape", [(1, 6), (6, 1)])
def test_one_run_or_one_set_has_students_interval(shape):
    draws = np.random.default_rng(0).random(6)
    assert interval(draws.reshape(shape))[1:] == pytest.approx(textbook(draws))


def test_where_sets_differ_and_seeds_do_not_seeds_add_nothing():
    """Ten copies of one run are one run: resampling all 30 numbers as if independent would be far narrower."""
    sets = np.array([0.1, 0.5, 0.6])
    assert interval(np.tile(sets, (10, 1)))[1:] == pytest.approx(textbook(sets))
    assert interval(np.tile(sets[:, None], (1, 10)))[1:] == pytest.approx(textbook(sets))


def test_sets_of_their_own_are_part_of_their_run():
    values = np.random.default_rng(1).random((5, 4))
    assert interval(values, own_sets=True)[1:] == pytest.approx(textbook(values.mean(1)))
    assert interval(values[:1], own_sets=True) == interval(values[:1])


def test_the_variance_is_that_of_two_crossed_effects():
    """Against the sums of squares of a two-way table, by loops."""
    values = np.random.default_rng(2).random((4, 6))
    mean, rows, columns = values.mean(), values.mean(1), values.mean(0)
    seeds = sum(6 * (row - mean) ** 2 for row in rows) / 3
    sets = sum(4 * (column - mean) ** 2 for column in columns) / 5
    rest = sum((values[i, j] - rows[i] - columns[j] + mean) ** 2 for i in range(4) for j in range(6)) / 15
    total = max(seeds + sets - rest, seeds, sets)
    spent = seeds**2 / 3 + sets**2 / 5 - rest**2 / 15
    freedom = min(max(total**2 / spent, 3), 23) if spent > 0 else 23
    assert half_width(values) == pytest.approx(stats.t.ppf(0.975, freedom) * (total / 24) ** 0.5)


@settings(max_examples=40)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 100), st.booleans())
def test_the_interval_holds_the_mean_widens_with_the_level_and_keeps_within(seeds, sets, seed, own):
    values = np.random.default_rng(seed).random((seeds, sets))
    mean, low, high = interval(values, own_sets=own)
    assert mean == pytest.approx(values.mean()) and low <= mean <= high
    _, lower, higher = interval(values, level=0.99, own_sets=own)
    assert lower <= low and high <= higher
    assert interval(values, own_sets=own, within=RATES)[1:] == (max(low, 0), min(high, 1))
    if seeds * sets > 1:
        assert interval(np.full((seeds, sets), 0.3), own_sets=own) == pytest.approx((0.3, 0.3, 0.3))


def test_a_single_number_has_no_spread_to_tell():
    assert interval(np.array([[0.4]]), within=RATES) == (0.4, 0, 1)


@pytest.mark.parametrize("effects", EFFECTS)
@pytest.mark.parametrize(("seeds", "sets"), SHAPES)
def test_intervals_hold_the_truth_as_often_as_they_say(seeds, sets, effects):
    """3000 simulated tables: the standard error of a coverage is 0.004."""
    assert 0.925 <= coverage("variance components", seeds, sets, EFFECTS[effects], 3000) <= 0.978


def test_a_percentile_bootstrap_does_not():
    assert coverage("percentile bootstrap", 5, 3, EFFECTS["rates"], 1000) < 0.85


def test_the_recorded_coverage_is_within_the_bounds():
    from pathlib import Path

    from omg_lib.experiment.evaluate import read_rows

    rows = read_rows(Path(__file__).parents[2] / "data/results/coverage.csv")
    assert len(rows) == len(coverage_rows(1))
    assert [*rows[0]][:3] == ["method", "seeds", "sets"] and {"nominal", "coverage"} < set(rows[0])
    ours = [row["coverage"] for row in rows if row["method"] == "variance components"]
    assert 0.93 <= min(ours) and max(ours) <= 0.97
