"""What the notebooks and the library become on a page: outputs without a kernel, questions, terms, the reference."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import nbformat

from omg_lib.words import N_, _, plural

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
FORM = """<form class="omg-question" data-question="{heard}" data-words="{words}">{ask}
<button type="submit">{check}</button> <span role="status"></span></form>"""
FOLD = "<details><summary>{show}</summary>{shown}</details>"
NOTE = "<p><em>{said}</em></p>"
TRY = N_("Open this notebook in JupyterLab to try your own code.")
PANEL = N_("Open this notebook in JupyterLab to use the panel.")
KEPT = N_("The panel's last picture. The panel itself needs a kernel: run this cell again.")
LAST = N_("The panel's last picture. Open this notebook in JupyterLab to use it.")
LIVE = N_("Move a slider: the picture follows in this page. To train, open this notebook in JupyterLab.")
FRAME = (
    *(N_("Search"), N_("On this page"), N_("Next"), N_("Previous"), N_("Back to top"), N_("Skip to content")),
    *(N_("All pages"), N_("This page"), N_("Light mode"), N_("Dark mode"), N_("Toggle site navigation sidebar")),
    *(N_("Toggle table of contents sidebar"), N_("Toggle Light / Dark / Auto color theme"), N_("Link to this heading")),
)
"""Words of Sphinx's theme around a page."""


def as_page(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Turn the outputs of widgets and questions into what a page without a kernel can show."""
    for cell in notebook.cells:
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
            still = LIVE if "<iframe" in text else LAST
            data["text/html"] = text.replace(_(KEPT), _(still))
        elif "application/javascript" in data or (panels and data.keys() <= {"text/plain"} and data):
            continue
        kept.append(output)
    if panels and not any("text/html" in output.get("data", {}) for output in kept):
        kept.insert(0, nbformat.v4.new_output("display_data", {"text/html": NOTE.format(said=_(PANEL))}))
    return kept


def question(heard: dict) -> str:
    """Return the form that checks an answer in the page, or a sentence where that takes a kernel; the answer in a fold.

    `heard` is what `listen.py` leaves: `numbers` and their `labels`, the `right` one of `facts`, or `code`.
    """
    if "code" in heard:
        return NOTE.format(said=_(TRY)) + fold(f"<pre>{html.escape(heard['code'])}</pre>")
    if "numbers" in heard:
        said = plural("Your answer, a number:", "Your answer, {n} numbers:", len(heard["numbers"]))
        ask = said.format(n=len(heard["numbers"]))
        ask = f'<label>{ask} <input inputmode="numeric" autocomplete="off"></label>'
        shown = str(heard["numbers"])
    else:
        names = [html.escape(name) for name in heard["facts"]]
        options = "".join(f'<label><input type="radio" name="answer" value="{name}"> {name}</label> ' for name in names)
        said = _("Your answer:")
        ask = f"<fieldset><legend>{said}</legend>{options}</fieldset>"
        shown = f"{heard['right']}: {heard['facts'][heard['right']]}"
    words, check = html.escape(json.dumps(verdicts(), ensure_ascii=False)), _("Check")
    form = FORM.format(heard=html.escape(json.dumps(heard)), words=words, ask=ask, check=check)
    return form + fold(f"<p>{html.escape(shown)}</p>")


def fold(shown: str) -> str:
    return FOLD.format(show=_("Show the answer"), shown=shown)


def verdicts() -> dict[str, str]:
    """Return what book.js says of an answer, with places to fill in."""
    return {
        "count": _("Not yet: the question asks for {all} numbers, but you gave {n}."),
        "one": _("Not yet: {n} of {all} numbers is wrong ({names})."),
        "many": _("Not yet: {n} of {all} numbers are wrong ({names})."),
        "right": _("Right: {answer}."),
        "open": _("Not answered yet: choose one."),
        "other": _('Not yet: it is not "{guess}".'),
    }


def terms(chinese: bool = False) -> dict[str, str]:
    """Return term -> anchor for the words of the glossary's first column that are longer than a symbol, or for what
    they are called in Chinese.
    """
    text = (ROOT / "notebooks/glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([a-z][a-z -]{3,}?)(?:,[^|]*)? \|[^|]*\| (\w{2,})", text, re.M)
    found = {word: "term-" + word.replace(" ", "-") for word, __ in words if word not in ("word", "symbol")}
    return {name: found[word] for word, name in reversed(words) if word in found} if chinese else found


def link_terms(cells: list, known: dict[str, str], place: str = "glossary.md") -> None:
    """Link each term to the glossary where a page's prose first uses it; code, links, headings and HTML stay."""
    left = dict(known)
    longest_first = "|".join(sorted(known, key=len, reverse=True))

    def link(found: re.Match[str]) -> str:
        anchor = left.pop(found[1].lower(), None)
        return f"[{found[0]}]({place}#{anchor})" if anchor else found[0]

    for cell in cells:
        if cell.cell_type == "markdown":
            parts = re.split(r"(`[^`]*`|!?\[[^\]]*\]\([^)]*\)|<[^>]*>|^(?:#|>|\|).*$)", cell.source, flags=re.M)
            for index in range(0, len(parts), 2):
                one = rf"(?<![\w\[-])({longest_first})s?(?![\w\]-])"
                parts[index] = re.sub(one, link, parts[index], flags=re.I | re.A)  # a Chinese word has no bounds
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


def in_language(page: str, code: str) -> str:
    """Return a built page that says its language, with the theme's words in it."""
    for word in FRAME:
        page = re.sub(rf'(>\s*|placeholder="|aria-label="|title="){word}(?=\s*<|")', rf"\g<1>{_(word)}", page)
    return page.replace('<html class="no-js" lang="en"', f'<html class="no-js" lang="{code.replace("_", "-")}"', 1)


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
