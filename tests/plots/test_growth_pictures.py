"""Growth as a picture and as factors, and recorded GPU runs as tables."""

import json

import pytest

from omg_lib.config import ConfigError
from omg_lib.plots import growth_figure, growth_table, growth_text, recorded_gpu
from omg_lib.plots.recorded import COMMAND


def made_up(n_agents=(2, 4), batch_sizes=(8, 16, 32)):
    return [
        dict(learner="iql", n_agents=n, batch_size=size, multiply_adds=n * size, planned_bytes=n * size, refused="")
        | dict(seconds=n * size**0.5 / 1000, bytes=n * size)
        for n in n_agents
        for size in batch_sizes
    ]


def test_the_prediction_goes_through_the_nearest_measurement_and_crosses_are_refused():
    rows = made_up()
    rows[-1] |= dict(refused="too large")
    time, memory = growth_figure(rows).axes
    crosses = [line for line in time.lines if line.get_marker() == "X"]
    assert [line.get_xdata().tolist() for line in crosses] == [[32]]
    dashed = [line.get_ydata() for line in time.lines if line.get_linestyle() == "--"]
    solid = [line.get_ydata() for line in time.lines if line.get_linestyle() == "-" and line.get_marker() != "X"]
    assert dashed[0][2] == pytest.approx(solid[0][2]), "n_agents 2, batch_size 32 is nearest to 8, 32"
    assert dashed[0][2] / dashed[0][0] == pytest.approx(4) and solid[0][2] / solid[0][0] == pytest.approx(2)
    assert growth_text(rows).endswith("refused: n_agents 4, batch_size 32")
    assert {line.get_marker() for line in memory.lines} >= {"o", "s", "X"}


def test_factors_from_the_smallest_to_the_largest():
    rows = made_up()
    rows[-1] |= dict(refused="too large")
    table = growth_table(rows)
    assert table.rows[:2] == (
        ("n_agents 2", "batch_size 8 to 32", "× 4.0", "× 2.0", "× 4.0", "× 4.0"),
        ("n_agents 4", "batch_size 8 to 16", "× 2.0", "× 1.4", "× 2.0", "× 2.0"),
    )
    assert [row[0] for row in table.rows[2:]] == ["batch_size 8", "batch_size 16"], "one measured size shows no growth"


def test_without_a_recording_one_sentence_says_how_to_make_one(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        found = recorded_gpu(folder)
        assert found.tables == () and COMMAND in repr(found) and COMMAND in found._repr_html_()


@pytest.mark.parametrize("text", ["no json", "[]", "{}", json.dumps({"stages": {"iql": 3}, "sizes": {}})])
def test_a_file_that_is_no_recording_is_refused(tmp_path, text):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(ConfigError, match="card.json.*not a record of benchmarks.gpu"):
        recorded_gpu(tmp_path)
