"""Make a submission safe to show: text and pictures, and nothing that runs, loads, or can be clicked.

A new notebook is built from the few things that are known to be harmless. Nothing else is copied, so a field that a
template forgets to escape contains nothing from a student.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from traitlets import Bool

from grader.drawing import FORMATS, drawing, drawings, picture
from grader.slim import edition

PYTHON = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MOST_IN_CELL, MOST_MARKDOWN = 8_000, 60_000
"""Characters of Markdown to render, per cell and in total. More could take minutes, so it is shown as text."""
MOST_COLOURED, MOST_BLANK = 20_000, 300
"""Characters of code to colour in a cell, and of white space in a row: pygments takes the square of the latter."""
MOST_PRINTED, MOST_ESCAPES = 100_000, 1_000
"""Characters of one printed text, and colour changes in it: nbconvert copies the rest of the text at each."""
MOST_SHOWN = 100
"""Outputs of a cell, and drawings of an output, to show."""
SOURCES = ("text/html", "text/markdown", "text/latex", "image/svg+xml", "application/javascript", "application/json")
"""Kinds of data whose source is shown if an output has nothing else to show."""


class Harmless(Preprocessor):
    """Makes a notebook safe to view. What is already harmless stays unchanged."""

    enabled = Bool(True).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        written = sum(len(text(cell.get("source", ""))) for cell in nb.cells if cell.cell_type == "markdown")
        longest = MOST_IN_CELL if written <= MOST_MARKDOWN else 0
        cells = [harmless_cell(cell, longest) for cell in nb.cells]
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        for name, value in resources.items():  # the formgrader's page has names of students as they are
            resources[name] = escape(value) if isinstance(value, str) else value
        return new_notebook(cells=cells, metadata=PYTHON | edition(nb.metadata)), resources


def harmless_cell(cell: NotebookNode, longest: int = MOST_IN_CELL) -> NotebookNode:
    """Return a new cell with the same text, harmless outputs, and nbgrader's own metadata. Show Markdown with more than
    `longest` characters as text.
    """
    source, about = text(cell.get("source", "")), cell.get("metadata", {}).get("nbgrader")
    metadata = {"nbgrader": NotebookNode(about)} if isinstance(about, dict) else {}
    if isinstance(about, dict) and about.get("comment"):
        metadata["nbgrader"]["comment"] = harmless_markdown(text(about["comment"]))
    if cell.cell_type == "code":
        outputs = [made for output in cell.get("outputs", []) for made in harmless_outputs(output)][:MOST_SHOWN]
        count = cell.get("execution_count")
        return new_code_cell(
            source, metadata=metadata, outputs=outputs, execution_count=count if type(count) is int else None
        )
    attached = pixels(cell.get("attachments"))
    rendered = cell.cell_type == "markdown" and len(source) <= longest
    shown = harmless_markdown(source, attached) if rendered else fenced(source)
    return new_markdown_cell(shown, metadata=metadata, **({"attachments": attached} if attached else {}))


def text(value: object) -> str:
    """Return a notebook's text, which may be a string or a list of lines."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def printed(value: object) -> str:
    """Return a text of an output, cut to what a page can show soon."""
    whole = text(value)
    cut = whole[:MOST_PRINTED]
    if cut.count("\x1b") > MOST_ESCAPES:
        cut = cut.replace("\x1b", "")
    return cut if cut is whole or len(whole) <= MOST_PRINTED else f"{cut}\n... and {len(whole) - len(cut):,} characters"


def coloured(source: str, language: str | None = None, metadata: object = None) -> str:
    """Return the HTML of a cell's code, in colours unless they would take long. For nbconvert's pages."""
    if len(source) > MOST_COLOURED or re.search(rf"\s{{{MOST_BLANK}}}", source):
        return f'<div class="highlight"><pre>{escape(source)}</pre></div>'
    return Highlight2HTML(pygments_lexer="python")(source)


# --- Markdown --------------------------------------------------------------------------------------------------------


class Strict(IPythonRenderer):
    """Renders Markdown without HTML, links, diagrams, external pictures, and anchors named like a graded cell."""

    def block_html(self, html: str) -> str:
        return escape(html)

    def inline_html(self, html: str) -> str:
        return escape(html)

    def block_mermaidjs(self, code: str) -> str:
        return escape(code)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return text

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return super().image(text, url, title) if url.startswith("attachment:") else text

    def heading(self, text: str, level: int, **attrs: object) -> str:
        made = super().heading(text, level, **attrs)
        return text if re.search(r'id="a\d', made) else made


def harmless_markdown(source: str, attached: dict | None = None) -> str:
    """Return the source itself if every page renders it as `Strict` does, else Markdown that shows it as text."""
    try:
        page, strict = (
            MarkdownWithMath(renderer=renderer(escape=False, attachments=attached or {})).render(source)
            for renderer in (IPythonRenderer, Strict)
        )
    except Exception:  # of any kind: what cannot be rendered here would break the whole page there
        return fenced(source)
    return source if page == strict else fenced(source)


def fenced(source: str) -> str:
    """Return Markdown that shows a text verbatim."""
    first, _, rest = source.partition("\n")
    if re.fullmatch("~~~+", first) and rest.endswith(f"\n{first}") and rest.count(first) == 1:
        return source  # it is so already
    fence = "~" * max(3, 1 + max(map(len, re.findall("~+", source)), default=0))
    return f"{fence}\n{source}\n{fence}"


def pixels(attachments: object) -> dict[str, dict[str, str]]:
    """Return the attachments of a cell that are bitmap pictures."""
    if not isinstance(attachments, dict):
        return {}
    found = {name: shown_pixels(data) for name, data in attachments.items() if isinstance(data, dict)}
    return {name: data for name, data in found.items() if data}


def shown_pixels(data: dict) -> dict[str, str]:
    made = {kind: picture(kind, text(data[kind])) for kind in FORMATS if kind in data}
    return {kind: base64 for kind, base64 in made.items() if base64}


# --- outputs ---------------------------------------------------------------------------------------------------------


def harmless_outputs(output: NotebookNode) -> Iterator[NotebookNode]:
    """Yield what an output shows without running: text, a picture, or one picture for each `<svg>` in its HTML."""
    kind, data = output.get("output_type"), output.get("data")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        yield new_output("stream", name=name, text=printed(output.get("text", "")))
    elif kind == "error":
        lines = output.get("traceback")
        yield new_output(
            "error",
            ename=printed(output.get("ename", "")),
            evalue=printed(output.get("evalue", "")),
            traceback=printed("\n".join(map(text, lines))).split("\n") if isinstance(lines, list) else [],
        )
    elif kind in ("display_data", "execute_result") and isinstance(data, dict):
        for shown in harmless_data(data):
            yield new_output(kind, shown)


def harmless_data(data: dict) -> list[dict]:
    """Return one bundle for each drawing; without drawings, one with pixels and text."""
    drawn = [*drawings(text(data.get("text/html", ""))), drawing(text(data.get("image/svg+xml", "")))]
    if any(drawn):
        return [{"image/svg+xml": svg} for svg in drawn if svg]
    plain = text(data.get("text/plain", ""))
    if not plain or plain.startswith("<IPython.core.display."):
        plain = next((text(data[kind]) for kind in SOURCES if kind in data), plain)
    return [shown_pixels(data) | {"text/plain": printed(plain)}]
