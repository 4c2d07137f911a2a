"""Pictures keep their hatching when another one on the page is hidden, as JupyterLab hides what is out of sight."""

import pytest

import omg_lib as omg
from omg_lib.flow import flow_svg
from omg_lib.plots import stage_svg


@pytest.mark.browser
def test_hiding_one_picture_changes_no_other(browser):
    config = omg.OMGConfig(n_agents=3, batch_size=4)
    plan = omg.predict(config)
    page = browser.new_page(viewport={"width": 1000, "height": 1400})
    pictures = [flow_svg(plan), flow_svg(plan), stage_svg(plan)]
    page.set_content("".join(f'<div id="picture-{i}">{svg}</div>' for i, svg in enumerate(pictures)))
    second = page.locator("#picture-1")
    before = second.screenshot()
    page.evaluate("document.querySelector('#picture-0').style.visibility = 'hidden'")  # the space stays reserved
    assert second.screenshot() == before
    page.evaluate("document.querySelector('#picture-0').firstChild.style.display = 'none'")
    page.evaluate("document.querySelector('#picture-0').style.height = '0'")
    hidden = second.screenshot()
    page.evaluate("document.querySelector('#picture-0').remove()")
    assert second.screenshot() == hidden
    page.evaluate("for (const one of document.querySelectorAll('pattern')) one.removeAttribute('id')")
    assert second.screenshot() != hidden, "without its patterns it would look different"
    page.close()
