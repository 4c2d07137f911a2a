"""A replay in a page without a kernel: the slider shows one line at a time; without scripts, all are listed."""

import pytest

from omg_lib.lessons.strangers import followed

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_replay_needs_no_kernel(browser, tmp_path, scripts):
    found = followed("memory")
    replay = found.replay()
    page = tmp_path / "replay.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{replay.html}", encoding="utf-8")
    tab = browser.new_context(java_script_enabled=scripts).new_page()
    tab.goto(page.as_uri())
    frames = tab.locator(".omg-replay li:visible")
    assert frames.count() == (1 if scripts else len(replay.frames))
    if scripts:
        assert "the origins met here" in frames.inner_text()
        tab.locator("input[type=range]").press("ArrowLeft")
        assert tab.locator("output").inner_text() == f"{replay.start - 1} of {len(replay.frames)}"
        assert "the origins met here" not in frames.inner_text()
