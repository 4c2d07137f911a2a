"""The text of an answer: which of its cells count, and that the notebook's signals change nothing else."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omg_lib.lessons.assignments.cases import VISIBLE
from omg_lib.lessons.assignments.cells import FUNCTIONS, HELPERS, answer_text, defines

DOC = 'def f():\n    """Really?\n%no magic\n!nor this?\n"""\n    return 1  # why?\n'


@pytest.mark.parametrize(("cells", "text"), [
    (["%matplotlib inline\nx = 1"], "\nx = 1"),
    (["!ls \\\n -l\nx = 1"], "\nx = 1"),
    (["x = 1\nx?\n?x\nx??  # what is it"], "x = 1\n\n\n"),
    (["files = !ls\na = %time 3"], "files = None\na = None"),
    (["for k in x:\n    %time k\n    k?"], "for k in x:\n    pass\n    pass"),
    (["%%time\nx = 1"], "x = 1"),
    (["\n%%capture out\n%%time\nx = 1"], "x = 1"),
    (["%%bash\nls", "x = 1"], "\nx = 1"),
    (["%%timeit\nx = 1"], ""),
    (["x = 1", "", "%%time\ny = 2"], "x = 1\n\ny = 2"),
    (["def f():", "    return 1"], "def f():\n    return 1"),
    (["x = 1\r\ny = 2\r\n"], "x = 1\ny = 2\n"),
    ([DOC], DOC),
    (["x = (1\n% 2)\ny = f'{x!r}' + \"what?\""], "x = (1\n% 2)\ny = f'{x!r}' + \"what?\""),
    (["x = a != b\nx %= 3\ny = \\\n% 2"], "x = a != b\nx %= 3\ny = \\\n% 2"),
    ([], ""),
])  # fmt: skip
def test_what_counts(cells, text):
    assert answer_text(cells) == text


@given(st.lists(st.text(st.sampled_from("ab%!?=()[]'\"\\#\n \tx,;/"), max_size=40), max_size=3))
def test_reading_twice_changes_nothing_more(cells):
    once = answer_text(cells)
    assert answer_text([once]) == once


@pytest.mark.slow
def test_python_stays_as_it_is():
    for path in Path("omg_lib").resolve().rglob("*.py"):
        text = path.read_text()
        assert ast.dump(ast.parse(answer_text([text]))) == ast.dump(ast.parse(text)), path


@pytest.mark.slow
def test_a_long_cell_takes_time_in_proportion_to_its_length():
    """Work, not seconds: the patterns look at a bounded amount of text, so these end."""
    for line in ("!ls\n", "(", "a?", "%%time\n", " ", "?", "'''\\", "x = ", '"', "=" * 9):
        assert isinstance(answer_text([line * 100_000 + "x"]), str)


@pytest.mark.parametrize(("text", "is_defined"), [
    ("def f(): pass", True), ("f = len", True), ("from os import path as f", True), ("if 1:\n    f = 1", True),
    ("class f: pass", True), ("f(3)", False), ("def g():\n    f = 1", False), ("def f(", True), ("", False),
])  # fmt: skip
def test_which_cell_defines_a_name(text, is_defined):
    assert defines(text, "f") is is_defined


def test_every_task_has_its_function():
    assert set(FUNCTIONS) == set(VISIBLE) and set(HELPERS) < set(FUNCTIONS)
