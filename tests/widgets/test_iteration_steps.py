"""The step-through of one iteration: the model by value, and the panel as its view."""

import base64
import re
from io import BytesIO

import pytest
import torch
from matplotlib.image import imread

from omg_lib import OMGConfig
from omg_lib.config import ConfigError
from omg_lib.lessons.iteration import Iteration, record
from omg_lib.plots.heat import heat_svg
from omg_lib.trace import ShapeTrace
from omg_lib.widgets import IterationModel, IterationPanel


@pytest.fixture(scope="module")
def iteration():
    return record(OMGConfig(n_agents=2, batch_size=3, device="cpu"))


@pytest.fixture
def model(iteration):
    return IterationModel(iteration)


def pixels(svg: str) -> torch.Tensor:
    """Return the cells of a heat map: [rows, columns] of red, green, blue, opacity."""
    data = re.search(r'href="data:image/png;base64,([^"]+)"', svg)[1]
    return torch.from_numpy(imread(BytesIO(base64.b64decode(data)), format="png"))


@pytest.mark.slow
def test_it_goes_from_stage_to_stage(model):
    heard = []
    model.listen(lambda: heard.append(model.stage.name))
    for where in ("back", "next", "next", "next", "last", "next", "back", "first", 5):
        model.go(where)
    assert heard == [
        "runner.run", "buffer.insert_episode_batch", "buffer.sample", "truncate", "learner.step", "learner.step",
        "learner.td_loss", "runner.run", "learner.regroup",
    ]  # fmt: skip
    assert model.status == "Stage 6 of 11: learner.regroup. Every field is new memory."


def test_the_picture_is_the_slice_that_its_axes_name(model, iteration):
    model.go(3)
    assert (model.field, model.down, model.across, model.fixed) == ("obs", "T", "O", {"G*A": 0, "A": 0})
    model.place("G*A", 4)
    model.place("A", 1)
    x = iteration.values["truncate"]["obs"][4, :, 1]
    shown = pixels(model.picture)
    assert shown.shape[:2] == x.shape and "obs at G*A = 4, A = 1" in model.picture
    where, lowest = (x == x.max()), shown[tuple(torch.nonzero(x == x.min())[0])]
    assert (shown[where] != lowest).any(dim=-1).all()
    model.look(down="O", across="T")
    assert torch.equal(pixels(model.picture), shown.transpose(0, 1)), "the same slice, transposed"
    model.look(down="T")
    assert (model.down, model.across) == ("T", "O"), "requesting the other axis swaps the two"
    model.look(across="A")
    assert (model.down, model.across, model.fixed) == ("T", "A", {"G*A": 4, "O": 0})
    named = r'aria-label="truncate: obs at G\*A = 4, O = 0: T down, A across, \d+ × 2 numbers from'
    assert re.search(named, model.picture)


def test_field_and_position_stay_where_the_next_stage_has_them(model):
    model.go(2)
    model.look(field="state")
    model.place("G*A", 5)
    model.go(5)
    assert (model.field, model.fixed) == ("state", {"G": 0, "A": 0})
    model.go(8)
    assert model.field == "q"
    model.go(3)
    assert (model.field, model.fixed) == ("state", {"G*A": 5})


def test_two_axes_of_one_name_and_a_single_number(model):
    model.go(5)
    model.look(field="last_actions")
    assert (model.across, model.fixed) == ("A (axis 3)", {"G": 0, "A": 0})
    model.go(9)
    assert model.field == "loss" and not model.fixed and pixels(model.picture).shape[:2] == (1, 1)
    model.look(field="loss")
    model.go("last")
    assert (model.field, model.picture) == (None, "") and "It creates no tensor" in model.status


@pytest.mark.parametrize(
    "act, named",
    [
        (lambda m: m.go("sideways"), "where='sideways'"),
        (lambda m: m.go(11), "where=11"),
        (lambda m: m.look(field="q"), "field='q'"),
        (lambda m: m.look(down="G"), "down='G'"),
        (lambda m: m.look(down="O", across="O"), "across='O'"),
        (lambda m: m.place("T", 0), "axis='T'"),
        (lambda m: m.place("A", 2), "A=2"),
    ],
)
def test_what_is_not_allowed_is_one_sentence_and_changes_nothing(model, act, named):
    model.go(3)
    before = model.status, model.picture, model.fixed
    with pytest.raises(ConfigError, match=re.escape(named)):
        act(model)
    assert (model.status, model.picture, model.fixed) == before


def test_a_saved_trace_has_stages_and_lines_but_no_values(iteration, tmp_path):
    iteration.trace.save(tmp_path / "trace.json")
    model = IterationModel(Iteration(ShapeTrace.load(tmp_path / "trace.json")))
    assert model.stages == iteration.trace.stages and model.picture == ""
    assert "[R, L+1, A, O]" in repr(model.table) and model.source.file == "omg_lib/runner.py"
    assert "shapes but no values" in model.status


def test_the_panel_follows_its_controls_and_its_model(iteration):
    panel = IterationPanel(iteration)
    panel.moves["next"].click()
    panel.slider.value = 5
    assert panel.model.stage.name == "learner.regroup" and "regroup" in panel.source.value
    panel.field.value = "avail_actions"
    panel.fixed[0].value = 2
    panel.across.value = "A"
    assert panel.model.fixed == {"G": 2, "C": 0} and panel.fixed[1].description == "C"
    panel.model.go("last")
    assert panel.slider.value == 10 and panel.field.value is None and panel.fixed[0].layout.visibility == "hidden"
    panel.moves["back"].click()
    assert panel.field.value == "loss" and panel.down.value is None
    assert 'role="status"' in panel.status.value and "td_loss" in panel.status.value
    panel.moves["first"].click()
    assert panel.model.position == 0 and "aria-label" in panel.picture.value and "<table" in panel.table.value


def test_a_slice_of_one_number_has_the_colour_of_that_number():
    """A mask of ones must not look like a mask of zeros."""
    ones, zeros, both = (pixels(heat_svg(torch.tensor([x]), "T", "A", "")) for x in ([1, 1], [0, 0], [1, 0]))
    assert torch.equal(both, torch.stack([ones[:, 0], zeros[:, 0]], dim=1)) and not torch.equal(ones, zeros)
    below = heat_svg(torch.tensor([[-2.0, -2.0]]), "T", "A", "")
    assert torch.equal(pixels(below), zeros) and "numbers from -2 to -2" in below
