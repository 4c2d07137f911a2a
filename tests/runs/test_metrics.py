"""metrics.csv with more columns than the library's own."""

import pytest

from omg_lib.errors import ConfigError
from omg_lib.runs import metrics
from omg_lib.training import Report


def report(update: int, count: int) -> Report:
    return Report(update, 10 * update, {f"a_metric_with_a_long_name_{i}": i / 7 for i in range(count)})


def test_a_row_with_a_thousand_metrics_is_read_back(tmp_path):
    path = tmp_path / "metrics.csv"
    metrics.begin(path)
    for update, count in ((1, 1), (2, 1000), (3, 1000)):
        metrics.record(path, report(update, count), 0.5)
    row = metrics.last_row(path)
    assert row["update"] == "3" and float(row["a_metric_with_a_long_name_999"]) == 999 / 7
    assert len(list(metrics._rows(path))) == 3 and None not in metrics._rows(path)


def test_more_metrics_than_a_row_can_hold_are_refused_and_nothing_is_lost(tmp_path):
    path = tmp_path / "metrics.csv"
    metrics.begin(path)
    metrics.record(path, report(1, 1), 0.5)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="longer than 65536 characters"):
        metrics.record(path, report(2, 3000), 1.0)
    assert path.read_bytes() == before
