"""The moving picture at the top of README: one update of a real run, filmed in Chromium.

`make film` films it again, at the size that README speaks of.
"""

import io
import os
from pathlib import Path

import pytest

from omg_lib.widgets import FlowModel
from tests.helpers.flow import opened

pytestmark = pytest.mark.browser

IMAGES = Path(__file__).parents[2] / "notebooks" / "images"
LIMIT = 1_500_000
"""Bytes that README may load for it."""
KEEP = os.environ.get("OMG_SAVE_SCREENSHOT") == "1"
STEPS = 8 if KEEP else 3
"""Frames of a stage in which something moves."""
MOVING, STILL, END = 130, 700, 2500
"""Milliseconds of a frame in mid-motion, of one that shows a finished stage, and of the finished update."""
COLOURS = 64


def film(page, path: Path) -> list[bytes]:
    """Write one update, stage by stage, as an animated GIF; return its frames as PNG files."""
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    total, box, last = page.evaluate("() => flow.picture.total"), page.locator(".omg-panel"), b""
    frames, times = [], []
    for step in range(total * STEPS + 1):
        page.evaluate("phase => flow.picture.go(phase)", step / STEPS)
        shot = box.screenshot()
        if shot == last:  # nothing moves in this stage
            continue
        last = shot
        frames.append(shot)
        times.append(END if step == total * STEPS else MOVING if step % STEPS else STILL)
    pictures = [image.open(io.BytesIO(one)).convert("RGB") for one in frames]
    palette = pictures[-1].quantize(COLOURS)  # one for all: what stands still does not flicker
    pictures = [one.quantize(palette=palette, dither=image.Dither.NONE) for one in pictures]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=False)
    return frames


def test_readme_opens_with_a_film_of_a_real_run(browser, tmp_path):
    n_agents, batch_size = (8, 32) if KEEP else (3, 4)
    model = FlowModel(n_agents=n_agents, batch_size=batch_size, device="cpu")
    model.run(updates=2)
    page_file = model.export(tmp_path / "flow.html")
    path = (IMAGES if KEEP else tmp_path) / "flow.gif"
    with opened(browser, page_file, 1000, 720, color_scheme="light") as page:
        assert page.locator("[data-state=equal]").count() == len(model.trace.stages)
        frames = film(page, path)
    assert len(frames) >= STEPS * len(model.trace.stages) * 3 / 8, "most stages move"
    assert path.stat().st_size <= LIMIT


def test_the_film_that_is_kept_is_small_and_moves():
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    path = IMAGES / "flow.gif"
    assert path.stat().st_size <= LIMIT
    with image.open(path) as kept:
        assert kept.n_frames > 30 and kept.info["loop"] == 0
