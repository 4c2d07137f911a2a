"""The statements of the notebook on unseen teammates agree with the recorded tables."""

from pathlib import Path

import pytest

from omg_lib.experiment.evaluate import Score, read_rows
from omg_lib.lessons import unseen

DATA = Path(__file__).parents[2] / "data/results"
CROSS, BARS, GAPS, SETS = (
    read_rows(DATA / f"{name}.csv") for name in ("cross_play", "bars", "differences", "teammates")
)


def test_what_is_at_stake():
    cross = [{"in one seat": "a", "a": 0.5, "b": 0.0}, {"in one seat": "b", "a": 0.1, "b": 0.9}]
    assert unseen.stakes(cross) == (0.7, 0.5) and unseen.nearest_stake(cross) == "about 0.1"
    suited, single = unseen.stakes(CROSS)
    assert (round(suited, 2), round(single, 2)) == (0.90, 0.40) and unseen.nearest_stake(CROSS) == "about 0.5"


def test_the_interval_decides():
    ends = {"above": (0.2, 0.01, 0.4), "below": (-0.2, -0.4, -0.001), "not told apart from": (0.2, 0.0, 0.4)}
    assert set(ends) == set(unseen.WORDS)
    for word, (mean, low, high) in ends.items():
        row = {"arm": "x", "kind": "seen", "minus_y": mean, "minus_y_low": low, "minus_y_high": high}
        assert unseen.verdict([row], "x", "seen", "y") == word
    row |= {"minus_y_low": -0.3, "minus_y_high": -0.0017}
    assert unseen.said([row], "x", "seen", "y") == "+0.200 [-0.300, -0.002]", "no end is rounded to 0"


def test_the_table_says_how_many_seeds_and_sets_stand_behind_it():
    table = unseen.pair_table(GAPS, BARS, ["omg optimistic", "omg and actions"], "iql_actions")
    assert table.heads[2:] == ("seen, 9 sets", "homologue, 5 sets", "non-homologue, 3 sets")
    assert [row[:2] for row in table.rows] == [("omg optimistic", "5"), ("omg and actions", "3")]
    assert not any(word in repr(table) for word in unseen.WORDS), "the reader decides"


def test_what_the_notebook_says_of_the_recorded_differences():
    """No OMG is told apart from the control on seen or homologue teammates; a random choice wins as often as the
    optimistic one; three mixed teams say nothing.
    """
    arms = [f"omg {how}" for how in ("optimistic", "conservative", "random")]
    for kind in ("seen", "homologue"):
        assert {unseen.verdict(GAPS, arm, kind, "iql_actions") for arm in arms} == {"not told apart from"}
        optimistic, chance = (unseen.gap(GAPS, arm, kind, "iql")[0] for arm in (arms[0], arms[2]))
        assert chance > optimistic
    mixed = [row for row in BARS if row["kind"] == "non_homologue"]
    assert all(row["low"] == 0 and row["high"] > 0.95 for row in mixed)


def test_what_the_readme_says_of_the_recorded_differences():
    for arm in ("omg optimistic", "omg conservative", "liam", "iql_actions"):
        assert unseen.verdict(GAPS, arm, "homologue", "iql") == "above"
        assert unseen.verdict(GAPS, arm, "non_homologue", "iql") == "not told apart from"
    assert unseen.verdict(GAPS, "omg optimistic", "homologue", "iql_actions") == "not told apart from"


@pytest.mark.parametrize("arm", ["omg optimistic", "iql", "iql_actions"])
def test_a_run_is_set_beside_its_own_recording(arm):
    names = {row["teammates"]: row for row in SETS if row["split"] == "test" and row["env"] == "skirmish:partners"}
    scores = [Score(name, "test", row["kind"], 48, 0.5, 1.0, 20.0) for name, row in names.items()]
    table = unseen.played_table(scores, SETS, arm, 100)
    assert table.heads[2:] == ("48 battles, now", "192 battles, recorded") and len(table.rows) == 8
    assert "uncertain by 0.14 from 48 battles, 0.07 from 192." in table.caption
    (row,) = (row for row in SETS if (row["group"], row["arm"], row["seed"]) == ("methods", arm, 100)
              and row["teammates"] == "vdn-3")  # fmt: skip
    assert ("vdn-3", "homologue", "0.50", f"{row['win_rate']:.2f}") in table.rows
