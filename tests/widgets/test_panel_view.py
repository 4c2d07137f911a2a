"""The panel's widgets in Python: a view of the model, in both directions."""

import ipywidgets as W
import pytest

from omg_lib.widgets import FlowPanel


@pytest.fixture
def panel():
    panel = FlowPanel(n_agents=2, batch_size=2, learner="iql", device="cpu")
    yield panel
    panel.model.reset()
    assert panel.model.wait(120)


def parts(panel: FlowPanel, name: str, kind: type = W.Widget) -> list:
    """Return every widget at or below the one with this class."""

    def below(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from below(child)

    (found,) = [widget for widget in below(panel) if f"omg-{name}" in getattr(widget, "_dom_classes", ())]
    return [widget for widget in below(found) if isinstance(widget, kind)]


@pytest.mark.parametrize("name", ["n-agents", "batch-size"])
def test_slider_number_and_picture_go_together(panel, name):
    (slider,), (number,) = parts(panel, name, W.IntSlider), parts(panel, name, W.IntText)
    (flow,) = parts(panel, "flow")
    old = flow.value
    slider.value = 7
    assert number.value == 7 and flow.value != old
    number.value = 3
    assert slider.value == 3 and panel.model.settings[name.replace("-", "_")] == 3
    assert slider.max == {"n-agents": 16, "batch-size": 64}[name]


@pytest.mark.parametrize("bad", [0, -3, 17, 10**6])
def test_a_number_that_is_not_allowed_stays_in_its_box_and_the_picture_too(panel, bad):
    (slider,), (number,) = parts(panel, "n-agents", W.IntSlider), parts(panel, "n-agents", W.IntText)
    (flow,), (status,), (seed,) = (parts(panel, name) for name in ("flow", "status", "seed"))
    picture = flow.value
    number.value = bad
    assert f"n_agents={bad}: " in status.value and (number.value, slider.value) == (bad, 2) and flow.value == picture
    panel.model.start()
    assert panel.model.state == "idle" and f"n_agents={bad}: " in status.value
    slider.value = 3
    assert number.value == 3 and "Predicted" in status.value
    seed.value = -1
    assert "seed=-1: " in status.value and panel.model.config.seed == 0


def test_choices_change_the_configuration(panel):
    for name, value in (("learner", "omg"), ("runner", "parallel"), ("env", "skirmish:partners")):
        (select,) = parts(panel, name, W.Dropdown)
        select.value = value
    (seed,) = parts(panel, "seed")
    seed.value = 9
    config = panel.model.config
    assert (config.learner, config.batch_size_run, config.env, config.seed) == ("omg", 2, "skirmish:partners", 9)


def test_buttons(panel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,), (stop,), (reset,), (save,) = (parts(panel, name) for name in ("run", "stop", "reset", "save"))
    run.click()
    assert panel.model.state == "running"
    stop.click()
    assert panel.model.wait(120)
    (status,) = parts(panel, "status")
    assert 'role="status"' in status.value and "Stopped at update" in status.value
    save.click()
    assert (tmp_path / "runs" / "flow" / "trace.json").is_file()
    panel.model.set(n_agents=5)
    reset.click()
    assert parts(panel, "n-agents", W.IntSlider)[0].value == 2


def test_a_run_is_drawn(panel):
    panel.model.run(updates=2)
    (flow,), (curves,), (progress,) = (parts(panel, name) for name in ("flow", "curves", "progress"))
    assert flow.value.count('data-state="equal"') == len(panel.model.plan.stages)
    assert "update 2, loss" in curves.value and "data:image/png" in curves.value
    assert 'role="progressbar"' in progress.value and "Update 2" in progress.value


def test_an_error_is_said_as_text(panel):
    (status,) = parts(panel, "status")
    for bad in (dict(learner="<b>"), dict(learner="iql", n_agents=99)):
        panel.model.set(**bad)
        assert f"{list(bad)[-1]}=" in status.value and "<b>" not in status.value


def test_a_new_panel_stops_what_an_older_one_trains(panel):
    panel.model.start()
    assert panel.model.state != "idle"
    FlowPanel(n_agents=2, batch_size=2, learner="iql", device="cpu")
    assert panel.model.wait(120) and panel.model.state == "idle"
