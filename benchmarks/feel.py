"""How the moving picture feels, and what it costs: key press to picture, frames a second, CPU of being watched.

    python -m benchmarks.feel --json data/results/feel.json        # on a quiet machine; needs playwright and Chromium

The page is the exported one, in headless Chromium. A key changes `batch_size`; the clock runs from the key's own time
stamp until the frame that shows the new picture has been painted. `watched` is the kernel's CPU seconds of a run whose
panel is shown and draws every message, over the same run without a panel: the worst case, since a hidden page is sent
nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.timing import machine
from omg_lib.widgets import FlowModel, FlowPanel

SIZES = ((8, 32), (16, 64))
KEYS, FRAMES, UPDATES, ROUNDS = 100, 3000, 6, 3
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
LISTEN = """() => {
  window.waited = [];
  const box = document.querySelector('.omg-batch-size input[type=range]');
  box.focus();
  box.addEventListener('keydown', event => requestAnimationFrame(() => {
    const painted = new MessageChannel();  // its message comes after the frame
    painted.port1.onmessage = () => window.waited.push(performance.now() - event.timeStamp);
    painted.port2.postMessage(0);
  }));
}"""
COUNT = """most => new Promise(done => {
  const seen = [], start = performance.now();
  const tick = now => { seen.push(now); if (now - start < most) requestAnimationFrame(tick); else done(seen); };
  requestAnimationFrame(tick);
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    args = parser.parse_args()
    found = {"machine": machine(), "page": page(), "watched": watched()}
    print(json.dumps(found, indent=2))
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def page() -> list[dict[str, Any]]:
    """Measure the exported page at every size, paused and playing."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("OMG_CHROMIUM") or shutil.which("chromium")
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        file = Path(folder) / "flow.html"
        FlowModel().export(file)
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        for n_agents, batch_size in SIZES:
            for mode in ("paused", "playing"):
                shown = browser.new_page(viewport={"width": 1000, "height": 1000})
                shown.goto(file.as_uri())
                shown.wait_for_function("() => window.flow")
                settings = {"n_agents": n_agents, "batch_size": batch_size}
                shown.evaluate("s => { flow.picture.set(s); flow.pair('batch_size', s.batch_size); }", settings)
                row: dict[str, Any] = {"n_agents": n_agents, "batch_size": batch_size, "mode": mode}
                if mode == "playing":
                    shown.evaluate("() => flow.picture.play(true)")
                    times = shown.evaluate(COUNT, FRAMES)
                    row["frames_per_second"] = round(1000 * (len(times) - 1) / (times[-1] - times[0]), 1)
                row |= _keys(shown)
                rows.append(row)
                shown.close()
        browser.close()
    return rows


def _keys(shown: Any) -> dict[str, float]:
    """Press arrow keys on the slider; milliseconds from key to picture."""
    shown.evaluate(LISTEN)
    for turn in range(KEYS):
        shown.keyboard.press("ArrowLeft" if turn % 2 == 0 else "ArrowRight")
        shown.wait_for_timeout(50)
    waited = sorted(shown.evaluate("() => window.waited"))
    if len(waited) != KEYS:
        raise RuntimeError(f"{len(waited)} of {KEYS} keys changed the picture")
    return {"key_ms_median": round(statistics.median(waited), 1), "key_ms_95": round(waited[int(0.95 * KEYS)], 1)}


def watched() -> dict[str, Any]:
    """Compare the CPU seconds of a run with and without a panel, in turn, in this process."""
    ratios, plain = [], []
    for _ in range(ROUNDS):
        own = _cpu(FlowModel(device="cpu", runner="parallel").run)
        panel = FlowPanel(device="cpu", runner="parallel")
        panel._stream.seen = 10**9  # as if the page drew everything at once
        ratios.append(_cpu(panel.model.run) / own)
        plain.append(own)
    return {
        "updates": UPDATES,
        "cpu_seconds": round(statistics.median(plain), 2),
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }


def _cpu(run: Any) -> float:
    start = time.process_time()
    run(updates=UPDATES)
    return time.process_time() - start


if __name__ == "__main__":
    main()
