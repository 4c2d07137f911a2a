"""The book: what a panel, a question and a term become; the built site, in Chromium with the network cut off.

The suite builds a book with one notebook run, and opens those of its pages that differ in kind. With OMG_BOOK=1, after
`make book`, the same tests open every page of the whole book.
"""

import html
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "build/book"
FEW = ("index.html", "api.html", "00_start_here.html", "13_your_own_code.html", "glossary.html", "search.html")
"""One page of each kind: what the suite opens in Chromium."""
BUILD = runpy.run_path(str(ROOT / "deploy/book/build.py"))
page_outputs, link_terms = BUILD["page_outputs"], BUILD["link_terms"]


def shown(**data: object) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {name.replace("__", "/"): value for name, value in data.items()})


def widget(**data: object) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {BUILD["WIDGET"]: {}, "text/plain": "Panel()", **data})


def test_a_panel_shows_the_html_that_it_offers():
    (output,) = page_outputs([widget(**{"text/html": "<svg></svg>"})])
    assert output.data == {"text/html": "<svg></svg>", "text/plain": "Panel()"}


def test_another_panel_leaves_its_last_picture_with_a_sentence():
    kept = shown(**{"text/html": f"<p>{BUILD['KEPT']}</p><img>", "text/plain": ""})
    (output,) = page_outputs([widget(), kept])
    assert "<img>" in output.data["text/html"] and "Open this notebook in JupyterLab" in output.data["text/html"]
    (alone,) = page_outputs([widget()])
    assert alone.data["text/html"] == BUILD["PANEL"]


def test_other_outputs_stay_as_they_are():
    outputs = [nbformat.v4.new_output("stream", text="1"), shown(**{"text/plain": "2"})]
    assert page_outputs(list(outputs)) == outputs


def test_a_question_of_numbers_becomes_a_form():
    heard = shown(**{BUILD["TRUTH"]: {"truth": [1, 128], "labels": ["the runner", "a \"b\" <c>"]}})
    (output,) = page_outputs([heard, shown(**{"text/html": "Not answered yet"})])
    text = output.data["text/html"]
    truth, labels = re.search(r'data-truth="([^"]*)" data-labels="([^"]*)"', text).groups()
    assert json.loads(html.unescape(truth)) == [1, 128] and json.loads(html.unescape(labels))[1] == 'a "b" <c>'
    assert "<details>" in text and "[1, 128]" in text


def test_a_term_is_linked_once_and_not_in_code_links_or_headings():
    text = "# The runner\n\n`runner` and [a runner](x.md): the runner, another runner, a frontrunner"
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_markdown_cell("runner")]
    link_terms(cells, {"runner": "term-runner"})
    linked = "the [runner](glossary.md#term-runner), another runner, a frontrunner"
    assert cells[0].source == f"# The runner\n\n`runner` and [a runner](x.md): {linked}"
    assert cells[1].source == "runner"


def test_every_linked_term_has_an_anchor_in_the_glossary():
    text = BUILD["glossary"]((ROOT / "notebooks/glossary.md").read_text(encoding="utf-8"))
    anchors = re.findall(r'id="(term-[a-z-]+)"', text)
    assert sorted(anchors) == sorted(BUILD["terms"]().values()) and len(anchors) > 15


def test_a_notebook_that_fails_is_named_and_the_last_book_stays(tmp_path, monkeypatch, capsys):
    def fail(path: Path) -> None:
        raise CellExecutionError("a traceback", "ValueError", "no such seat")

    (tmp_path / "book").mkdir()
    for name, value in (("SOURCE", tmp_path / "source"), ("TARGET", tmp_path / "book"), ("run", fail)):
        monkeypatch.setitem(BUILD["main"].__globals__, name, value)
    monkeypatch.setattr(sys, "argv", ["build.py", "--run", "03"])
    assert BUILD["main"]() == 1 and (tmp_path / "book").exists()
    assert capsys.readouterr().err == "03_replay_buffer.ipynb fails: ValueError: no such seat\n"


# --- the built site --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    """Every page of the book; built here with one notebook run, unless OMG_BOOK says that `make book` has built it."""
    for name in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    if not os.environ.get("OMG_BOOK"):
        command = [sys.executable, "deploy/book/build.py", "--run", "00"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    return sorted(BOOK.rglob("*.html"))


@pytest.mark.slow
def test_every_link_and_anchor_leads_somewhere(pages):
    assert {"index.html", "api.html"} <= {path.name for path in pages} and len(pages) >= 16
    texts = {path.resolve(): path.read_text(encoding="utf-8") for path in pages}
    broken = []
    for path, text in texts.items():
        for link in re.findall(r'(?:href|src)="([^"]+)"', text):
            parts = urlsplit(html.unescape(link))
            if parts.scheme in ("http", "https", "data", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and target in texts and f'id="{anchor}"' not in texts[target]):
                broken.append(f"{path.relative_to(BOOK)}: {link}")
    assert broken == []


@pytest.fixture(scope="module")
def page(pages) -> Iterator[object]:
    """A page of Chromium that has no network; `page.said` collects requests to a host, and errors."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("OMG_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium was not found: install it, or name it in OMG_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(offline=True).new_page()
        page.set_default_timeout(120_000)  # a busy machine is slow, which is not a failure
        page.said = []
        page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:", "about:")) or page.said.append(r.url))
        page.on("console", lambda m: m.type == "error" and page.said.append(m.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        yield page
        browser.close()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_opens_without_a_network_and_is_accessible(pages, page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.emulate_media(color_scheme=scheme)
    opened, violations = 0, {}
    for path in pages:
        if os.environ.get("OMG_BOOK") or path.name in FEW:
            page.goto(path.as_uri())
            opened += 1
            found = axe.Axe().run(page, options={"preload": False}).response["violations"]
            if found:
                violations[path.name] = [(one["id"], one["nodes"][0]["html"][:120]) for one in found]
    assert opened >= len(FEW) and page.said == []
    assert violations == {}


@pytest.mark.slow
@pytest.mark.browser
def test_a_question_is_checked_in_the_page(page):
    page.goto((BOOK / "notebooks/00_start_here.html").as_uri())
    form = page.locator("form.omg-question").first
    for answer, verdict in (
        ("1, 128, 32", "Not yet: the question asks for 4 numbers, but you gave 3."),
        ("1, 128, 32, 64", "Not yet: wrong is the network."),
        ("1 128 32 128", "Right: [1, 128, 32, 128]."),
    ):
        form.locator("input").fill(answer)
        form.locator("button").click()
        assert form.locator("[role=status]").inner_text() == verdict


@pytest.mark.slow
@pytest.mark.browser
def test_the_flow_panel_is_alive_in_the_page(page):
    page.goto((BOOK / "notebooks/00_start_here.html").as_uri())
    panel = page.frame_locator("iframe").first
    panel.locator(".omg-n-agents [role=slider]").press("ArrowRight")
    assert "32 × 9 = 288" in panel.locator(".omg-flow svg").text_content()


@pytest.mark.slow
@pytest.mark.browser
def test_search_finds_a_page(page):
    page.goto((BOOK / "search.html").as_uri() + "?q=regroup")
    page.locator("#search-results li a", has_text="Regroup").first.wait_for()
