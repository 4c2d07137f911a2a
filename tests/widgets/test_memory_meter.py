"""The memory meter: the model by value, and the panel as its view."""

import pytest

from omg_lib import OMGConfig
from omg_lib.widgets import MemoryMeter, MemoryModel, memory_model
from omg_lib.widgets.memory_model import GB


def test_it_begins_with_what_this_process_may_use(monkeypatch):
    monkeypatch.setattr(memory_model, "usable_memory", lambda: 4 * GB)
    model = MemoryModel()
    assert model.gives_up == 11 and model.status == "n_agents 11 needs 4.02 GB, more than 4.00 GB."
    monkeypatch.setattr(memory_model, "usable_memory", lambda: None)
    assert MemoryModel().limit == 8 * GB


def test_other_numbers_and_bad_ones():
    model, heard = MemoryModel(OMGConfig(n_agents=4)), []
    model.listen(lambda: heard.append(model.status))
    model.choose(limit=1000)
    assert model.gives_up is None and model.status.startswith("Every size up to n_agents 16 fits")
    model.choose(limit=0.1, buffer_size=1000)
    assert model.gives_up is not None and len(heard) == 2
    picture = model.picture
    for name, bad in (("batch_size", 4000), ("limit", 0), ("limit", 1e9), ("seed", -1), ("buffer_size", 0)):
        model.choose(**{name: bad})
        assert model.status.startswith(f"{name}={bad}") and "\n" not in model.status and model.picture is picture
    assert model.config.batch_size == 32 and model.config.buffer_size == 1000


@pytest.fixture
def meter():
    return MemoryMeter(OMGConfig(n_agents=4))


def test_the_panel_follows_its_controls_and_its_model(meter):
    meter.limit.value = 4
    assert meter.model.limit == 4 * GB and "n_agents 11 needs" in meter.status.value
    meter.model.choose(buffer_size=1000)
    assert meter.buffer_size.value == 1000 and "<svg" in meter.picture.value
    meter.batch_size.value = 500
    assert "batch_size=500" in meter.status.value and meter.batch_size.value == 500
    meter.batch_size.value = 16
    assert meter.model.config.batch_size == 16 and 'role="status"' in meter.status.value


@pytest.mark.parametrize("name, bad", [("limit", -1.0), ("limit", 1e12), ("batch_size", 0), ("buffer_size", -5)])
def test_a_number_that_is_not_allowed_stays_in_its_box_and_the_picture_too(meter, name, bad):
    picture, box = meter.picture.value, getattr(meter, name)
    usual = box.value
    box.value = bad
    assert f"{name}=" in meter.status.value and box.value == bad and meter.picture.value == picture
    box.value = usual
    assert f"{name}=" not in meter.status.value
