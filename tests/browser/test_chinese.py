"""The Chinese notebooks in a real JupyterLab: they run, and their panels speak Chinese because of where they are.

The JupyterLab is the one of all tests: its system is English and it sets no language, so the folder alone tells it.
"""

import os
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FAILED = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]'
SAID = {
    "00_start_here.ipynb": ["课程需要的都齐了", "按“运行”来测量", "运行器推进"],
    "01_three_batch_sizes.ipynb": ["还没作答", "第 1 个阶段"],
}


@pytest.mark.parametrize("name", SAID)
def test_a_notebook_runs_and_speaks_chinese(open_notebook, run_all, name):
    page = open_notebook(f"zh/{name}")
    run_all(page)
    assert page.locator(FAILED).all_inner_texts() == []
    for words in SAID[name]:
        page.locator(f".jp-OutputArea-output :text('{words}')").first.wait_for(state="attached")
    if "OMG_SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["OMG_SCREENSHOTS"]) / f"zh-{name}.png", full_page=True)
