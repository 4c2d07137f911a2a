"""`omg.results(folder)`: every run's updates in one table, with the settings that tell the runs apart."""

import csv

import pytest

import omg_lib as omg
from omg_lib.runs.folder import RunFolder
from omg_lib.runs.follow import follow
from tests.helpers.batches import echo_registered, quick_config


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with echo_registered():
        for name, changes in {"a": {}, "b": {"seed": 1}, "deep/c": {"lr": 0.01, "updates": 3}}.items():
            config = quick_config(**({"learner": "iql", "updates": 2} | changes))
            with omg.Training(config) as run:
                list(follow(run, RunFolder.create(folder / name, config)))
    (folder / "notes").mkdir()
    return folder


def test_each_row_says_its_settings_and_its_numbers(runs):
    rows = omg.results(runs)
    assert [(row["run"], row["update"]) for row in rows] == [
        ("a", 1), ("a", 2), ("b", 1), ("b", 2), ("deep/c", 1), ("deep/c", 2), ("deep/c", 3),
    ]  # fmt: skip
    assert {(row["env"], row["learner"], row["n_agents"], row["batch_size"]) for row in rows} == {("echo", "iql", 2, 2)}
    assert [(row["seed"], row["lr"]) for row in rows[1::2]] == [(0, 0.0005), (1, 0.0005), (0, 0.01)]
    assert "gamma" not in rows[0] and "device" not in rows[0]
    with (runs / "a" / "metrics.csv").open() as file:
        wanted = [{key: float(text) if text else None for key, text in row.items()} for row in csv.DictReader(file)]
    assert [{key: row[key] for key in wanted[0]} for row in rows[:2]] == wanted


def test_one_run_is_a_table_too(runs):
    assert {row["run"] for row in omg.results(runs / "b")} == {"."} and len(omg.results(str(runs / "b"))) == 2


def test_where_there_is_no_run(runs, tmp_path):
    for folder in (runs / "notes", tmp_path / "nowhere"):
        with pytest.raises(omg.ConfigError, match="there is no run"):
            omg.results(folder)
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "metrics.csv").write_text("update\n1\n")
    with pytest.raises(omg.ConfigError, match="this run cannot be read"):
        omg.results(tmp_path)
