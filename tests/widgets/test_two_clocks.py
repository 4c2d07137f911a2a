"""The two clocks: the model by value, and the panel as its view."""

import threading

import pytest

from omg_lib import OMGConfig
from omg_lib.lessons.clocks import Tick
from omg_lib.widgets import ClocksModel, ClocksPanel, clocks_model


@pytest.fixture
def clock(monkeypatch):
    """A clock that records its inputs, and answers once `clock.go` is set."""

    def ticks(config, widths, seconds):
        ticks.go.wait(120)
        ticks.asked.append((config.n_agents, widths))
        return [Tick("cpu", width, 0.001 * config.n_agents * width**0.5, 0.001 * width**-0.5) for width in widths]

    ticks.go, ticks.asked = threading.Event(), []
    ticks.go.set()
    monkeypatch.setattr(clocks_model, "acting_clock", ticks)
    return ticks


def test_it_measures_and_says_by_how_much_each_clock_changes(clock):
    model = ClocksModel(OMGConfig(n_agents=4))
    model.measure()
    assert model.wait(120) and clock.asked == [(4, (1, 8, 32))]
    assert model.status == (
        "n_agents 4, R from 1 to 32: a lockstep takes 5.7 times as long, a step of one episode 0.18 times."
    )
    assert "n_agents 4, R 32: 22.6 ms and 0.18 ms" in model.picture and model.picture.count("<rect") == 6


def test_the_latest_teams_stand_side_by_side(clock):
    model = ClocksModel()
    for n_agents in (2, 3, 4, 5, 3):
        model.choose(n_agents)
        model.measure()
        assert model.wait(120)
    assert list(model.measured) == [4, 5, 3] and model.picture.count("<rect") == 18
    model.choose(4)
    assert model.status == "n_agents 4 is measured already."


def test_a_second_press_and_a_bad_number_change_nothing(clock):
    model = ClocksModel()
    clock.go.clear()
    model.measure()
    model.measure()
    assert model.status == "Already measuring." and model.busy and not model.wait(0.01)
    picture = model.picture
    model.choose(99)
    assert model.status.startswith("n_agents=99") and model.n_agents == 8 and model.picture is picture
    clock.go.set()
    assert model.wait(120) and len(clock.asked) == 1 and list(model.measured) == [8]


def test_what_goes_wrong_is_said_and_the_picture_stays(clock, monkeypatch):
    model = ClocksModel()
    model.measure()
    model.wait(120)
    picture = model.picture

    def fail(*_):
        raise RuntimeError("no\nroom")

    monkeypatch.setattr(clocks_model, "acting_clock", fail)
    model.measure()
    assert model.wait(120) and model.status == "Measuring failed: RuntimeError: no" and model.picture is picture


def test_the_panel_follows_its_controls_and_its_model(clock):
    panel = ClocksPanel()
    assert "nothing measured yet" in panel.picture.value
    panel.agents.value = 5
    assert panel.model.n_agents == 5 and "n_agents 5:" in panel.status.value
    panel.button.click()
    assert panel.model.wait(120) and "n_agents 5, R 8" in panel.picture.value and "times" in panel.status.value
    panel.model.choose(3)
    assert panel.agents.value == 3 and (panel.agents.min, panel.agents.max) == (2, 16)


@pytest.mark.slow
def test_with_real_play():
    model = ClocksModel(OMGConfig(n_agents=2, device="cpu"))
    model.measure()
    assert model.wait(120) and [tick.width for tick in model.measured[2] if tick.device == "cpu"] == [1, 8, 32]
