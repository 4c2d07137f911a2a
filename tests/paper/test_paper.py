"""A smoke test of the whole experiment: every piece, every table, every figure; and what the tables mean."""

import csv
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from paper.plan import METHODS, RELEASED, partners
from paper.report import costs
from paper.run import scores_of
from paper.tables import PROMISED, complete_groups, costs_of, differences, summary
from tests.helpers import warm

ROOT = Path(__file__).parents[2]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_smoke_version_makes_every_table_and_figure_and_is_not_run_twice(tmp_path):
    command = warm.module("paper", "--quick", "--jobs", "2", "--data", str(tmp_path / "data"))
    first = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "CPU seconds" in first.stdout and "tuned" in first.stdout
    results = tmp_path / "data" / "results"
    unseen = rows_of(results / "unseen.csv")
    assert tuple(unseen[0]) == PROMISED and {row["kind"] for row in unseen} == {"homologue", "non_homologue"}
    assert {row["method"] for row in unseen} == {"omg", "naive_om", "liam", "iql", "iql_actions", "oracle"}
    per_set = rows_of(results / "teammates.csv")
    for row in unseen:
        keys = ("env", "n_agents", "kind", "method", "mode", "seed")
        mine = [r for r in per_set if all(r[k] == row[k] for k in keys) and r["split"] == "test"]
        mean = np.mean([float(r["win_rate"]) for r in mine if r["group"] == "methods"])
        assert float(row["win_rate"]) == pytest.approx(mean, abs=1e-4)
    for name in ("unseen.svg", "curves.svg", "choices.svg", "gridworld.svg"):
        assert "<svg" in (results / name).read_text(), name
    tables = {path.name: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    again = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "CPU seconds" not in again.stdout and again.stdout.count("already done") > 20
    assert {path.name: path.read_bytes() for path in results.rglob("*") if path.is_file()} == tables
    shutil.rmtree(tmp_path / "runs")  # like a fresh checkout, which has no runs: tuning again means training again
    for piece in results.glob("pieces/*/iql-*-tuned.json"):
        piece.unlink()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert {path.name: path.read_bytes() for path in results.rglob("*") if path.is_file()} == tables


def scores(arm, rates, split="test", kind="homologue"):
    method, _, mode = arm.partition(" ")
    return [
        {
            "env": "e", "n_agents": 3, "group": "methods", "arm": arm, "method": method, "mode": mode, "seed": seed,
            "split": split, "kind": kind, "teammates": name, "win_rate": rate,
        }
        for seed, row in enumerate(rates)
        for name, rate in zip("xyz", row, strict=False)
    ]  # fmt: skip


def test_only_complete_groups_are_promised():
    rates = [[0.0, 1.0]] * 5
    arms = [arm for arm in METHODS if arm != "omg random"]
    whole = [row for arm in arms for row in scores(arm, rates)]
    assert len(complete_groups(whole, 5)) == 5 * len(arms)
    assert all(row["win_rate"] == 0.5 for row in complete_groups(whole, 5))
    assert complete_groups([row for row in whole if row["arm"] != "liam"], 5) == []
    assert complete_groups([row for row in whole if row["seed"] < 4], 5) == []
    one_mode = [row for row in whole if row["arm"] != "omg conservative"]
    assert {row["mode"] for row in complete_groups(one_mode, 5)} == {"", "optimistic"}
    lame = [row for row in whole if row["arm"] != "omg conservative" or row["seed"] < 3]
    assert {row["mode"] for row in complete_groups(lame, 5)} == {"", "optimistic"}


def test_summary_and_differences_are_seed_by_seed_and_set_by_set():
    rows = scores("iql", [[0.2, 0.4], [0.3, 0.3]]) + scores("oracle", [[0.8, 0.8], [0.8, 0.8]])
    rows += scores("iql_actions", [[0.5, 0.5], [0.5, 0.5]]) + scores("omg optimistic", [[0.5, 0.7], [0.6, 0.6]])
    for row in rows:
        row["win_rate"] = float(row["win_rate"])
    mean = {row["arm"]: row["mean"] for row in summary(rows)}
    assert mean == {"iql": 0.3, "oracle": 0.8, "iql_actions": 0.5, "omg optimistic": 0.6}
    line = next(r for r in differences(rows) if r["arm"] == "omg optimistic")
    spread = (line["minus_iql"], line["minus_iql_low"], line["minus_iql_high"])
    assert spread == (0.3, 0.3, 0.3), "paired: no spread is left"
    assert line["minus_iql_actions"] == 0.1 and line["share_of_gap"] == 0.6


def test_what_a_released_choice_costs_is_paired_with_omg_and_complete():
    def of(arm, group, rates):
        kinds = (("train", "homologue"), ("test", "homologue"), ("test", "non_homologue"))
        found = [row for split, kind in kinds for row in scores(arm, rates, split, kind)]
        return [row | {"group": group} for row in found]

    rows = of("omg optimistic", "methods", [[0.5, 0.7], [0.6, 0.6], [0.4, 0.4]])
    rows += of("omg H=1", "ablations", [[0.5, 0.5]] * 3)
    rows += of("released all", "released", [[0.4, 0.6], [0.5, 0.5], [0.3, 0.3]])
    rows += of("released value_of_all", "released", [[0.4, 0.6], [0.5, 0.5]])
    table = costs_of(rows)
    assert {row["arm"] for row in table} == {"released all"}, "an arm that lacks a seed is left out"
    assert [row["kind"] for row in table] == ["seen", "homologue", "non_homologue"]
    first = table[0]
    assert (first["minus_omg"], first["low"], first["high"], first["seeds"], first["sets"]) == (-0.1, -0.1, -0.1, 3, 2)
    told = [{key: str(value) for key, value in row.items()} for row in table]
    assert "| released all | 3 | -0.10 [-0.10, -0.10] |" in "\n".join(costs(told))


def test_the_released_arms_are_each_switch_alone_and_all():
    plan = partners(False, Path("data"))
    arms = {arm.name: arm for arm in plan.arms if arm.group == "released"}
    assert arms.keys() == RELEASED.keys() and all(list(arm.seeds) == [100, 101, 102] for arm in arms.values())
    on = [sum(arm.settings["extra"].values()) for arm in arms.values() if "extra" in arm.settings]
    assert on == [1] * 9 and "extra" not in arms["released all"].settings, "its learner has all of them on"


def test_what_was_fine_tuned_is_what_the_plan_says_and_the_data_page_claims():
    """Only complete arms and seeds, each with every test set, after the plan's number of episodes."""
    plan, results = partners(False, ROOT / "data"), ROOT / "data" / "results"
    tuned = scores_of(plan, "tuned")
    assert {piece["episodes"] for piece in tuned} == {plan.tuning} and plan.tuning % plan.n_agents == 0
    told = [(piece["arm"], str(piece["seed"]), score["teammates"]) for piece in tuned for score in piece["scores"]]
    rows = rows_of(results / "fine_tuned.csv")
    assert [(row["arm"], row["seed"], row["teammates"]) for row in rows] == told and len(set(told)) == len(told)
    sets = {row["teammates"] for row in rows_of(results / "teammates.csv") if row["split"] == "test"}
    assert all({score["teammates"] for score in piece["scores"]} == sets for piece in tuned)
    page = (ROOT / "data" / "README.md").read_text()
    missing = 8 * plan.tuned_seeds - len(tuned)
    assert f"learns for {plan.tuning} episodes" in page and (not missing or f"the other {missing}" in page)


def test_the_plan_is_what_the_issue_asks_for():
    plan = partners(False, Path("data"))
    methods = [arm for arm in plan.arms if arm.group == "methods"]
    assert all(len(arm.seeds) == 5 for arm in methods) and len(methods) == 8
    assert all(len(arm.seeds) == 3 for arm in plan.arms if arm.group in ("questions", "ablations"))
    chosen_on = {seed for arm in plan.arms if arm.group == "selection" for seed in arm.seeds}
    assert not chosen_on & {seed for arm in methods for seed in arm.seeds}, "reported seeds are fresh"
