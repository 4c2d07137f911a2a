"""The book: what a panel, a question and a term become. tests/browser/test_book.py looks at the built site."""

import html
import json
import re
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from deploy.book import __main__ as book
from deploy.book import pages
from deploy.book.pages import page_outputs
from omg_lib.words import speaking
from tests.helpers import warm

ROOT = Path(__file__).parents[2]


def shown(**data: object) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {name.replace("__", "/"): value for name, value in data.items()})


def widget(**data: object) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {pages.WIDGET: {}, "text/plain": "Panel()", **data})


def test_a_panel_shows_the_html_that_it_offers():
    (output,) = page_outputs([widget(**{"text/html": "<svg></svg>"})])
    assert output.data == {"text/html": "<svg></svg>", "text/plain": "Panel()"}


def test_another_panel_leaves_its_last_picture_with_a_sentence():
    kept = shown(**{"text/html": f"<p>{pages.KEPT}</p><img>", "text/plain": ""})
    (output,) = page_outputs([widget(), kept])
    assert "<img>" in output.data["text/html"] and "Open this notebook in JupyterLab" in output.data["text/html"]
    live = shown(**{"text/html": f"<p>{pages.KEPT}</p><iframe>", "text/plain": ""})
    assert pages.LIVE in page_outputs([widget(), live])[0].data["text/html"], "the flow panel is no picture"
    (alone,) = page_outputs([widget()])
    assert pages.PANEL in alone.data["text/html"]


def test_other_outputs_stay_as_they_are():
    outputs = [nbformat.v4.new_output("stream", text="1"), shown(**{"text/plain": "2"})]
    assert page_outputs(list(outputs)) == outputs


def test_no_path_of_this_machine_is_on_a_page():
    said = f'{ROOT}/omg_lib/regroup.py:9\n/tmp/ipykernel_12/345.py:3 "x"'
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("stream", text=said)])
    (made,) = pages.as_page(nbformat.v4.new_notebook(cells=[cell])).cells
    assert made.outputs[0].text == 'omg_lib/regroup.py:9\nthe cell:3 "x"'


def asked(output: nbformat.NotebookNode) -> dict:
    """Return what the form in this output checks."""
    return json.loads(html.unescape(re.search(r'data-question="([^"]*)"', output.data["text/html"])[1]))


def test_a_question_of_numbers_becomes_a_form():
    heard = {"numbers": [1, 128], "labels": ["the runner", 'a "b" <c>']}
    (output,) = page_outputs([shown(**{pages.TRUTH: heard}), shown(**{"text/html": "Not answered yet"})])
    assert asked(output) == heard
    assert "<details>" in output.data["text/html"] and "[1, 128]" in output.data["text/html"]


def test_a_choice_becomes_radio_buttons():
    heard = {"right": "a & b", "facts": {"a & b": "5 nm", "c": "3 nm"}}
    (output,) = page_outputs([shown(**{pages.TRUTH: heard})])
    text = output.data["text/html"]
    assert asked(output) == heard and text.count('type="radio"') == 2 and "<p>a &amp; b: 5 nm</p>" in text


def test_a_page_of_another_edition_speaks_its_language():
    kept = widget(**{"text/html": "<p>面板的最后一幅图。</p><img>"})
    with speaking("zh_CN"):
        (alone,) = page_outputs([widget()])
        (form,) = page_outputs([shown(**{pages.TRUTH: {"numbers": [1, 2], "labels": ["a", "b"]}})])
        assert page_outputs([kept])[0].data["text/html"] == "<p>面板的最后一幅图。</p><img>"
        page = pages.in_language('<html class="no-js" lang="en"><input placeholder="Search"><a>Next</a> Next', "zh_CN")
    assert "就可以使用面板" in alone.data["text/html"]
    assert "你的答案（2 个数）" in form.data["text/html"] and "显示答案" in form.data["text/html"]
    assert (
        json.loads(html.unescape(re.search('data-words="([^"]*)"', form.data["text/html"])[1]))["right"]
        == "正确：{answer}。"
    )
    assert page == '<html class="no-js" lang="zh-CN"><input placeholder="搜索"><a>下一篇</a> Next'


def test_chinese_terms_are_linked_inside_a_sentence():
    cell = nbformat.v4.new_markdown_cell("用运行器（runner）玩一局；`运行器` 再玩。")
    pages.link_terms([cell], pages.terms(chinese=True), "../glossary.md")
    assert cell.source == "用[运行器](../glossary.md#term-runner)（runner）玩一局；`运行器` 再玩。"
    assert set(pages.terms(chinese=True).values()) <= set(pages.terms().values())


def test_code_that_only_a_kernel_can_check_becomes_a_fold():
    (output,) = page_outputs([shown(**{pages.TRUTH: {"code": "x < 1"}})])
    text = output.data["text/html"]
    assert "<form" not in text and "<pre>x &lt; 1</pre>" in text and pages.TRY in text.partition("<details>")[0]


KINDS = {
    "from omg_lib.checks import check_values; check_values((..., 1), {'a': 1, 'b': 2})":
        {"numbers": [1, 2], "labels": ["a", "b"]},
    "from omg_lib.lessons.questions import check_choice; check_choice(..., 'a', {'a': 1, 'b': 2})":
        {"right": "a", "facts": {"a": "1", "b": "2"}},
    "from omg_lib.lessons.strangers import repair; repair('memory', 'reward = ...')": {"code": "reward = "},
    "from omg_lib.lessons.museum import fix; fix('text', ..., OMGConfig(n_agents=2, batch_size=1))":
        {"code": "mode = "},
    "from omg_lib.lessons.regroup_answers import check_regrouping; check_regrouping(...)": {"code": "def _by_seat("},
}  # fmt: skip


@pytest.mark.slow
def test_every_kind_of_question_leaves_its_answer(tmp_path, monkeypatch):
    for name, value in warm.kernels().items():
        monkeypatch.setenv(name, value)
    cells = [nbformat.v4.new_code_cell("from omg_lib import OMGConfig")]
    cells += [nbformat.v4.new_code_cell(code) for code in KINDS]
    path = tmp_path / "asking.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    for cell, wanted in zip(book.run(path).cells[1:], KINDS.values(), strict=True):
        (heard,) = [output.data[pages.TRUTH] for output in cell.outputs if pages.TRUTH in output.get("data", {})]
        if "code" in wanted:
            assert heard["code"].startswith(wanted["code"]) and not heard["code"].endswith("= ...")
        else:
            assert heard == wanted


def linked(*sources: str) -> list[str]:
    cells = [nbformat.v4.new_markdown_cell(source) for source in sources]
    pages.link_terms(cells, {"runner": "term-runner", "replay buffer": "term-replay-buffer", "buffer": "term-buffer"})
    return [cell.source for cell in cells]


def test_a_term_is_linked_once_and_not_in_code_links_or_headings():
    text = "# The runner\n\n`runner` and [a runner](x.md): the runner, another runner, a frontrunner"
    found = "the [runner](glossary.md#term-runner), another runner, a frontrunner"
    wanted = [f"# The runner\n\n`runner` and [a runner](x.md): {found}", "runner"]
    assert linked(text, "runner") == wanted


def test_every_term_of_a_sentence_is_linked_at_its_first_use_in_any_form():
    (text,) = linked("Runners fill the replay buffer. The buffer")
    assert text == (
        "[Runners](glossary.md#term-runner) fill the [replay buffer](glossary.md#term-replay-buffer). "
        "The [buffer](glossary.md#term-buffer)"
    )


def test_every_linked_term_has_an_anchor_in_the_glossary():
    text = pages.glossary((ROOT / "notebooks/glossary.md").read_text(encoding="utf-8"))
    anchors = re.findall(r'id="(term-[a-z-]+)"', text)
    assert sorted(anchors) == sorted(pages.terms().values()) and len(anchors) > 15


def test_a_notebook_that_fails_is_named_and_the_last_book_stays(tmp_path, monkeypatch, capsys):
    def fail(path: Path) -> None:
        raise CellExecutionError("a traceback", "ValueError", "no such seat")

    (tmp_path / "book").mkdir()
    monkeypatch.setattr(book, "run", fail)
    assert book.main(["--run", "03", "--to", str(tmp_path / "book")]) == 1 and (tmp_path / "book").exists()
    assert capsys.readouterr().err == "03_replay_buffer.ipynb fails: ValueError: no such seat\n"


def test_built_pages_get_what_axe_misses():
    page = '<aside class="toc-drawer no-toc"><th scope="col"></th><th>n</th><p role="heading">c</p></aside>'
    made = pages.accessible(page)
    assert 'aria-label="This page"' in made and 'aria-level="2"' in made
    assert "<td></td><th>n</th>" in made


def test_the_reference_has_a_page_for_every_module_and_each_has_a_docstring():
    made = pages.api()
    for room in pages.ROOMS:
        assert room in made["index"].splitlines() and f".. automodule:: omg_lib.{room}\n" in made[room]
        assert import_module(f"omg_lib.{room}").__doc__
