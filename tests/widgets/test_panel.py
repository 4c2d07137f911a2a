"""A panel leaves its last picture in the notebook, and the copy follows the panel."""

import base64
import re

import pytest

from omg_lib.widgets import FlowPanel, MemoryMeter, SeatPuzzle, panel
from omg_lib.widgets.panel import Kept, Panel


@pytest.fixture
def page(monkeypatch):
    """What a panel displays: (bundle, display id, whether it replaces the output with this id), in order."""
    shown = []

    class Shown:
        def __init__(self, display_id):
            self.id = display_id

        def update(self, bundle, raw):
            shown.append((bundle, self.id, True))

    def display(bundle, raw, display_id=None):
        shown.append((bundle, display_id, False))
        return Shown(display_id)

    monkeypatch.setattr(panel, "display", display)
    return shown


def drawings(html: str) -> list[str]:
    return [base64.b64decode(data).decode() for data in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", html)]


def test_a_panel_is_shown_with_a_copy_of_its_picture_below_it(page):
    puzzle = SeatPuzzle(n_agents=3)
    puzzle._ipython_display_()
    (widget, _, _), (copy, id, _) = page
    assert "application/vnd.jupyter.widget-view+json" in widget and puzzle.model_id in id
    html = copy["text/html"]
    assert drawings(html) == [puzzle.picture.value] and "Choose an answer." in html
    assert "<svg" not in html and 'alt="A sample of labels' in html, "an image: an untrusted notebook shows it too"
    assert ":has(.widget-vbox) .omg-kept { display: none; }" in html, "only where the panel is missing"
    assert "role=" not in html and "omg-seat" not in html


@pytest.mark.slow
def test_the_copy_follows_what_changes_and_gathers_it(page, monkeypatch):
    timers = []

    class Timer:
        def __init__(self, wait, action):
            self.action = action
            timers.append(self)

        def start(self):
            pass

    monkeypatch.setattr(panel.threading, "Timer", Timer)
    meter = MemoryMeter()
    meter.model.choose(limit=4)
    assert timers == [], "it is not shown anywhere yet"
    meter._ipython_display_()
    for limit in (5, 6, 7):
        meter.model.choose(limit=limit)
    assert len(timers) == 1 and len(page) == 2
    timers[0].action()
    copy, id, replaces = page[-1]
    assert replaces and id == page[1][1] and drawings(copy["text/html"]) == [meter.picture.value]
    meter.model.choose(limit=8)
    assert len(timers) == 2


def test_every_panel_keeps_its_picture():
    assert {one.__name__ for one in (*Panel.__subclasses__(), *Kept.__subclasses__())} == {
        "CapacityPanel", "ClocksPanel", "ExperimentPanel", "FlowPanel", "IterationPanel", "MemoryMeter", "Panel",
        "SeatPuzzle", "StagePanel", "StepPanel", "TargetPanel",
    }  # fmt: skip


@pytest.mark.slow
def test_the_flow_panel_keeps_a_page_that_lives_without_a_kernel_and_an_image(page):
    flow = FlowPanel(n_agents=2, batch_size=2)
    flow._ipython_display_()
    (widget, _, _), (copy, _, _) = page
    assert "application/vnd.jupyter.widget-view+json" in widget
    html = copy["text/html"]
    assert ":has(.omg-panel) .omg-kept { display: none; }" in html
    assert "<iframe" in html and "window.flow = mount(" in html and "&quot;n_agents&quot;:2" in html
    assert len(drawings(html)) == 1 and "data-stage" in drawings(html)[0]
