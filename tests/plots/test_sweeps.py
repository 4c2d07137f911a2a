"""The figure of a sweep: a line for each learner and size, a mean over seeds on its interval."""

from itertools import product

import pytest

from omg_lib.config import ConfigError
from omg_lib.plots.sweeps import MEASURES, cells, sweep_figure


def rows(seeds=3):
    return [
        {"learner": learner, "n_agents": str(A), "batch_size": str(G), "seed": seed, "seconds": A * G / 100 + seed,
         "peak_bytes": 1e9 * A, "win_rate": "" if learner == "vdn" else A / 10 + seed / 100}
        for learner, A, G, seed in product(("iql", "vdn"), (2, 4), (8, 32), range(seeds))
    ]  # fmt: skip


def test_cells_are_means_over_seeds_with_their_intervals():
    found = cells(rows(), "n_agents", "seconds")
    assert set(found) == {(learner, G) for learner in ("iql", "vdn") for G in (8, 32)}
    mean, low, high = found["iql", 8][4]
    assert mean == pytest.approx(4 * 8 / 100 + 1)
    assert low < mean < high and mean - low == pytest.approx(high - mean)
    assert cells(rows(), "batch_size", "peak_bytes")["iql", 4][32] == (4.0, 4.0, 4.0)
    assert {series[0] for series in cells(rows(), "n_agents", "win_rate")} == {"iql"}, "no number, no line"


def test_the_figure_has_a_line_for_each_series_in_each_panel():
    figure = sweep_figure(rows(seeds=1))
    assert len(figure.axes) == 6
    lines = [len(ax.get_lines()) for ax in figure.axes]
    assert lines == [4, 4, 2] * 2
    assert [ax.get_ylabel() for ax in figure.axes[:3]] == [words for words, _ in list(MEASURES.values())[1:]]
    (legend,) = figure.legends
    assert "iql, batch_size 8" in {text.get_text() for text in legend.get_texts()}


def test_steps_are_counted_by_update_and_the_measures_are_chosen():
    counted = [row | {"t_env": str(40 * int(row["n_agents"]) + 0), "update": "2"} for row in rows()]
    counted[0]["update"] = ""  # it failed before its first update
    assert cells(counted, "n_agents", "steps")["iql", 8][4] == (80.0, 80.0, 80.0)
    figure = sweep_figure(counted, ("steps", "peak_bytes"))
    assert [ax.get_ylabel() for ax in figure.axes[:2]] == ["environment steps of an update", "peak of the process, GB"]
    assert len(figure.axes) == 4


def test_no_rows_are_refused():
    with pytest.raises(ConfigError, match="rows"):
        sweep_figure([])
