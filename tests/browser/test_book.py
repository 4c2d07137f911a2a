"""The built book in Chromium: opened from disk, with the network cut off.

Every run of the suite builds a small book: notebooks 00 and 04 are run, the others are there without outputs. It opens
one page of each kind. After `make book`, `OMG_BOOK=build/book pytest tests/browser/test_book.py` opens every page of
the whole book instead. Both look at each page in light and in dark.
"""

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.helpers import warm
from tests.helpers.flow import LOCAL

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ROOT = Path(__file__).parents[2]
WHOLE = os.environ.get("OMG_BOOK")
FEW = ("index", "00_start_here", "04_regroup", "glossary", "checks", "search", "genindex")
"""One page of each kind: what the suite opens in Chromium."""
AXE = {"preload": False, "iframes": False, "rules": {"page-has-heading-one": {"enabled": False}}}
AXE |= {"resultTypes": ["violations"]}
"""Each frame is looked at by itself, and belongs to the headings of the page around it. Only of violations each place
is told: a page has thousands of places where all is well.
"""
COLOURS = {"runOnly": ["color-contrast"]}
"""What can differ between light and dark."""
LOOSE = """() => {
  for (const fold of document.querySelectorAll('details')) fold.open = true;
  for (const frame of document.querySelectorAll('iframe')) frame.loading = 'eager';
  return [...document.querySelectorAll('iframe')].length;
}"""
"""Open what is folded and load what waits to be scrolled to, so that all of a page is looked at."""


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """The folder of a built book."""
    for name in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    if WHOLE:
        return Path(WHOLE).resolve()
    folder = tmp_path_factory.mktemp("small") / "book"
    command = [sys.executable, "-m", "deploy.book", "--run", "00", "04", "--to", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | warm.kernels(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def page(book, browser) -> Iterator[object]:
    """A page without a network; `page.said` collects requests to a host, and errors."""
    page = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(120_000)  # a busy machine is slow, which is not a failure
    page.said = []
    page.on("request", lambda request: request.url.startswith(LOCAL) or page.said.append(request.url))
    page.on("console", lambda line: page.said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    page.context.close()


def chosen(book: Path) -> list[Path]:
    pages = sorted(book.rglob("*.html"))
    found = [path for path in pages if WHOLE or path.stem in FEW]
    assert {path.stem for path in found} >= set(FEW) and len(pages) >= 19
    return found


def test_every_page_has_one_heading_and_every_link_and_anchor_leads_somewhere(book):
    texts = {path.resolve(): path.read_text(encoding="utf-8") for path in book.rglob("*.html")}
    broken, followed = [], 0
    for path, text in texts.items():
        assert text.count("<h1") == 1, path
        for link in re.findall(r'(?:href|src)="([^"]+)"', text):
            parts = urlsplit(html.unescape(link))
            if parts.scheme in ("http", "https", "data", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            followed += 1
            if not target.exists() or (anchor and target in texts and f'id="{anchor}"' not in texts[target]):
                broken.append(f"{path.relative_to(book.resolve())}: {link}")
    assert broken == [] and followed > 1000


@pytest.mark.timeout(1800)
def test_pages_ask_no_host_raise_no_error_and_are_accessible(book, page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    violations, looked = {}, 0
    for path in chosen(book):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto(path.as_uri())
            frames = page.evaluate(LOOSE)
            assert len(page.frames) == 1 + frames
            for frame in page.frames:
                frame.wait_for_load_state()
                found = axe.Axe().run(frame, options=AXE | (COLOURS if scheme == "dark" else {})).response
                looked += len(found["passes"])
                for one in found["violations"]:
                    where = violations.setdefault((one["id"], one["nodes"][0]["html"][:150]), [])
                    where.append((path.stem, scheme, len(one["nodes"])))
    assert page.said == []
    assert violations == {}
    assert looked > 20 * len(chosen(book))


def open_page(page: object, book: Path, name: str) -> None:
    page.emulate_media(color_scheme="light")
    page.goto((book / name).as_uri())


def test_a_question_of_numbers_is_checked_in_the_page(book, page):
    open_page(page, book, "notebooks/00_start_here.html")
    form = page.locator("form.omg-question").first
    for answer, verdict in (
        ("1, 128, 32", "Not yet: the question asks for 4 numbers, but you gave 3."),
        ("1, 128, 32, 64", "Not yet: 1 of 4 numbers is wrong (the network)."),
        ("1 128 32 128", "Right: [1, 128, 32, 128]."),
    ):
        form.locator("input").fill(answer)
        form.locator("button").click()
        assert form.locator("[role=status]").inner_text() == verdict


def test_the_chinese_page_of_the_same_notebook_asks_and_answers_in_chinese(book, page):
    open_page(page, book, "notebooks/00_start_here.html")
    page.locator("article a[href='zh/00_start_here.html']").click()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.locator("article").inner_text().count("形状") > 1
    form = page.locator("form.omg-question").first
    for answer, verdict in (
        ("1, 128, 32", "还不对：题目要 4 个数，你给了 3 个。"),
        ("1 128 32 128", "正确：[1, 128, 32, 128]。"),
    ):
        form.locator("input").fill(answer)
        form.get_by_role("button", name="检查").click()
        assert form.locator("[role=status]").inner_text() == verdict
    page.locator("article a[href='../00_start_here.html']").click()
    assert page.locator("html").get_attribute("lang") == "en"


def test_a_choice_is_checked_in_the_page_and_code_has_a_fold(book, page):
    open_page(page, book, "notebooks/04_regroup.html")
    form = page.locator("form.omg-question").last
    form.locator("button").click()
    assert form.locator("[role=status]").inner_text() == "Not answered yet: choose one."
    for answer, verdict in (("labels", "Not yet: "), ("shuffled labels", "Right: shuffled labels (")):
        form.get_by_label(answer, exact=True).check()
        form.locator("button").click()
        assert form.locator("[role=status]").inner_text().startswith(verdict)
    assert "rows_of_seats" in page.locator("details", has_text="_by_seat").text_content()


def test_the_flow_panel_is_alive_in_the_page(book, page):
    open_page(page, book, "notebooks/00_start_here.html")
    page.evaluate(LOOSE)
    panel = page.frame_locator("iframe").first
    panel.locator(".omg-n-agents [role=slider]").press("ArrowRight")
    assert "32 × 9 = 288" in panel.locator(".omg-flow svg").text_content()


def test_on_paper_nothing_is_cut_off_and_no_navigation_is_left(book, page):
    """A4 between its margins is 718 pixels wide."""
    page.set_viewport_size({"width": 718, "height": 1000})
    page.goto((book / "notebooks/01_three_batch_sizes.html").as_uri())
    page.emulate_media(media="print")
    wide = """() => [...document.querySelectorAll('.content pre, .cell_output, .table-wrapper')]
        .filter(part => part.scrollWidth > part.clientWidth + 2).map(part => part.innerText)"""
    assert page.evaluate(wide) == []
    left = page.locator(".sidebar-drawer, .toc-drawer, .mobile-header, .related-pages, .omg-question button")
    assert left.count() > 3 and not any(part.is_visible() for part in left.all())
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_search_finds_a_page_and_pages_lead_to_the_next(book, page):
    open_page(page, book, "search.html")
    page.goto((book / "search.html").as_uri() + "?q=regroup")
    page.locator("#search-results li a", has_text="Regroup").first.wait_for()
    open_page(page, book, "notebooks/04_regroup.html")
    assert [page.locator(f".{name}-page").get_attribute("href") for name in ("prev", "next")] == [
        "03_replay_buffer.html",
        "05_subgoal_prior.html",
    ]
