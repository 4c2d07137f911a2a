"""Tables of shapes, and labels that show whose data ended up where."""

import pytest
import torch

import omg_lib as omg
from omg_lib.lessons.table import Table
from omg_lib.plots import label_seats, label_table, shape_table


@pytest.fixture(scope="module")
def sample():
    config = omg.OMGConfig(n_agents=3, batch_size=2, batch_size_run=3, device="cpu")
    with omg.Training(config) as run:
        for _ in range(3):
            run.buffer.insert_episode_batch(run.runner.run())
        return run.buffer.sample(6)


def test_shape_table_has_every_field_in_the_order_of_the_plan(sample):
    stage = omg.predict(omg.OMGConfig(n_agents=3, batch_size=2))["buffer.sample"]
    table = shape_table(sample, stage)
    assert [row[0] for row in table.rows] == list(stage.fields)
    assert table.rows[0] == ("obs", "[G*A, L+1, A, O]", "[6, 121, 3, 30]", "float32")
    more = shape_table(sample.clone().set("extra", torch.zeros(6, 121, 1)), stage)
    assert more.rows[-1] == ("extra", "", "[6, 121, 1]", "float32")


def test_labels_follow_what_is_done_to_the_sample(sample):
    labels = label_seats(sample)
    assert labels["obs"].shape == (6, 1, 3, 3)
    slots = omg.regroup(labels)["obs"]
    assert slots[..., 2].all(), "the learner's own data in every slot"
    assert slots[0, 0, :, 0].tolist() == [0, 1, 2] and slots[0, 0, :, 1].tolist() == [0, 1, 2]
    wrong = labels["obs"].reshape(2, 3, 1, 3, 3)[:, 0]
    assert wrong.shape == slots.shape and wrong[..., 2].float().mean() == pytest.approx(1 / 3)


def test_label_table_marks_the_learners_data(sample):
    table = label_table(label_seats(sample)["obs"][:3, 0], row="episode", column="seat")
    assert table.strong == {(0, 1), (1, 2), (2, 3)}
    assert "e1 seat 1*" in repr(table) and "e1 seat 0*" not in repr(table)
    assert table.caption.endswith("* the learner's own data: 3 of 9")
    assert table._repr_html_().count("background") == 3


def test_a_long_cell_and_one_of_several_lines_are_wrapped_and_whole():
    code = "def mine(x, seat):\n    return x"
    table = Table(("question", "answer"), (("a", code), ("b", "y" * 300), ("c", "(1, 2)")), frozenset({(0, 1)}))
    page = table._repr_html_()
    assert code in page and "y" * 300 in page and page.count("pre-wrap") == 2
    assert repr(table).splitlines()[:4] == [
        "question  answer",
        "a         def mine(x, seat):",
        "              return x*",
        "b         " + "y" * 300,
    ]
