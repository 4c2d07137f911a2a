"""Every notebook of the course, run in a real JupyterLab: nothing fails, each slider changes its picture, and every
control and picture has a name for screen readers.
"""

import os
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PANELS = {
    "01_three_batch_sizes.ipynb": 1,
    "02_runner.ipynb": 1,
    "03_replay_buffer.ipynb": 0,
    "04_regroup.ipynb": 0,
    "05_subgoal_prior.ipynb": 1,
    "06_subgoal_inference.ipynb": 1,
    "07_q_learning.ipynb": 2,
    "08_train_live.ipynb": 2,
    "09_unseen_teammates.ipynb": 0,
    "10_beyond_one_machine.ipynb": 3,
    "12_failure_museum.ipynb": 0,
    "13_your_own_code.ipynb": 0,
    "11_starcraft.ipynb": 0,
}
"""Notebook -> minimum number of sliders. Notebook 00 is tested separately, with the flow panel."""
SLIDERS = ".jp-OutputArea-output [role=slider]"
DRAWN = "svg => svg.outerHTML.replace(/omg-[0-9a-f]{10}-/g, '')"
"""A picture without the ids that differ between any two drawings."""
FAILED = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]'


@pytest.mark.parametrize("name", PANELS)
def test_a_notebook_runs_and_its_sliders_act(open_notebook, run_all, nameless, name):
    page = open_notebook(name)
    run_all(page)
    assert page.locator(FAILED).all_inner_texts() == []
    page.locator(".jp-OutputArea-output svg").first.wait_for(state="attached")
    if PANELS[name]:
        page.locator(SLIDERS).nth(PANELS[name] - 1).wait_for(state="attached")
    for slider in page.locator(f"{SLIDERS}:not(.omg-clocks *)").all():  # a clock's slider only sets the next team
        output = slider.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')][1]")
        shown = output.locator("svg").first
        before = shown.evaluate(DRAWN)
        slider.focus()
        slider.press("ArrowRight")
        deadline = time.monotonic() + 120
        while shown.evaluate(DRAWN) == before:
            assert time.monotonic() < deadline, "the picture follows the slider"
            page.wait_for_timeout(50)
    page.wait_for_timeout(300)  # for the scripts that set names
    assert nameless(page) == []
    if "OMG_SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["OMG_SCREENSHOTS"]) / f"{name}.png", full_page=True)
