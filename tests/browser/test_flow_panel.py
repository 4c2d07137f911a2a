"""The flow panel as a student uses it: keyboard, Run, Stop, the accessibility tree, light and dark theme.

Timings are printed (`pytest -s`); what is asserted is what was done, as a machine may be busy.
"""

import json
import os
import re
import statistics
import time
from pathlib import Path

import pytest

from omg_lib import OMGConfig
from omg_lib.memory.need import need
from omg_lib.plots.units import bytes_text
from tests.helpers.flow import OUTSIDE
from tests.helpers.pages import COUNT, LISTEN, READY, SETTLED, UPDATE

pytestmark = pytest.mark.browser

# From each key press on the focused control to the end of the frame that shows the changed picture.
TIMES = """() => {
  window.times = [];
  document.activeElement.addEventListener('keydown', event => requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = () => window.times.push(performance.now() - event.timeStamp);
    after.port2.postMessage(0);
  }));
}"""
STATES = "() => [...document.querySelectorAll('.omg-flow [data-stage]')].map(row => row.dataset.state)"
ALL = f"state => {{ const rows = ({STATES})(); return rows.length > 5 && rows.every(one => one === state); }}"
RESTART = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
STATUS = "pattern => new RegExp(pattern).test(document.querySelector('.omg-status [role=status]').textContent)"
# Texts of one row that overlap.
OVERLAPS = """() => [...document.querySelectorAll('.omg-flow [data-stage]')].flatMap(row => {
  const texts = [...row.querySelectorAll('text')].filter(text => text.textContent && text.getBBox().width);
  const boxes = texts.map(text => text.getBBox());
  return boxes.flatMap((a, i) => boxes.slice(i + 1).flatMap((b, j) => {
    const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
    const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
    return wide > 1 && high > 5 ? [texts[i].textContent + ' | ' + texts[i + 1 + j].textContent] : [];
  }));
})"""


def notebook(*lines: str) -> str:
    """Return a notebook of one cell, as text."""
    cell = {"cell_type": "code", "id": "panel", "metadata": {}, "outputs": [], "execution_count": None}
    cell["source"] = "\n".join(("from omg_lib.widgets import FlowPanel", *lines))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [cell]})


@pytest.fixture(scope="module")
def opened(folder, open_for_all, run_all):
    """A page with the panel, shared by all tests: opening one takes much longer than most tests."""
    (folder / "panel_under_test.ipynb").write_text(notebook("panel = FlowPanel()", "panel"))
    page = open_for_all("panel_under_test.ipynb")
    start = time.monotonic()
    run_all(page)
    page.wait_for_selector(".omg-flow svg")
    print(f"\nfirst picture, with all imports: {time.monotonic() - start:.1f} s")
    return page


@pytest.fixture
def show(opened):
    """show(4, 8, "omg") -> the page, its panel reset and set to these numbers."""

    def show_one(n_agents: int = 8, batch_size: int = 32, learner: str = "omg"):
        opened.locator(".omg-reset").click()
        wait_status(opened, "^Predicted: .* the sample holds 256")
        opened.wait_for_function("() => document.querySelector('.omg-curves img').alt.includes('no update yet')")
        for part, value in (("n-agents", n_agents), ("batch-size", batch_size)):
            opened.locator(f".omg-{part} input[type=number]").fill(str(value))
            opened.locator(f".omg-{part} input[type=number]").press("Enter")
        opened.locator(".omg-learner select").select_option(learner)
        sample = batch_size * (n_agents if learner == "omg" else 1)
        wait_status(opened, f"^Predicted: .* the sample holds {sample}, the learner sees {batch_size}")
        wait_all(opened, "predicted")
        return opened

    return show_one


def picture(page, name: str, tmp_path: Path) -> None:
    """Take a screenshot of the panel; it goes into the repository only on request."""
    keep = os.environ.get("OMG_SAVE_SCREENSHOT") == "1"
    into = Path(__file__).parents[2] / "notebooks" / "images" if keep else tmp_path
    into.mkdir(parents=True, exist_ok=True)
    page.locator(".omg-panel").screenshot(path=into / f"{name}.png")


def drawing(page) -> str:
    return page.locator(".omg-flow svg").inner_html()


def wait_status(page, pattern: str) -> None:
    page.wait_for_function(STATUS, arg=pattern)


def wait_all(page, state: str) -> None:
    page.wait_for_function(ALL, arg=state, timeout=120_000)


def test_start_here_shows_the_panel(folder, open_notebook, run_all, nameless):
    if not (folder / "00_start_here.ipynb").exists():
        pytest.skip("there is no notebooks/00_start_here.ipynb")
    page = open_notebook("00_start_here.ipynb")
    run_all(page)
    page.wait_for_selector(".omg-flow svg")
    assert page.locator(".omg-flow").count() == page.locator(".omg-flow svg").count() == 1
    page.locator(".omg-n-agents [role=slider]").press("ArrowRight")
    assert "32 × 9 = 288" in page.locator(".omg-flow svg").text_content()
    assert nameless(page) == []
    if "OMG_SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["OMG_SCREENSHOTS"]) / "00_start_here.ipynb.png", full_page=True)


def test_a_slider_moved_by_keyboard_redraws_the_picture_at_once(show):
    page = show()
    handle, number = (page.locator(f".omg-n-agents {kind}") for kind in ("[role=slider]", "input[type=number]"))
    handle.press("ArrowRight")
    page.evaluate(SETTLED)
    page.evaluate(TIMES)
    page.evaluate(COUNT)
    for key in ["ArrowRight", "ArrowLeft"] * 5:
        page.keyboard.press(key)
        page.wait_for_timeout(50)
    page.evaluate(SETTLED)
    times = page.evaluate("() => window.times")
    print(f"\nkey press to changed picture: median {statistics.median(times):.0f} ms, {sorted(map(round, times))}")
    assert page.evaluate("() => window.pictures") == len(times) == 10, "each press draws one picture"
    assert number.input_value() == "9" and handle.get_attribute("aria-valuetext") == "9"
    assert "32 × 9 = 288" in page.locator(".omg-flow svg").text_content()
    number.fill("16")
    number.press("Enter")
    page.wait_for_function("() => document.querySelector('.omg-flow svg').textContent.includes('32 × 16 = 512')")
    assert handle.get_attribute("aria-valuetext") == "16"
    full = "a full buffer takes " + bytes_text(need(OMGConfig(n_agents=16)).buffer)
    page.wait_for_function("full => document.querySelector('.omg-computes').textContent.includes(full)", arg=full)


def test_run_stop_move_and_run_again(show):
    page = show(4, 8)
    start = time.monotonic()
    page.locator(".omg-run").click()
    wait_all(page, "equal")
    print(f"\nRun to the first measured picture (4 seats, batch size 8): {time.monotonic() - start:.1f} s")
    start = time.monotonic()
    page.locator(".omg-stop").click()
    wait_status(page, r"^Stopped at update \d+$")
    print(f"Stop to 'Stopped': {time.monotonic() - start:.2f} s")
    page.locator(".omg-batch-size [role=slider]").press("ArrowLeft")
    wait_all(page, "predicted")
    page.locator(".omg-run").click()
    wait_all(page, "equal")
    assert page.locator(".omg-flow text", has_text="28").count()
    curves = page.locator(".omg-curves img")
    page.wait_for_function("() => document.querySelector('.omg-curves img').alt.includes('previous run: loss')")
    assert curves.bounding_box()["height"] > 200
    page.locator(".omg-stop").click()
    wait_status(page, "Stopped at update")


def test_slider_and_run_in_mid_run(show):
    page = show(4, 8)
    page.locator(".omg-run").click()
    wait_all(page, "equal")
    slider = page.locator(".omg-n-agents [role=slider]")
    slider.press("ArrowRight")
    wait_all(page, "predicted")
    wait_status(page, "Training continues")
    page.wait_for_function(UPDATE, arg=1)
    count = int(re.search(r"Update (\d+)", page.locator(".omg-progress").text_content())[1])
    page.wait_for_function(UPDATE, arg=count + 3)
    assert set(page.evaluate(STATES)) == {"predicted"}  # the run of other settings says nothing about these
    page.locator(".omg-run").click()
    wait_all(page, "equal")
    assert "8 × 5 = 40" in page.locator(".omg-flow svg").text_content()
    page.locator(".omg-stop").click()
    wait_status(page, "Stopped at update")


def test_stop_while_episodes_are_collected(show):
    page = show()
    page.locator(".omg-run").click()
    wait_status(page, "Collecting the first 256 episodes")
    page.wait_for_function("() => /Collecting episode/.test(document.querySelector('.omg-progress').textContent)")
    page.evaluate(LISTEN)
    start = time.monotonic()
    page.locator(".omg-stop").click()
    wait_status(page, "Stopped at update 0")
    print(f"\nStop among the first episodes (8 seats, batch size 32): {time.monotonic() - start:.2f} s")
    assert page.evaluate("() => window.said.slice(-2)") == ["Stopping", "Stopped at update 0"], "no phase in between"


def test_bad_input_is_a_sentence_and_the_picture_stays(show, folder):
    page = show(2, 2, "iql")
    (folder / "in_the_way").write_text("a file")
    chosen = page.get_by_role("textbox", name="folder")
    usual = chosen.input_value()
    chosen.fill("in_the_way/folder")
    chosen.press("Tab")
    page.locator(".omg-save").click()
    wait_status(page, "^folder='in_the_way/folder': it cannot be written")
    chosen.fill(usual)
    before = drawing(page)
    has_gpu = "GPU " in page.locator(".omg-panel").inner_text() and "no CUDA" not in page.inner_text(".omg-panel")
    if not has_gpu:
        page.locator(".omg-device select").select_option("cuda")
        wait_status(page, "^device='cuda': .*allowed here are auto, cpu$")
        page.locator(".omg-run").click()
        wait_status(page, "^device='cuda'")
        assert drawing(page) == before
        page.locator(".omg-device select").select_option("auto")
        wait_status(page, "^Predicted")
    number = page.locator(".omg-n-agents input[type=number]")
    before = drawing(page)
    for bad in ("17", "0", "-1"):
        number.fill(bad)
        number.press("Enter")
        wait_status(page, f"^n_agents={bad}: ")
        assert number.input_value() == bad
    number.fill("2")
    number.press("Enter")
    wait_status(page, "^Predicted")
    number.fill("")
    number.press("Tab")
    wait_status(page, "^n_agents: a number is missing, the last one is kept$")
    assert number.input_value() == "2" and drawing(page) == before
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0


def test_run_pressed_twice_trains_once(show):
    page = show(2, 2, "iql")
    page.locator(".omg-run").dblclick()
    wait_all(page, "equal")
    page.locator(".omg-stop").click()
    wait_status(page, r"^Stopped at update \d+$")


def test_everything_is_named_in_the_accessibility_tree(show, nameless):
    page = show()
    inside = page.locator(".omg-panel").aria_snapshot()
    for line in (
        'spinbutton "n_agents": "8"',
        'slider "n_agents slider"',
        'spinbutton "batch_size": "32"',
        'slider "batch_size slider"',
        'combobox "environment"',
        'combobox "learner"',
        'combobox "runner"',
        'combobox "device"',
        'spinbutton "seed": "0"',
        'button "Run"',
        'button "Stop"',
        'button "Reset"',
        'button "Save"',
        'textbox "folder"',
        'progressbar "progress"',
        "status: ",
        "Flow of tensors for n_agents 8, batch_size 32",
        'img "Curves: no update yet"',
        'checkbox "list every field of every stage"',
    ):
        assert line in inside, line
    assert nameless(page) == []


def test_keyboard_alone_sets_and_runs_everything(show):
    page = show(2, 2, "iql")
    page.locator(".omg-n-agents input[type=number]").focus()
    visited = []
    for _ in range(16):
        visited.append(page.evaluate("() => document.activeElement.closest('[class*=omg-]')?.className ?? ''"))
        page.keyboard.press("Tab")
    reached = " ".join(visited)
    for part in (
        "n-agents",
        "batch-size",
        "env",
        "learner",
        "runner",
        "device",
        "seed",
        "run",
        "stop",
        "reset",
        "save",
    ):
        assert f"omg-{part}" in reached, part
    page.locator(".omg-run").focus()
    page.keyboard.press("Enter")
    wait_all(page, "equal")
    page.locator(".omg-stop").focus()
    page.keyboard.press("Space")
    wait_status(page, "Stopped at update")


def test_a_kernel_restarted_in_mid_run_leaves_the_picture_and_the_cell_works_again(folder, open_notebook, run_all):
    (folder / "restarted.ipynb").write_text(notebook("FlowPanel(n_agents=2, batch_size=2)"))
    page = open_notebook("restarted.ipynb")
    run_all(page)
    page.locator(".omg-run").click()
    wait_all(page, "equal")
    page.evaluate(RESTART)
    page.wait_for_function(READY)
    assert page.locator(".jp-Dialog").count() == 0
    assert set(page.evaluate(STATES)) == {"equal"}, "the last good picture stays"
    run_all(page)
    wait_status(page, "^Predicted")
    page.locator(".omg-run").click()
    wait_all(page, "equal")
    page.locator(".omg-stop").click()
    wait_status(page, r"^Stopped at update \d+$")


def test_two_views_of_one_panel_show_the_same(folder, open_notebook, run_all):
    shown_twice = json.loads(notebook("panel = FlowPanel(n_agents=2, batch_size=2)", "panel"))
    again = shown_twice["cells"][0] | {"id": "again", "source": "panel"}
    (folder / "twice.ipynb").write_text(json.dumps(shown_twice | {"cells": [*shown_twice["cells"], again]}))
    page = open_notebook("twice.ipynb", height=2400)
    run_all(page)
    page.wait_for_function("() => document.querySelectorAll('.omg-panel .omg-flow svg').length === 2")
    numbers = "name => [...document.querySelectorAll(`[type=number][name=${name}]`)].map(one => one.value).join()"
    first, second = (page.locator(".omg-panel").nth(k) for k in (0, 1))
    for value in (3, 4, 5):  # the first has said more than the second when the second speaks
        first.locator("[type=number][name=n_agents]").fill(str(value))
        first.locator("[type=number][name=n_agents]").press("Enter")
        page.wait_for_function(f"wanted => ({numbers})('n_agents') === wanted", arg=f"{value},{value}")
    second.locator("[type=number][name=batch_size]").fill("6")
    second.locator("[type=number][name=batch_size]").press("Enter")
    page.wait_for_function(f"() => ({numbers})('batch_size') === '6,6'")
    second.locator(".omg-run").click()
    wait_all(page, "equal")
    first.locator(".omg-stop").click()
    for one in (first, second):
        assert "6 × 5 = 30" in one.locator(".omg-flow svg").text_content()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.omg-panel .omg-status [role=status]')].every("
        "one => /^Stopped at update/.test(one.textContent))"
    )


@pytest.mark.parametrize("settings", [(16, 64), (2, 1), (8, 32, "iql")])
def test_no_text_is_cut_or_covered(show, settings):
    page = show(*settings)
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate(OVERLAPS) == []


def test_the_table_of_fields_opens(show):
    page = show()
    page.get_by_label("list every field of every stage").check()
    page.wait_for_selector(".omg-panel table")
    assert page.locator(".omg-panel td", has_text="avail_actions").count() >= 5
    page.get_by_label("list every field of every stage").uncheck()


def test_screenshots_in_light_and_dark(show, tmp_path):
    page = show() if os.environ.get("OMG_SAVE_SCREENSHOT") == "1" else show(4, 8)
    page.locator(".omg-run").click()
    wait_all(page, "equal")
    page.wait_for_function("() => /update [3-9]/.test(document.querySelector('.omg-curves img').alt)")
    page.locator(".omg-stop").click()
    wait_status(page, "Stopped at update")
    assert page.evaluate(OVERLAPS) == []
    picture(page, "flow_panel", tmp_path)
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    time.sleep(0.5)
    picture(page, "flow_panel_dark", tmp_path)
    ink = page.evaluate("() => getComputedStyle(document.querySelector('.omg-flow text')).fill")
    dark = violations(page)
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    assert min(int(part) for part in ink[4:-1].split(",")[:3]) > 128, f"dark ink {ink} on a dark page"
    page.wait_for_selector("body[data-jp-theme-light=true]", state="attached")
    assert (violations(page), dark) == ([], [])


def violations(page) -> list[str]:
    """What axe-core finds in the panel as JupyterLab shows it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page, context=".omg-panel").response
    assert len(found["passes"]) > 10
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]
