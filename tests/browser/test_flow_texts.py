"""Every word of the page comes from Python: with all of its texts in brackets, no word is left outside of them."""

import re

import pytest

from omg_lib import OMGConfig, predict
from omg_lib.flow import flow_page, handover
from tests.helpers.flow import opened

pytestmark = pytest.mark.browser

SHOWN = """() => {
  const all = [], walk = document.createTreeWalker(document.querySelector('#flow'), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) all.push(walk.currentNode.textContent);
  for (const one of document.querySelectorAll('#flow *')) {
    for (const name of ['aria-label', 'title', 'placeholder', 'aria-valuetext']) all.push(one.getAttribute(name) ?? '');
  }
  return all;
}"""


def bracketed(value):
    """Put brackets around every text, at any depth."""
    if isinstance(value, str):
        return f"⟦{value}⟧"
    return {name: bracketed(one) for name, one in value.items()}


@pytest.mark.parametrize("learner", ["omg", "iql"])
def test_no_word_is_written_in_the_module(browser, tmp_path, learner):
    config = OMGConfig(learner=learner)
    data = handover(config)
    names = {*data["learners"], *data["envs"], *data["devices"], *data["settings"], *data["runners"]}
    plan = predict(config)
    names |= {part for stage in plan.stages for part in [*stage.name.split("."), *stage.fields]}
    data |= {name: bracketed(data[name]) for name in ("texts", "words")}
    (tmp_path / "flow.html").write_text(flow_page(data, ""), encoding="utf-8")
    with opened(browser, tmp_path / "flow.html") as page:
        found = page.evaluate(SHOWN)
        for asked in ("group 3 slot 2", "slot 2", "group 3", "episode 9999", "nonsense"):
            page.fill(".omg-search", asked)
            page.press(".omg-search", "Enter")
            found.append(page.locator(".omg-followed").text_content().replace(asked, ""))
        page.fill(".omg-batch-size input[type=number]", "0")
        page.press(".omg-batch-size input[type=number]", "Enter")
        found.append(page.locator(".omg-status").text_content())
    assert sum("⟦" in one for one in found) > 40
    left = "\n".join(found)
    for _ in range(2):  # a text may hold another one
        left = re.sub(r"⟦[^⟦⟧]*⟧", " ", left)
    for name in sorted(names, key=len, reverse=True):
        left = left.replace(name, "")
    assert re.findall(r"[A-Za-z]{3,}", left) == [], "texts of the module itself"
