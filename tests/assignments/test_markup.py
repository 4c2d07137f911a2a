"""What is kept of a submission for display; tests/browser/test_markup.py opens the resulting pages."""

import base64
import json
from functools import cache
from io import BytesIO

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from PIL import Image

from omg_lib.plots.page import figure_svg

pytest.importorskip("nbgrader", reason="nbgrader is not installed: it is the extra for teachers")
from tests.helpers import markup_attacks as attacks


def harmless(*cells, **metadata) -> nbformat.NotebookNode:
    from grader.markup import Harmless

    notebook = nbformat.from_dict({**new_notebook(metadata=metadata), "cells": list(cells)})
    return Harmless().preprocess(notebook, {})[0]


@cache
def exporter() -> HTMLExporter:
    return HTMLExporter(template_name="basic")


def page_of(markdown: str) -> str:
    """Return nbconvert's output, without our changes."""
    return exporter().from_notebook_node(harmless(new_markdown_cell(markdown)))[0]


def source_of(markdown: str) -> str:
    return harmless(new_markdown_cell(markdown)).cells[0].source


PLAIN = "# Title\n\nA **mean** of `x < y` & more:\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | $\\frac{1}{2}$ |\n"


def test_plain_markdown_stays_as_it_is():
    assert source_of(PLAIN) == PLAIN
    assert source_of("~~~python\nprint('<b>')\n~~~") == "~~~python\nprint('<b>')\n~~~"


@pytest.mark.parametrize("name", [*attacks.MARKDOWN])
def test_markdown_that_is_more_than_text_is_shown_as_text(name):
    source = attacks.MARKDOWN[name](name)
    assert source_of(source).startswith("~~~") and source in source_of(source)
    page = page_of(source)
    assert "<script" not in page and "<img" not in page and "<a " not in page


@pytest.mark.parametrize(
    "source",
    [
        "https://example.org",
        "[x](../../results.json)",
        "![x](/formgrader/?path=submitted/eve/a4)",
        "![x](attachment:none)",
        "# a4-answer",
        "a4-plot\n=======",
    ],
)
def test_links_foreign_pictures_and_names_of_cells_are_shown_as_text(source):
    assert source_of(source) == f"~~~\n{source}\n~~~"


@pytest.mark.slow
@given(st.text("~`<>!&[]()#$\\ab:\n \"'=/-|{}*_", max_size=60))
@settings(max_examples=100, deadline=None)
def test_what_is_harmless_stays_so_and_holds_no_markup(source):
    once = source_of(source)
    assert source_of(once) == once and source in once
    page = page_of(source)
    assert "href=" not in page.replace('href="#', "") and "<a>" not in page and "src=" not in page


def test_much_markdown_is_shown_as_text_so_that_no_page_takes_minutes():
    assert source_of("\\begin{a}" * 1000).startswith("~~~")
    many = harmless(*(new_markdown_cell("*a " * 2000) for _ in range(20)))
    assert all(cell.source.startswith("~~~") for cell in many.cells)


def test_a_notebook_is_made_anew_from_known_fields():
    made = harmless(*attacks.in_cells().values(), *attacks.in_broken_cells().values(), title=attacks.image("title"))
    nbformat.validate(made)
    allowed = {"id", "cell_type", "metadata", "source", "outputs", "execution_count"}
    for number, cell in enumerate(made.cells):
        assert set(cell) <= allowed and cell.metadata == {} and cell.id == f"cell-{number}"
        assert cell.cell_type in ("code", "markdown") and cell.get("execution_count") is None
        for output in cell.get("outputs", []):
            assert output.get("metadata", {}) == {}
            assert set(output.get("data", {})) <= {"text/plain", "image/svg+xml", "image/png"}
    assert set(made.metadata) == {"kernelspec", "language_info"} and "<" not in json.dumps(made.metadata)


def test_what_nbgrader_says_of_a_cell_stays_and_a_comment_is_made_harmless():
    about = {"grade_id": "a4-answer", "points": 4, "comment": "See <b>this</b>"}
    (cell,) = harmless(new_raw_cell("x", metadata={"nbgrader": about})).cells
    assert cell.metadata.nbgrader == about | {"comment": "~~~\nSee <b>this</b>\n~~~"}


def test_names_are_escaped_where_the_formgrader_does_not():
    from grader.markup import Harmless

    _, resources = Harmless().preprocess(new_notebook(), {"student": attacks.image("name"), "index": 3})
    assert "<" not in resources["student"] and resources["index"] == 3


# --- outputs ---------------------------------------------------------------------------------------------------------


def output_of(data: dict) -> list[dict]:
    (cell,) = harmless(new_code_cell("", outputs=[new_output("display_data", data)])).cells
    return [output.data for output in cell.outputs]


def test_a_plot_stays_whole():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5))
    axes = figure.add_subplot(title="x < y")
    axes.fill_between([0, 1], [0, 1], [2, 2], hatch="//")
    axes.imshow([[1, 2], [3, 4]])
    axes.scatter([0, 1], [1, 1])
    html = figure_svg(figure, "the return")
    ((svg,),) = (list(data.values()) for data in output_of({"text/html": f"<div>{html}</div>"}))
    for part in ("<use", "<path", "<pattern", "<image", "url(#", "clip-path="):
        assert svg.count(part) == html.count(part) > 0, part
    assert 'width="504" height="252"' in svg


def test_a_drawing_keeps_only_what_draws():
    (data,) = output_of({"image/svg+xml": attacks.drawn("svg")})
    assert data["image/svg+xml"] == (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="9" height="9" />'
    )


SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">{}</svg>'


@pytest.mark.parametrize(
    "inside",
    [
        '<g id="a"><path d="M0 0"/><use xlink:href="#b"/></g><use href="#a"/>',
        '<pattern id="a"><path style="fill: url(#b)"/></pattern><path fill="url( \'#a\')"/>',
        '<style>@import "http://example.org"</style><use href="http://example.org#a"/><image href="/logout"/>',
        '<image href="data:image/svg+xml;base64,PHN2Zz4="/><style>path {fill: url(http://example.org)}</style>',
        '<pattern id="a"><path fill="URL(#b)"/></pattern><path fill="Url(#a)"/>',
        r'<pattern id="a"><path style="fill: \75rl(#b)"/></pattern><path style="fill: u\72l(#a)"/>',
        '<g id="a"><use href="#%62"/></g><use href="#%61"/><use href="#a"/>',
    ],
)
def test_nothing_is_loaded_and_no_use_is_used(inside):
    (data,) = output_of({"image/svg+xml": SVG.format(inside)})
    svg = data["image/svg+xml"]
    for part in ("#a", "\\", "%6", "example", "logout", "base64"):
        assert part not in svg


@pytest.mark.slow
@pytest.mark.parametrize(
    "svg",
    [
        "<svg>no name space</svg>",
        SVG.format("<g>" * 3000 + "</g>" * 3000),
        SVG.format("<g>"),
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + SVG.format("<text>&b;</text>"),
        SVG.format(" " * 6_000_000),
        "<svg" * 100_000,
        SVG.format('<g id="a">' + '<path d="M0 0"/>' * 2_000 + "</g>" + '<use href="#a"/>' * 200),
        SVG.format('<pattern id="a">' + '<path d="M0 0"/>' * 2_000 + "</pattern>" + '<path fill="url(#a)"/>' * 200),
        SVG.format("".join(f'<g id="{n}">' for n in range(100_000)) + "</g>" * 100_000),
    ],
)
def test_what_is_no_drawing_is_shown_as_text(svg):
    from grader.markup import printed

    assert output_of({"image/svg+xml": svg}) == [{"text/plain": printed(svg)}]
    assert set(output_of({"text/html": svg})[0]) == {"text/plain"}


def png(width: int, height: int) -> str:
    file = BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_pixels_are_shown_if_they_are_pixels_of_a_size_to_look_at():
    assert output_of({"image/png": png(3, 4), "text/plain": "x"}) == [{"image/png": png(3, 4), "text/plain": "x"}]
    for data in ("not base64", png(3, 4)[:9], '"><b>', base64.b64encode(b"<svg/>").decode(), png(9000, 1)):
        assert set(output_of({"image/png": data})[0]) == {"text/plain"}
    assert set(output_of({"image/jpeg": png(3, 4)})[0]) == {"text/plain"}


def test_html_and_programs_are_shown_by_their_source_where_nothing_else_is():
    assert output_of({"text/html": "<b>x</b>", "text/plain": "<IPython.core.display.HTML object>"}) == [
        {"text/plain": "<b>x</b>"}
    ]
    assert output_of({"text/html": "<table></table>", "text/plain": "a b"}) == [{"text/plain": "a b"}]
    assert output_of({"application/javascript": "run()"}) == [{"text/plain": "run()"}]
