"""The Chinese notebooks in a real JupyterLab: they run, and their panels speak Chinese because of where they are."""

import os
from pathlib import Path

import pytest

from tests.helpers.pages import READY

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FAILED = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]'
SAID = {
    "00_start_here.ipynb": ["课程需要的都齐了", "按“运行”来测量", "运行器推进"],
    "01_three_batch_sizes.ipynb": ["还没作答", "第 1 个阶段"],
}
TOKEN = "omg"


@pytest.fixture(scope="module")
def chinese_lab(folder, served):
    """A JupyterLab whose system is English and which sets no language: the folder alone tells it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMG_LANG")
        patch.setenv("LANG", "C.UTF-8")
        with served(folder) as address:
            yield address


@pytest.mark.parametrize("name", SAID)
def test_a_notebook_runs_and_speaks_chinese(browser, chinese_lab, run_all, name):
    page = browser.new_page(viewport={"width": 1280, "height": 13000})
    page.set_default_timeout(120_000)
    page.goto(f"{chinese_lab}/lab/tree/zh/{name}?token={TOKEN}&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(READY)
    run_all(page)
    assert page.locator(FAILED).all_inner_texts() == []
    for words in SAID[name]:
        page.locator(f".jp-OutputArea-output :text('{words}')").first.wait_for(state="attached")
    if "OMG_SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["OMG_SCREENSHOTS"]) / f"zh-{name}.png", full_page=True)
    page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
    page.close()
