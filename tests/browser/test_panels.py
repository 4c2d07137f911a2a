"""The smaller panels as a student uses them: keyboard only, and every error is a sentence."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.helpers.pages import SETTLED

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = [
    "import omg_lib as omg\nfrom omg_lib.lessons.iteration import record\nfrom omg_lib.widgets import IterationPanel",
    "IterationPanel(record(omg.OMGConfig(n_agents=3, batch_size=4)))",
    "from omg_lib.widgets import MemoryMeter, SeatPuzzle\nSeatPuzzle()",
    "MemoryMeter()",
    "from omg_lib.widgets import ClocksPanel\nClocksPanel(omg.OMGConfig(n_agents=2))",
]


@pytest.fixture(scope="module")
def page(folder, open_for_all, run_all):
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for i, source in enumerate(CELLS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
    (folder / "panels_under_test.ipynb").write_text(json.dumps(notebook))
    page = open_for_all("panels_under_test.ipynb", height=2600)
    run_all(page)
    page.wait_for_selector(".omg-clocks-picture svg")
    page.wait_for_selector(".omg-iteration [role=slider][aria-label]")
    return page


def says(page, panel: str, text: str) -> None:
    check = "([part, text]) => document.querySelector(part).textContent.includes(text)"
    page.wait_for_function(check, arg=[f".{panel}-status [role=status]", text])


def picture(page, panel: str) -> str:
    """A panel's picture without the ids that differ between any two drawings."""
    return re.sub("omg-[0-9a-f]{10}-", "", page.locator(f".{panel}-picture").inner_html())


def other_picture(page, panel: str, before: str) -> None:
    check = "([part, before]) => document.querySelector(part).innerHTML.replace(/omg-[0-9a-f]{10}-/g, '') !== before"
    page.wait_for_function(check, arg=[f".{panel}-picture", before])


def test_the_iteration_is_stepped_through_by_keyboard(page):
    slider = page.locator(".omg-iteration-slider [role=slider]")
    slider.focus()
    for key, stage in (("ArrowRight", 2), ("ArrowRight", 3), ("End", 11), ("ArrowLeft", 10), ("Home", 1)):
        slider.press(key)
        says(page, "omg-iteration", f"Stage {stage} of 11")
    for name, key, stage in (("next", "Enter", 2), ("next", "Space", 3), ("back", "Enter", 2), ("last", "Enter", 11)):
        page.locator(f".omg-iteration-{name}").focus()
        page.keyboard.press(key)
        says(page, "omg-iteration", f"Stage {stage} of 11")
    page.locator(".omg-iteration-first").focus()
    page.keyboard.press("Enter")
    says(page, "omg-iteration", "Stage 1 of 11: runner.run. Every field is new memory.")


def test_arrow_keys_move_a_slider_after_a_click_anywhere_on_it(page):
    """A click beside the handle moves it there, and the arrow keys continue from there."""
    handle = page.locator(".omg-iteration-slider [role=slider]")
    line = page.locator(".omg-iteration-slider .noUi-base").bounding_box()
    page.mouse.click(line["x"] + 0.62 * line["width"], line["y"] + line["height"] / 2)
    says(page, "omg-iteration", "Stage 7 of 11")
    page.keyboard.press("ArrowRight")
    says(page, "omg-iteration", "Stage 8 of 11")
    handle.click()
    page.keyboard.press("ArrowLeft")
    says(page, "omg-iteration", "Stage 7 of 11")


def test_a_prediction_is_entered_in_the_puzzle_by_keyboard(page):
    for name, key in (("shape", "r"), ("seats", "w")):
        page.locator(f".omg-seat-expect-{name} select").focus()
        page.keyboard.press(key)
    page.locator(".omg-seat-answers [type=radio]").nth(5).click()
    says(page, "omg-seat", "You predicted: shape right, which held; seats wrong, which held. 2 of 2 so far.")


def test_arrow_keys_choose_the_slice(page):
    page.locator(".omg-iteration-slider [role=slider]").press("Home")
    says(page, "omg-iteration", "Stage 1 of 11")
    for _ in range(3):
        page.locator(".omg-iteration-slider [role=slider]").press("ArrowRight")
    says(page, "omg-iteration", "Stage 4 of 11: truncate. Nothing is copied: every field is a view of buffer.sample.")
    before = picture(page, "omg-iteration")
    page.get_by_role("spinbutton", name="G*A", exact=True).press("ArrowUp")
    other_picture(page, "omg-iteration", before)
    assert "obs at G*A = 1, A = 0" in picture(page, "omg-iteration")
    before = picture(page, "omg-iteration")
    across = page.locator(".omg-iteration-across select")
    across.focus()
    across.press("ArrowUp")
    other_picture(page, "omg-iteration", before)
    assert "A across" in picture(page, "omg-iteration")
    assert "return batch[:, : batch.max_t_filled()]" in page.locator(".omg-iteration-source").inner_text()


def test_nothing_jumps_from_stage_to_stage(page):
    slider = page.locator(".omg-iteration-slider [role=slider]")
    slider.press("Home")
    places = set()
    for stage in range(1, 12):
        says(page, "omg-iteration", f"Stage {stage} of 11")
        box = page.locator(".omg-iteration-picture").bounding_box()
        places.add((round(box["y"] - page.locator(".omg-iteration").bounding_box()["y"]), round(box["height"])))
        slider.press("ArrowRight")
    assert len(places) == 1, places


@pytest.mark.parametrize(
    "panel, label, usual, bad, said",
    [
        ("omg-seat", "n_agents", "4", "99", "n_agents=99: the puzzle allows 2 to 6"),
        ("omg-memory", "batch_size", "32", "4000", "batch_size=4000"),
        ("omg-memory", "memory, GB", "8", "-1", "limit=-1"),
    ],
)
def test_a_wrong_number_and_an_empty_box_are_said_and_the_picture_stays(page, panel, label, usual, bad, said):
    box = page.locator(f".{panel}").get_by_label(label, exact=True)
    box.fill(usual)
    box.press("Tab")
    page.evaluate(SETTLED)
    before = picture(page, panel)
    box.fill(bad)
    box.press("Tab")
    says(page, panel, said)
    assert picture(page, panel) == before and box.input_value() == bad
    box.fill(usual)
    box.press("Tab")
    page.wait_for_function(
        "([part, text]) => !document.querySelector(part).textContent.includes(text)",
        arg=[f".{panel}-status [role=status]", said],
    )
    box.fill("")
    box.press("Tab")
    says(page, panel, f"{label}: a number is missing, the last one is kept")
    assert picture(page, panel) == before and box.input_value() == usual


def test_an_answer_of_the_puzzle_is_chosen_by_keyboard(page):
    active = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
    page.locator(".omg-seat-answers [type=radio]").first.click()
    before, at = picture(page, "omg-seat"), page.evaluate(active)
    page.keyboard.press("ArrowDown")
    other_picture(page, "omg-seat", before)
    assert page.locator(".omg-seat-answers [type=radio]").nth(1).is_checked() and page.evaluate(active) == at


def test_no_panel_has_a_scroll_bar_of_its_own(page):
    inner = "all => all.map(one => one.scrollHeight - one.clientHeight)"
    assert page.locator(".omg-iteration, .omg-seat, .omg-memory, .omg-clocks").evaluate_all(inner) == [0, 0, 0, 0]


def test_the_clocks_are_set_and_started_by_keyboard(page):
    before = picture(page, "omg-clocks")
    slider = page.locator(".omg-clocks-agents [role=slider]")
    slider.focus()
    slider.press("ArrowRight")
    says(page, "omg-clocks", "n_agents 3: Measure plays for about a second.")
    page.locator(".omg-clocks-button").focus()
    page.keyboard.press("Enter")
    other_picture(page, "omg-clocks", before)
    says(page, "omg-clocks", "n_agents 3, R from 1 to 32: a lockstep takes")


def test_every_part_is_named(page):
    panels = ".omg-iteration", ".omg-seat", ".omg-memory", ".omg-clocks"
    inside = "\n".join(page.locator(panel).aria_snapshot() for panel in panels)
    for line in (
        'button "first"', 'button "back"', 'button "next"', 'button "last"', 'slider "stage slider"',
        'combobox "field"', 'combobox "down"', 'combobox "across"', 'region "source lines of', 'img "',
        'group "answers"', 'spinbutton "n_agents"', 'spinbutton "buffer_size"', 'spinbutton "memory, GB"',
        'slider "n_agents slider"', 'button "Measure"',
    ):  # fmt: skip
        assert line in inside, line
    assert inside.count("- status") == 4


def test_screenshots_in_light_and_dark(page):
    into = os.environ.get("OMG_SCREENSHOTS")
    if not into:
        pytest.skip("OMG_SCREENSHOTS names no folder for them")
    page.locator(".omg-iteration-slider [role=slider]").press("Home")
    for _ in range(5):
        page.locator(".omg-iteration-slider [role=slider]").press("ArrowRight")
    says(page, "omg-iteration", "Stage 6 of 11")
    for theme in ("Light", "Dark"):
        page.evaluate(f"() => jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_selector(f"body[data-jp-theme-light={str(theme == 'Light').lower()}]", state="attached")
        page.wait_for_timeout(500)
        page.screenshot(path=Path(into) / f"panels_{theme.lower()}.png")
    page.evaluate("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")


def test_a_closed_notebook_still_shows_each_panels_last_picture(page, open_notebook):
    kept = page.locator(".omg-kept")
    assert kept.count() == 4 and not any(one.is_visible() for one in kept.all()), "the panels themselves are shown"
    page.locator(".omg-seat-answers [type=radio]").nth(6).click()
    held = page.locator(".omg-kept img[alt^='Right: 24 of 24 places']")
    held.wait_for(state="attached")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
    closed = open_notebook("panels_under_test.ipynb", height=2600)
    closed.get_by_text("Error displaying widget: model not found").first.wait_for()
    assert all(one.is_visible() for one in closed.locator(".omg-kept").all())
    assert closed.locator(".omg-kept img").count() >= 3, "the last stage of the iteration has no tensor to draw"
    picture = closed.locator(".omg-kept img[alt^='Right: 24 of 24 places']")
    assert picture.evaluate("one => one.complete && one.naturalWidth > 0")
