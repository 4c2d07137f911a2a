"""`omg.results(folder)`: every run's updates in one table, with the settings that tell the runs apart."""

import csv

import pytest

import omg_lib as omg
from omg_lib import registry
from omg_lib.learners import QLearner, register
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


def test_own_settings_and_metrics_are_columns_of_their_own(tmp_path, monkeypatch):
    """Also where the learner is not registered any more, beside runs that have neither."""
    with echo_registered(), monkeypatch.context() as patch:
        patch.setattr(registry, "OWN", {})
        metrics = {"own_metrics": lambda self, batch, steps, online: {"rows": len(steps.obs)}}
        register("tuned", type("Tuned", (QLearner,), {"settings": {"alpha": 0.6, "deep": 2}} | metrics))
        for name, changes in {
            "a": {"extra": {"alpha": 0.1}},
            "b": {"extra": {"alpha": 0.9}},
            "c": {"learner": "iql", "buffer_device": "auto"},
        }.items():
            config = quick_config(**({"learner": "tuned", "updates": 1} | changes))
            with omg.Training(config) as run:
                list(follow(run, RunFolder.create(tmp_path / name, config)))
    rows = omg.results(tmp_path)
    assert [(row["learner"], row["alpha"], row["deep"]) for row in rows] == [
        ("tuned", 0.1, 2), ("tuned", 0.9, 2), ("iql", None, None),
    ]  # fmt: skip
    assert [bool(row["rows"]) for row in rows] == [True, True, False] and len({tuple(row) for row in rows}) == 1
    assert not {"extra", "buffer_device", "versions"} & rows[0].keys()


@pytest.mark.slow
def test_pandas_makes_a_table_of_it(runs):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed; the library does not need it")
    table = pandas.DataFrame(omg.results(runs))
    assert len(table) == 7 and table["loss"].dtype == float and table["update"].dtype == int
    assert table.groupby(["learner", "lr", "seed"])["update"].max().to_dict() == {
        ("iql", 0.0005, 0): 2, ("iql", 0.0005, 1): 2, ("iql", 0.01, 0): 3,
    }  # fmt: skip
    assert table["test_return"].isna().tolist() == [row["test_return"] is None for row in omg.results(runs)]


def test_where_there_is_no_run(runs, tmp_path):
    for folder in (runs / "notes", tmp_path / "nowhere"):
        with pytest.raises(omg.ConfigError, match="there is no run"):
            omg.results(folder)
    (tmp_path / "metrics.csv").write_text("update\n1\n")
    for damaged in ("{", '{"extra": 3}', '{"lr": ' + "[" * 900 + "]" * 900 + "}"):
        (tmp_path / "config.json").write_text(damaged)
        with pytest.raises(omg.ConfigError, match="this run cannot be read"):
            omg.results(tmp_path)
