"""Episodes row by row, and clocks, as tables."""

from omg_lib.lessons.clocks import Tick
from omg_lib.plots.episodes import clock_table, step_table
from tests.helpers.batches import make_sample


def test_rows_of_an_episode_show_what_is_stored():
    sample = make_sample(lengths=[3, 6], seats=(1, 0), ended=(0,), deaths={})
    table = step_table(sample, [0, 2, 3, 4])
    assert table.heads == ("", "obs", "state", "action 0", "action 1", "action 2", "reward", "terminated", "filled")
    assert [row[0] for row in table.rows] == ["t = 0", "t = 2", "t = 3", "t = 4"]
    assert [row[1] for row in table.rows] == ["yes", "yes", "yes", "zeros"]
    assert [row[-2:] for row in table.rows] == [
        ("False", "True"), ("True", "True"), ("False", "True"), ("False", "False"),
    ]  # fmt: skip
    assert table.rows[2][3:7] == ("0", "0", "0", "0.000"), "the last row has only observations"
    assert table.strong == {(0, 4), (1, 4), (2, 4), (3, 4)} and "seat: 1" in repr(table)
    assert table.rows[0][3] == str(int(sample["actions"][0, 0, 0, 0]))


def test_without_teammates_no_seat_stands_out():
    table = step_table(make_sample(seats=None), [0], e=2)
    assert not table.strong and table.caption == ""


def test_clocks():
    assert clock_table([Tick("cpu", 8, 0.004, 0.0005)]).rows == (("cpu", "8", "4.0 ms", "0.50 ms", "2,000"),)
