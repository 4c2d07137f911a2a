"""The tour: a student in notebooks 00 and 01 moves a slider, runs, sees the rows become equal, and answers a question.

`make tour` films this test into notebooks/images/tour.webp, which README and the book show; otherwise only some of the
pictures are taken, and the film goes into pytest's folder. The script sets the time of each frame, so a busy machine
makes no longer film.
"""

import io
import os
from itertools import count
from pathlib import Path

import pytest

from tests.helpers.pages import SETTLED

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

IMAGES = Path(__file__).parents[2] / "notebooks/images"
LARGEST = 3_000_000
KEPT = os.environ.get("OMG_SAVE_SCREENSHOT") == "1"
EVERY = 1 if KEPT else 4
"""One of so many pictures is taken."""
FRAMES = 40
"""What a film has at least, if every picture is taken."""
SCALE = 0.75
EQUAL = """() => {
  const rows = [...document.querySelectorAll('.omg-flow [data-stage]')];
  return rows.length > 5 && rows.every(row => row.dataset.state === 'equal');
}"""
SELECT = """id => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === id);
  return notebook.scrollToItem(notebook.activeCellIndex, 'start');
}"""
RUN = "() => window.jupyterapp.commands.execute('notebook:run-cell')"
WRITE = "text => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(text)"
SOURCE = "() => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.getSource()"


class Film:
    """Pictures of pages, each with the milliseconds for which it is shown."""

    def __init__(self) -> None:
        self.frames, self.times, self.numbers = [], [], count()

    def take(self, page: object, shown: int) -> None:
        if next(self.numbers) % EVERY:
            self.times[-1] += shown
            return
        png = page.locator(".jp-NotebookPanel:visible").screenshot()
        frame = Image.open(io.BytesIO(png)).convert("RGB")
        frame = frame.resize((int(frame.width * SCALE), int(frame.height * SCALE)), Image.Resampling.LANCZOS)
        if self.frames and frame.tobytes() == self.frames[-1].tobytes():
            self.times[-1] += shown
        else:
            self.frames.append(frame)
            self.times.append(shown)

    def save(self, path: Path) -> None:
        first, *others = self.frames
        first.save(path, save_all=True, append_images=others, duration=self.times, loop=0, quality=55, method=4)


def start(open_notebook, name: str, *cells: str) -> object:
    """Open a notebook without side bars, run these cells, and stop at the last one."""
    page = open_notebook(name, width=1060, height=1150)
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    for cell in cells:
        page.evaluate(SELECT, cell)
        page.evaluate(RUN)
    return page


def move_sliders(page: object, film: Film) -> None:
    """Five seats fewer, then groups of 8: the predicted numbers follow."""
    for part, key, times in (("n-agents", "ArrowLeft", 5), ("batch-size", "PageDown", 3)):
        page.locator(f".omg-{part} [role=slider]").focus()
        for _ in range(times):
            page.keyboard.press(key)
            page.evaluate(SETTLED)
            film.take(page, 400)
    film.take(page, 1000)


def train(page: object, film: Film) -> None:
    """Press Run and watch until every row is equal, and a little longer."""
    page.locator(".omg-run").click()
    while not page.evaluate(EQUAL):
        film.take(page, 200)
        page.wait_for_timeout(500)
    for _ in range(20):
        film.take(page, 200)
    page.locator(".omg-stop").click()
    page.evaluate(SETTLED)
    film.take(page, 1000)


def answer(page: object, film: Film, numbers: str, said: str) -> None:
    """Type an answer into the open cell, run it, and see what it says."""
    first, rest = page.evaluate(SOURCE).split("guess = ")[0], page.evaluate(SOURCE).split("\n", 2)[2]
    for end in range(1, len(numbers) + 1):
        page.evaluate(WRITE, f"{first}guess = {numbers[:end]}\n{rest}")
        film.take(page, 90)
    film.take(page, 600)
    page.evaluate(RUN)
    page.locator(".jp-Cell.jp-mod-active .jp-OutputArea-output", has_text=said).wait_for()
    film.take(page, 2500)


def test_the_tour_is_a_short_small_loop(open_notebook, tmp_path):
    film = Film()
    page = start(open_notebook, "00_start_here.ipynb", "panel-show")
    page.wait_for_selector(".omg-flow svg")
    page.evaluate(SETTLED)
    film.take(page, 1500)
    move_sliders(page, film)
    train(page, film)
    page = start(open_notebook, "01_three_batch_sizes.ipynb", "setup", "setup-answers", "question-1")
    film.take(page, 1500)
    answer(page, film, "(1, 80, 80, 80)", "Not yet")
    answer(page, film, "(1, 80, 16, 80)", "Right")

    path = (IMAGES if KEPT else tmp_path) / "tour.webp"
    film.save(path)
    check(path, FRAMES // EVERY)
    print(f"\n{path}: {len(film.frames)} frames, {sum(film.times) / 1000:.1f} s, {path.stat().st_size / 1e6:.2f} MB")


def check(path: Path, frames: int = FRAMES) -> list[int]:
    """Check what holds of any tour, and return the milliseconds of its frames."""
    assert path.stat().st_size <= LARGEST
    with Image.open(path) as made:
        assert made.n_frames > frames and made.info["loop"] == 0
        return [made.seek(number) or made.load() and made.info["duration"] for number in range(made.n_frames)]


def test_the_tour_that_is_kept_takes_twenty_to_thirty_seconds():
    assert 20_000 <= sum(check(IMAGES / "tour.webp")) <= 30_000
