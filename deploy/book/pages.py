"""What the notebooks and the library become on a page: outputs without a kernel, questions, terms, the reference."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
WIDGET = "application/vnd.jupyter.widget-view+json"
TRUTH = "application/vnd.omg.truth+json"
"""What `listen.py` leaves in the outputs of a question."""
ROOMS = (
    *("config", "contract", "trace", "envs.base", "episodes", "networks", "subgoals", "controller", "runner", "buffer"),
    *("regroup", "predict", "learners.q_learner", "learners.omg", "training", "runs.folder", "provenance.follow"),
    "checks",
)
"""The modules of the reference."""
FORM = """<form class="omg-question" data-question="{heard}">{ask}
<button type="submit">Check</button> <span role="status"></span></form>"""
FOLD = "<details><summary>Show the answer</summary>{shown}</details>"
TRY = "<p><em>Open this notebook in JupyterLab to try your own code.</em></p>"
PANEL = "<p><em>Open this notebook in JupyterLab to use the panel.</em></p>"
KEPT = "The panel's last picture. The panel itself needs a kernel: run this cell again."
LAST = "The panel's last picture. Open this notebook in JupyterLab to use it."
LIVE = "Move a slider: the picture follows in this page. To train, open this notebook in JupyterLab."
EDITIONS = re.compile(r"\n*\[[^\]]*\]\(zh/[^)]*\)")
"""A link to another edition, which the book does not hold."""


def as_page(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Turn the outputs of widgets and questions into what a page without a kernel can show."""
    for cell in notebook.cells:
        cell.source = EDITIONS.sub("", cell.source)
        if cell.cell_type == "code":
            cell.outputs = page_outputs([here(output) for output in cell.outputs])
    return notebook


def here(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return an output in which no path leads out of the project: a page is read on another machine."""
    text = json.dumps(output, ensure_ascii=False).replace(f"{ROOT}/", "")
    return nbformat.from_dict(json.loads(re.sub(r"/[\w./-]*/ipykernel_\d+/\d+\.py", "the cell", text)))


def page_outputs(outputs: list) -> list:
    """Return a cell's outputs for a page: no widget without HTML of its own, and a form for a question."""
    kept, panels = [], 0
    truths = [output.data[TRUTH] for output in outputs if TRUTH in output.get("data", {})]
    if truths:
        return [nbformat.v4.new_output("display_data", {"text/html": question(truths[0])})]
    for output in outputs:
        data = output.get("data", {})
        panels += WIDGET in data
        data.pop(WIDGET, None)
        if "text/html" in data:
            text = "".join(data["text/html"])
            data["text/html"] = text.replace(KEPT, LIVE if "<iframe" in text else LAST)
        elif "application/javascript" in data or (panels and data.keys() <= {"text/plain"} and data):
            continue
        kept.append(output)
    if panels and not any("text/html" in output.get("data", {}) for output in kept):
        kept.insert(0, nbformat.v4.new_output("display_data", {"text/html": PANEL}))
    return kept


def question(heard: dict) -> str:
    """Return the form that checks an answer in the page, or a sentence where that takes a kernel; the answer in a fold.

    `heard` is what `listen.py` leaves: `numbers` and their `labels`, the `right` one of `facts`, or `code`.
    """
    if "code" in heard:
        return TRY + FOLD.format(shown=f"<pre>{html.escape(heard['code'])}</pre>")
    if "numbers" in heard:
        count = len(heard["numbers"])
        counted = "a number" if count == 1 else f"{count} numbers"
        ask = f'<label>Your answer, {counted}: <input inputmode="numeric" autocomplete="off"></label>'
        shown = str(heard["numbers"])
    else:
        names = [html.escape(name) for name in heard["facts"]]
        options = "".join(f'<label><input type="radio" name="answer" value="{name}"> {name}</label> ' for name in names)
        ask = f"<fieldset><legend>Your answer:</legend>{options}</fieldset>"
        shown = f"{heard['right']}: {heard['facts'][heard['right']]}"
    form = FORM.format(heard=html.escape(json.dumps(heard)), ask=ask)
    return form + FOLD.format(shown=f"<p>{html.escape(shown)}</p>")


def terms() -> dict[str, str]:
    """Return term -> anchor for the words of the glossary's first column that are longer than a symbol."""
    text = (ROOT / "notebooks/glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([a-z][a-z -]{3,}?)(?:,[^|]*)? \|", text, re.M)
    return {word: "term-" + word.replace(" ", "-") for word in words if word != "word"}


def link_terms(cells: list, known: dict[str, str]) -> None:
    """Link each term to the glossary where a page's prose first uses it; code, links, headings and HTML stay."""
    left = dict(known)
    longest_first = "|".join(sorted(known, key=len, reverse=True))

    def link(found: re.Match[str]) -> str:
        anchor = left.pop(found[1].lower(), None)
        return f"[{found[0]}](glossary.md#{anchor})" if anchor else found[0]

    for cell in cells:
        if cell.cell_type == "markdown":
            parts = re.split(r"(`[^`]*`|!?\[[^\]]*\]\([^)]*\)|<[^>]*>|^(?:#|>|\|).*$)", cell.source, flags=re.M)
            for index in range(0, len(parts), 2):
                parts[index] = re.sub(rf"(?<![\w\[-])({longest_first})s?(?![\w\]-])", link, parts[index], flags=re.I)
            cell.source = "".join(parts)


def glossary(text: str) -> str:
    """Give every term of the glossary an anchor."""
    for word, anchor in terms().items():
        text = re.sub(rf"^\| {word}(?=,| \|)", f'| <span id="{anchor}"></span>{word}', text, flags=re.M)
    return text


def api() -> dict[str, str]:
    """Return the pages of the library's reference, from its docstrings: name -> text."""
    found = {"index": "# The library\n\n```{toctree}\n:maxdepth: 1\n\n" + "\n".join(ROOMS) + "\n```\n"}
    for room in ROOMS:
        found[room] = f"# omg_lib.{room}\n\n```{{eval-rst}}\n.. automodule:: omg_lib.{room}\n```\n"
    return found


def accessible(page: str) -> str:
    """Return a built page with the names and levels that axe-core misses in it."""
    for before, after in (
        ('<aside class="sidebar-drawer"', '<aside aria-label="All pages" class="sidebar-drawer"'),
        ('<aside class="toc-drawer', '<aside aria-label="This page" class="toc-drawer'),
        ('role="heading"', 'role="heading" aria-level="2"'),
        ('<div id="search-results">', '<h1>Search</h1><div id="search-results">'),
    ):
        page = page.replace(before, after)
    return re.sub(r"<th\b[^>]*>\s*</th>", "<td></td>", page)  # a header without words
