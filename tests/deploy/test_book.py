"""The book: what a panel, a question and a term become; the links of the built site."""

import html
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tests.helpers import warm

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "build/book"
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
    heard = shown(**{BUILD["TRUTH"]: {"truth": [1, 128], "labels": ["the runner", 'a "b" <c>']}})
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


def test_built_pages_get_what_axe_misses():
    page = '<aside class="toc-drawer no-toc"><pre>x</pre><th scope="col"></th><th>n</th><p role="heading">c</p></aside>'
    made = BUILD["accessible"](page)
    assert 'aria-label="This page"' in made and '<pre tabindex="0">' in made and 'aria-level="2"' in made
    assert "<td></td><th>n</th>" in made


# --- the built site --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    """Every page of the book; built here with one notebook run, unless OMG_BOOK says that `make book` has built it."""
    for name in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    if not os.environ.get("OMG_BOOK"):
        command = [sys.executable, "deploy/book/build.py", "--run", "00"]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | warm.kernels(), capture_output=True, text=True)
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
