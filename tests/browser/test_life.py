"""Real use of a notebook: left alone for a long time, its tab closed and reopened, two notebooks at once.

`OMG_LIVE_MINUTES=10 python -m pytest tests/browser/test_life.py -s` trains for ten minutes and prints how memory and
the page behaved; by default it trains for half a minute.
"""

import json
import os
import re
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

MINUTES = float(os.environ.get("OMG_LIVE_MINUTES", 0.5))
SETTINGS = 'FlowPanel(n_agents=2, batch_size=4, learner="iql", device="cpu")'
# The longest time between two frames since the last look: a frozen page draws none.
WATCH = """() => {
  window.longest = 0;
  let last = performance.now();
  const tick = now => {
    window.longest = Math.max(window.longest, now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
LOOK = "() => { const gap = window.longest; window.longest = 0; return gap; }"
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
KERNEL = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status"
UPDATE = re.compile(r"Update (\d+)")


def notebook(*lines):
    cell = {"cell_type": "code", "id": "panel", "metadata": {}, "outputs": [], "execution_count": None}
    imports = ("import os", "from pathlib import Path", "from omg_lib.widgets import FlowPanel")
    cell["source"] = "\n".join((*imports, *lines))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [cell]})


@pytest.fixture
def shown(folder, open_notebook, run_all):
    """shown("name") -> the page of a fresh notebook with a panel, and the process id of its kernel."""

    def show(name, *lines):
        (folder / f"{name}.ipynb").write_text(
            notebook(*lines, f'Path("{name}.pid").write_text(str(os.getpid()))', f"panel = {SETTINGS}", "panel")
        )
        page = open_notebook(f"{name}.ipynb")
        run_all(page)
        page.wait_for_selector(".omg-flow svg")
        return page, int((folder / f"{name}.pid").read_text())

    return show


def update_of(page):
    found = UPDATE.search(page.locator(".omg-progress").text_content())
    return int(found.group(1)) if found else 0


def wait_for_updates(page, more=3, seconds=240):
    """Until the progress counts so many further updates."""
    least, end = update_of(page) + more, time.monotonic() + seconds
    while update_of(page) < least:
        assert time.monotonic() < end, page.locator(".omg-status").text_content()
        page.wait_for_timeout(100)


def wait_status(page, pattern):
    page.wait_for_function(
        "pattern => new RegExp(pattern).test(document.querySelector('.omg-status [role=status]').textContent)",
        arg=pattern,
    )


def resident(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process holds")
@pytest.mark.timeout(int(60 * MINUTES) + 900)
def test_training_for_long_neither_grows_nor_freezes(shown):
    page, pid = shown("live")
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")

    def look():
        client.send("HeapProfiler.collectGarbage")
        page_holds = {row["name"]: row["value"] for row in client.send("Performance.getMetrics")["metrics"]}
        seen = {"heap": page_holds["JSHeapUsedSize"], "nodes": page_holds["Nodes"], "kernel": resident(pid)}
        return seen | {"frame": page.evaluate(LOOK), "calm": calm.evaluate(LOOK), "update": update_of(page)}

    page.locator(".omg-run").click()
    wait_for_updates(page)
    calm = page.context.browser.new_page()  # an empty page, which shows by how much the machine itself delays a frame
    for one in (page, calm):
        one.evaluate(WATCH)
    end, every, looks = time.monotonic() + 60 * MINUTES, max(2.0, 60 * MINUTES / 40), []
    while time.monotonic() < end:
        page.wait_for_timeout(1000 * every)
        looks.append(look())
        print(", ".join(f"{name} {value:,.0f}" for name, value in looks[-1].items()))
    calm.close()
    page.locator(".omg-stop").click()
    wait_status(page, r"^Stopped at update \d+$")
    settled, last = looks[len(looks) // 3], looks[-1]
    assert last["update"] > settled["update"] > 0
    assert last["nodes"] < 1.2 * settled["nodes"] + 200
    assert last["heap"] < settled["heap"] + 20e6
    assert last["kernel"] < settled["kernel"] + 60e6
    frozen, noise = (max(row[name] for row in looks) for name in ("frame", "calm"))
    assert frozen < 5000 + 5 * noise, "milliseconds between two frames"


def test_a_tab_that_is_closed_and_opened_again_shows_the_run_that_goes_on(shown, open_notebook):
    page, _ = shown("closed")
    page.locator(".omg-run").click()
    wait_for_updates(page)
    page.evaluate(SAVE)
    before = update_of(page)
    page.close()
    again = open_notebook("closed.ipynb")
    again.wait_for_selector(".omg-flow svg")
    wait_for_updates(again)
    assert update_of(again) > before, "the kernel kept training meanwhile"
    again.locator(".omg-stop").click()
    wait_status(again, r"^Stopped at update \d+$")


def test_two_notebooks_train_at_once_and_save_to_one_folder(shown, folder):
    (one, first), (two, second) = shown("one"), shown("two")
    assert first != second
    for page in (one, two):
        page.locator(".omg-run").click()
    for page in (one, two):
        wait_for_updates(page)
    for _ in range(3):
        for page in (one, two):
            page.locator(".omg-save").click()
    for page in (one, two):
        wait_status(page, "^(Saved|Training)")
        page.locator(".omg-stop").click()
        wait_status(page, r"^Stopped at update \d+$")
    saved = folder / "runs" / "flow"
    assert json.loads((saved / "trace.json").read_text())["schema"] == 1
    assert sorted(path.name for path in saved.iterdir()) == [
        "curves.csv", "curves.png", "flow.html", "flow.svg", "trace.json"
    ]  # fmt: skip


def test_what_the_runs_thread_raises_stands_in_the_panel(shown):
    page, _ = shown(
        "failing",
        "from omg_lib.buffer import ReplayBuffer",
        "def fail(*_, **__): raise RuntimeError('the 42nd sample fell over')",
        "ReplayBuffer.sample = fail",
    )
    page.locator(".omg-run").click()
    wait_status(page, "^The run failed: RuntimeError: the 42nd sample fell over$")
    assert page.evaluate(KERNEL) == "idle", "and the kernel survives"
