"""Small submissions that would keep a class waiting: refused, cut or shown without colours."""

import json
from xml.sax.saxutils import quoteattr

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

pytest.importorskip("nbgrader", reason="nbgrader is not installed: it is the extra for teachers")


def read(*cells: dict, **more: object) -> dict:
    from grader.submissions import notebook

    return json.loads(notebook(json.dumps({**new_notebook(), "cells": list(cells), **more}).encode()))


def test_only_the_claimed_id_stays_of_all_metadata():
    tags = [{"a": 1} if k % 2 else "a" for k in range(20_000)]  # nbformat would compare each with each
    claimed = {"tags": tags, "nbgrader": {"grade_id": "a1-rows", "points": 9, "schema_version": 1}}
    made = read({**new_code_cell("1"), "metadata": claimed}, metadata={"authors": tags})
    assert made["cells"][0]["metadata"] == {"nbgrader": {"grade_id": "a1-rows"}} and made["metadata"] == {}


@pytest.mark.parametrize("wrong", [5, ["a1"], {"grade_id": 5}, {}])
def test_a_strange_claim_is_none(wrong):
    assert read({**new_code_cell("1"), "metadata": {"nbgrader": wrong}})["cells"][0]["metadata"] == {}


@pytest.mark.parametrize("version", [3, 4])
def test_a_million_parts_are_refused_before_they_are_checked(version, monkeypatch):
    from grader import submissions
    from grader.submissions import notebook

    bad = [{"output_type": "no such"}] * 1_001
    cell = {**new_code_cell("1"), "outputs": bad}
    more = {"nbformat": 3, "worksheets": [{"cells": [cell]}], "cells": []} if version == 3 else {"cells": [cell]}
    lines = {**new_code_cell("1"), "source": [1] * 1_001}
    failed = {**new_code_cell("1"), "outputs": [{**new_output("error"), "traceback": [""] * 1_001}]}
    many = (more, {"cells": [new_code_cell("1")] * 1_001}, {"cells": [lines]}, {"cells": [failed]})
    refused = [(json.dumps({**new_notebook(), **made}), "more than 1,000 cells and outputs") for made in many]
    keys = {str(k): {} for k in range(31)}
    shown = {**new_code_cell("1"), "outputs": [{**new_output("display_data"), "data": dict.fromkeys(keys, "")}]}
    for made in (keys, {"cells": [new_code_cell("1") | keys]}, {"cells": [{"attachments": keys}]}, {"cells": [shown]}):
        refused.append((json.dumps({**new_notebook(), **made}), "a part of the notebook has more than 30 entries"))
    long = {**new_notebook(), "cells": [new_code_cell("a" * 300_001)]}
    refused.append((json.dumps(long), "more than 300,000 characters"))
    monkeypatch.setattr(submissions.nbformat, "validate", lambda *_, **__: pytest.fail("checked"))
    for made, said in refused:
        with pytest.raises(ValueError, match=said):
            notebook(made.encode())


@pytest.mark.slow
def test_a_million_lines_are_one_text_before_they_are_checked():
    lines = {**new_code_cell("1"), "source": [""] * 10**6, "outputs": [new_output("stream", text=["\n"] * 10**6)]}
    (cell,) = read(lines)["cells"]
    assert cell["source"] == "" and cell["outputs"][0]["text"] == "\n" * 10**6


@pytest.mark.slow
def test_much_printed_text_stays_and_data_that_is_no_text_goes():
    out = new_output("display_data", {"application/json": [[1]] * 9_000, "text/plain": "x"})
    (cell,) = read({**new_code_cell("1"), "outputs": [new_output("stream", text=["line\n"] * 9_000), out]})["cells"]
    assert cell["outputs"][0]["text"] == "line\n" * 9_000 and cell["outputs"][1]["data"] == {"text/plain": "x"}


@pytest.mark.parametrize("kind", ["stream", "error", "plain"])
def test_printed_text_is_cut_and_has_few_colour_changes(kind):
    from grader.markup import MOST_ESCAPES, MOST_PRINTED, harmless_cell

    flood = "\x1b[m" * 100_000
    made = {
        "stream": new_output("stream", text=flood),
        "error": new_output("error", ename=flood, evalue=flood, traceback=[flood, *["\x1b[m"] * 2_000]),
        "plain": new_output("display_data", {"text/plain": flood}),
    }[kind]
    (output,) = harmless_cell(new_code_cell("", outputs=[made])).outputs
    shown = json.dumps(output)
    assert shown.count("\\u001b") <= MOST_ESCAPES and len(shown) < 4 * MOST_PRINTED and "characters" in shown
    few = "\x1b[31mred\x1b[0m"
    assert harmless_cell(new_code_cell("", outputs=[new_output("stream", text=few)])).outputs[0].text == few


def test_an_output_shows_a_limited_number_of_drawings():
    from grader.markup import MOST_SHOWN, harmless_cell

    svg = SVG.format("", '<path d="M0 0"/>')
    outputs = [new_output("display_data", {"text/html": svg * 300})] * 3
    assert len(harmless_cell(new_code_cell("", outputs=outputs)).outputs) == MOST_SHOWN


@pytest.mark.parametrize("source", [" \n" * 4_000, "a." * 20_000, "x\t" + "\n\t" * 200], ids=["blank", "long", "tabs"])
def test_code_that_would_take_long_to_colour_has_no_colours(source, monkeypatch):
    from grader import markup

    monkeypatch.setattr(markup, "Highlight2HTML", lambda **_: pytest.fail("coloured"))
    assert markup.coloured(source + "<b>") == f'<div class="highlight"><pre>{source}&lt;b&gt;</pre></div>'


def test_ordinary_code_has_colours():
    from grader.markup import coloured

    assert 'class="k"' in coloured("def f(x):\n    return x\n", metadata={})


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"{}>{}</svg>'


@pytest.mark.parametrize(
    "sheet",
    [
        "path{fill:URL(#a)}",
        'svg{background-image:image-set("data:image/svg+xml,x" 1x)}',
        "path{filter:blur(999px)}",
        "path{mix-blend-mode:difference}",
        "svg{background:Url(//example.org)}",
        "path{fill:red}}@import 'x'",
        "path{fill:re/**/d}",
    ],
)
def test_a_style_sheet_that_does_more_than_draw_is_left_out(sheet):
    from grader.drawing import drawing

    assert "<style" not in drawing(SVG.format("", f"<style>{sheet}</style><path d='M0 0'/>"))


@pytest.mark.parametrize(
    "style",
    [
        "background-image:url(data:image/svg+xml;base64,PHN2Zz4=)",
        "fill:url(http://example.org#a)",
        'mask-image: image-set("data:image/svg+xml,x" 1x)',
        "filter:blur(999px)",
        "d:path('M0 0')",
        "fill:url(#a) url(data:x)",
    ],
)
def test_a_style_keeps_only_declarations_that_draw(style):
    from grader.drawing import drawing

    of_all, of_one = quoteattr(f"{style}; stroke: #123456"), quoteattr(f"fill:rgb(1, 2, 3);{style}")
    made = drawing(SVG.format(f" style={of_all}", f"<path style={of_one}/>"))
    assert 'style="stroke: #123456"' in made and 'style="fill: rgb(1, 2, 3)"' in made


def test_matplotlibs_own_style_stays():
    from grader.drawing import drawing

    sheet = '<style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>'
    assert "stroke-linecap: butt}" in drawing(SVG.format("", f"<defs>{sheet}</defs>"))
