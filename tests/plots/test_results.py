"""Figures of result tables: every number is where its row says, and colours are distinguishable on any page."""

import itertools
import random

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

from omg_lib.config import ConfigError
from omg_lib.plots.results import INK, METHODS, ORACLE_NOTE, OTHERS, bars_figure, cross_play_figure, learning_figure

SERIES = [(m, "") for m in METHODS if m != "omg"] + [("omg", "optimistic"), ("omg", "conservative")]
LABELS = ["iql", "naive_om", "liam", "iql_actions", "omg, optimistic", "omg, conservative", "oracle"]
KIND_LABELS = ["seen", "unseen,\nhomologue", "unseen,\nnon-homologue"]


def table(key, values, seed=0):
    """Return a row for each series and value, in random order."""
    rng = random.Random(seed)
    rows = []
    for (method, mode), value in itertools.product(SERIES, values):
        low, mean, high = sorted(rng.random() for _ in range(3))
        rows.append({"method": method, "mode": mode, key: value, "mean": mean, "low": low, "high": high})
    rng.shuffle(rows)
    return rows


def find(rows, method, mode="", **wanted):
    (row,) = (r for r in rows if (r["method"], r["mode"]) == (method, mode) and wanted.items() <= r.items())
    return row


def numbers(row):
    return [row["mean"], row["low"], row["high"]]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].texts]


def in_order():
    return sorted(SERIES, key=lambda s: (list(METHODS).index(s[0]), s[1] == "conservative"))


KINDS = ["non_homologue", "seen", "homologue"]


def test_bars_and_whiskers_are_the_rows_in_a_fixed_order():
    rows = table("kind", KINDS)
    figure = bars_figure(rows)
    ax = figure.axes[0]
    assert legend(figure) == LABELS
    assert [label.get_text() for label in ax.get_xticklabels()] == KIND_LABELS
    bars = sorted((bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in ax.patches)
    whiskers = sorted((lines[0].get_segments()[0] for _, _, lines in errors(ax)), key=lambda ends: ends[0, 0])
    expected = [find(rows, *s, kind=k) for k in ("seen", "homologue", "non_homologue") for s in in_order()[:-1]]
    assert np.allclose([height for _, height in bars], [row["mean"] for row in expected])
    assert np.allclose([ends[:, 1] for ends in whiskers], [[row["low"], row["high"]] for row in expected])
    assert np.allclose([x for x, _ in bars], [ends[0, 0] for ends in whiskers])
    assert [round(x) for x, _ in bars] == [0] * 6 + [1] * 6 + [2] * 6


def errors(ax):
    return [container for container in ax.containers if len(container) == 3 and container.has_yerr]


@pytest.mark.slow
def test_the_oracle_is_a_line_on_a_band_across_its_group():
    rows = table("kind", KINDS)
    ax = bars_figure(rows).axes[0]
    lines = [line for line in ax.lines if line.get_linestyle() == "--"]
    bands = [band.get_paths()[0].get_extents() for band in ax.collections if isinstance(band, PolyCollection)]
    for group, kind in enumerate(("seen", "homologue", "non_homologue")):
        row = find(rows, "oracle", kind=kind)
        (line,) = (line for line in lines if round(np.mean(line.get_xdata())) == group)
        (band,) = (band for band in bands if round((band.x0 + band.x1) / 2) == group)
        assert list(line.get_ydata()) == [row["mean"]] * 2
        assert (band.y0, band.y1) == pytest.approx((row["low"], row["high"]))
        inside = [bar for bar in ax.patches if round(bar.get_x() + bar.get_width() / 2) == group]
        assert all(band.x0 < bar.get_x() and bar.get_x() + bar.get_width() < band.x1 for bar in inside)
    assert ORACLE_NOTE in ax.get_xlabel()


def test_without_an_oracle_nothing_is_said_of_it():
    rows = [row for row in table("kind", KINDS) if row["method"] != "oracle"]
    figure = bars_figure(rows)
    assert ORACLE_NOTE not in figure.axes[0].get_xlabel() and legend(figure) == LABELS[:-1]
    assert ORACLE_NOTE in bars_figure([find(table("kind", KINDS), "oracle", kind="seen")]).axes[0].get_xlabel()


def test_a_missing_row_leaves_its_place_empty():
    rows = table("kind", KINDS)
    whole = {bar.get_x() for bar in bars_figure(rows).axes[0].patches}
    rows.remove(find(rows, "liam", kind="homologue"))
    left = {bar.get_x() for bar in bars_figure(rows).axes[0].patches}
    assert left < whole and len(whole - left) == 1


def test_curves_are_the_rows_by_their_steps():
    rows = table("t_env", [40_000, 0, 20_000, 3_000_000])
    figure = learning_figure(rows)
    ax = figure.axes[0]
    assert legend(figure) == LABELS
    for series, line, band in zip(in_order(), ax.lines, ax.collections, strict=True):
        steps = [0, 20_000, 40_000, 3_000_000]
        points = [numbers(find(rows, *series, t_env=t)) for t in steps]
        assert list(line.get_xdata()) == steps
        assert list(line.get_ydata()) == [mean for mean, _, _ in points]
        corners = band.get_paths()[0].vertices
        for t, (_, low, high) in zip(steps, points, strict=True):
            at = corners[corners[:, 0] == t, 1]
            assert (at.min(), at.max()) == pytest.approx((low, high))
    assert ORACLE_NOTE in ax.get_xlabel()


def test_axes_are_labelled_and_the_ground_is_transparent():
    for figure, across in (
        (bars_figure(table("kind", KINDS)), "test teammates"),
        (learning_figure(table("t_env", [0, 10])), "environment steps"),
    ):
        ax = figure.axes[0]
        assert ax.get_ylabel() == "win rate" and ax.get_xlabel().startswith(across)
        assert figure.get_facecolor()[3] == 0 and ax.get_facecolor()[3] == 0
        assert ax.get_ylim()[0] == 0, "bars that do not start at zero mislead"


@pytest.mark.parametrize(("figure", "key"), [(bars_figure, "kind"), (learning_figure, "t_env")])
@pytest.mark.parametrize("mean", [0.0, 0.02, 1.0])
def test_every_win_rate_fits(figure, key, mean):
    row = {"method": "iql", key: "seen" if key == "kind" else 7, "mean": mean, "low": mean, "high": mean}
    bottom, top = figure([row]).axes[0].get_ylim()
    assert bottom == 0 and top >= max(mean, 0.02)


def test_learners_of_yours_are_drawn_after_the_librarys():
    own = [("mine", "optimistic"), ("mine", "conservative"), ("qmix", "")]
    row = {"mean": 0.5, "low": 0.4, "high": 0.6}
    rows = [row | {"method": m, "mode": mode, "kind": "seen", "t_env": 7} for m, mode in (*own, ("iql", ""))]
    bars, curves = bars_figure(rows), learning_figure(rows)
    assert legend(bars) == legend(curves) == ["iql", "mine, optimistic", "mine, conservative", "qmix"]
    looks = [(bar.get_edgecolor(), bar.get_hatch(), bar.get_linestyle()) for bar in bars.axes[0].patches]
    assert len(set(looks)) == len(looks) == 4
    lines = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in curves.axes[0].lines]
    assert len(set(lines)) == len(lines) == 4


BAD = [
    ("rows", []),
    ("mode", [{"method": "omg", "mode": "hopeful"}]),
    ("mode", [{"method": "iql", "mode": "optimistic"}]),
    ("row", [{"low": 0.6}]),
    ("row", [{"high": 1.1}]),
    ("row", [{"mean": float("nan")}]),
    ("row", [{}, {}]),
    ("row", [{"mean": None}]),
]


@pytest.mark.parametrize(("name", "changes"), BAD)
@pytest.mark.parametrize(("figure", "key"), [(bars_figure, "kind"), (learning_figure, "t_env")])
def test_bad_rows_are_refused(figure, key, name, changes):
    good = {"method": "iql", key: 1, "mean": 0.5, "low": 0.4, "high": 0.6}
    rows = [{k: v for k, v in (good | change).items() if v is not None} for change in changes]
    with pytest.raises(ConfigError, match=rf"^{name}="):
        figure(rows)


# --- colours ---

# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB.
SIGHTS = {
    "normal": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Return CIE L*a*b* of linear RGB under D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    share = to_xyz @ rgb / [0.9505, 1, 1.089]
    f = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("colour", [INK, *(colour for colour, _ in (*METHODS.values(), *OTHERS))])
def test_colours_have_contrast_on_white_and_on_black(colour):
    light = float(linear(colour) @ [0.2126, 0.7152, 0.0722])
    assert 1.05 / (light + 0.05) >= 3 and (light + 0.05) / 0.05 >= 3


@pytest.mark.parametrize("sight", SIGHTS)
def test_methods_can_be_told_apart(sight):
    """Methods by colour; the oracle has the grey of the axes, and is distinguished by its dashes."""
    seen = [lab(np.clip(np.array(SIGHTS[sight]) @ linear(METHODS[m][0]), 0, 1)) for m in METHODS if m != "oracle"]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15
    assert len({marker for _, marker in METHODS.values()}) == len(METHODS)


def test_cross_play_shows_every_rate():
    rows = [{"in one seat": "a", "a": 0.25, "b": 1.0}, {"in one seat": "b", "a": 0.0, "b": 0.5}]
    ax = cross_play_figure(rows).axes[0]
    assert [text.get_text() for text in ax.texts] == ["25", "100", "0", "50"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    with pytest.raises(ConfigError, match="a rate for each member"):
        cross_play_figure(rows[:1])
