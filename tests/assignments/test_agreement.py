"""The instant check in a notebook and the grade of the same notebook agree on the same cells."""

import builtins
import sys
import types

import numpy as np
import pytest
import torch
from grader import child
from grader.preprocessor import joined
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell
from traitlets.config import Config

from omg_lib.lessons.assignments.cells import answer_text
from omg_lib.lessons.assignments.data import plain
from tests.helpers.variants import points

RIGHT = "def to_rows(x):\n    y = x.transpose(0, 1)\n    return y.flatten(1, 2)"
WRONG = "def to_rows(x):\n    return x.reshape(x.shape[1], -1, x.shape[3])"
HELPED = "def swapped(x):\n    return x.transpose(0, 1)\n\n\ndef to_rows(x):\n    return swapped(x).flatten(1, 2)"
NAMED = "to_rows = lambda x: rearrange(x, 'g t a f -> t (g a) f')"
STUB = "def to_rows(x):\n    raise NotImplementedError  # replace this line with your code"
LIBRARY = "from omg_lib.regroup import regroup as to_rows"
LEANING = "def to_rows(x):\n    return scratch(x)"
ANSWERS = (RIGHT, WRONG, HELPED, NAMED, STUB, LIBRARY, LEANING, "def to_rows(x: unknown):\n    return x")
LINES = ("%time 3", "!true", "to_rows?", "?len", "x = %time 3", "# what is this?", "", "print('why?')", "1 / 0",
         "exit()", "display(3)", "get_ipython()")  # fmt: skip
HEADS = ("%%time\n", "%%capture out\n", "%%bash\n", "")
SCRATCH = ("def scratch(x):\n    return x.transpose(0, 1).flatten(1, 2)", "%time 3", WRONG, "x = 1")
CHECK = "from omg_lib.lessons.assignments.checks import check_answer\nverdict = check_answer('a1-rows', to_rows)"
ABOUT = {"a1-rows": {"grade_id": "a1-rows", "cell_type": "code"}}


class Shell(InteractiveShell):
    """Like a kernel's, but without windows, programs, drawn errors or an end of the session."""

    def enable_gui(self, gui: str | None = None) -> None: ...

    def ask_exit(self) -> None: ...

    def system(self, command: str) -> None: ...

    def showtraceback(self, *_: object, **__: object) -> None: ...


class Notebook:
    """A kernel's IPython in this process, which receives about each cell what JupyterLab sends."""

    def __init__(self, shell: Shell, tells: bool) -> None:
        shell.reset()
        shell.events.callbacks["pre_run_cell"].clear()
        self.shell, self.tells, self.metadata = shell, tells, {}
        self.shell.kernel = types.SimpleNamespace(get_parent=lambda channel: {"metadata": self.metadata})
        self.run("from omg_lib.lessons.assignments.checks import remember_cells\nremember_cells()")
        self.run("import torch\nfrom einops import rearrange")

    def run(self, source: str, answer: str | None = None) -> None:
        self.metadata = {"nbgrader": {"grade_id": answer}} if answer and self.tells else {}
        self.shell.run_cell(source, store_history=True, cell_id=str(self.shell.execution_count))

    def verdict(self) -> object:
        self.run(CHECK)
        return self.shell.user_ns.get("verdict")


@pytest.fixture(scope="module")
def shell():
    """One shell for all notebooks. IPython replaces the module __main__, and the hooks that show results and errors."""
    with pytest.MonkeyPatch.context() as kept:
        kept.setitem(sys.modules, "__main__", sys.modules["__main__"])
        for name in ("displayhook", "excepthook"):
            kept.setattr(sys, name, getattr(sys, name))
        config = Config()
        config.HistoryManager.enabled = False
        yield Shell(config=config)


IMPORT = builtins.__import__


def as_in_the_grader(name: str, globals: dict | None = None, *rest: object) -> types.ModuleType:
    """Import for an answer: the library is not there, although this process has loaded it."""
    if globals and globals.get("__name__") == "answer" and name.partition(".")[0] == "omg_lib":
        raise ImportError(name)
    return IMPORT(name, globals, *rest)


def graded(cells: list[tuple[str | None, str]]) -> str:
    """Return the points of these cells: "2" or "0"."""
    made = [new_code_cell(source, metadata={"nbgrader": {"grade_id": name}} if name else {}) for name, source in cells]
    kept = [cell for cell in joined(made, ABOUT) if "nbgrader" in cell.metadata]
    assert len(kept) <= 1
    with pytest.MonkeyPatch.context() as hidden:
        for name in ("display", "get_ipython"):  # what this process's shell adds; the grader has none
            hidden.delattr(builtins, name, raising=False)
        hidden.setattr(builtins, "__import__", as_in_the_grader)
        return points("a1-rows-test", [{"a1-rows": answer_text([cell.source for cell in kept])}])[0]


@st.composite
def answers(draw, whole: bool) -> list[tuple[str | None, str]]:
    """One answer's cells, as students may leave them: with lines for the notebook, split, repeated, among scratch."""
    cells = []
    for _ in range(draw(st.integers(1, 1 if whole else 2))):
        lines = draw(st.sampled_from(ANSWERS)).split("\n")
        for line in draw(st.lists(st.sampled_from(LINES), max_size=3)):
            at_top = [0, len(lines), *(k for k, one in enumerate(lines) if one.startswith("def "))]
            lines.insert(draw(st.sampled_from(at_top)), line)
        cut = len(lines) if whole else draw(st.integers(0, len(lines)))
        halves = [half for half in ("\n".join(lines[:cut]), "\n".join(lines[cut:])) if half]
        cells += [("a1-rows", draw(st.sampled_from(HEADS)) + half) for half in halves]
    for scratch in draw(st.lists(st.sampled_from(SCRATCH[:1] if whole else SCRATCH), max_size=2)):
        cells.insert(draw(st.integers(0, len(cells))), (None, scratch))
    return cells


def said_and_given(shell: Shell, cells: list[tuple[str | None, str]], tells: bool) -> tuple[bool | None, bool]:
    """Return whether the check says Right (None if the notebook has no function), and whether there are points."""
    notebook = Notebook(shell, tells)
    for answer, source in cells:
        notebook.run(source, answer)
    verdict = notebook.verdict()
    return getattr(verdict, "ok", None), graded(cells) == "2"


QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@QUICK
@given(answers(whole=False))
@example([("a1-rows", "%%time\ndisplay(3)\n" + ANSWERS[0])])
def test_check_and_grade_agree_where_the_program_tells_which_cell_is_which(shell, cells):
    said, given_ = said_and_given(shell, cells, tells=True)
    assert said is None or said == given_


@pytest.mark.slow
@QUICK
@given(answers(whole=True))
def test_check_and_grade_agree_on_whole_answers_everywhere(shell, cells):
    said, given_ = said_and_given(shell, cells, tells=False)
    assert said is None or said == given_


@pytest.mark.slow
@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("answer", [
    "%matplotlib inline\n" + RIGHT, RIGHT + "\n!true", RIGHT + "\nto_rows?", "%%time\n" + RIGHT, NAMED,
    "import functools\n\n\n@functools.cache\n" + RIGHT,
])  # fmt: skip
def test_lines_for_the_notebook_cost_nothing(shell, answer, tells):
    assert said_and_given(shell, [("a1-rows", answer)], tells) == (True, True)


@pytest.mark.slow
@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("answer", [WRONG, STUB, LIBRARY, "def to_rows(x: SEEN):\n" + RIGHT[16:]])
def test_what_is_not_right_is_right_in_neither(shell, answer, tells):
    assert said_and_given(shell, [(None, "SEEN = 3"), ("a1-rows", answer)], tells) == (False, False)


@pytest.mark.slow
def test_a_split_cell_counts_whole(shell):
    helper, function = HELPED.split("\n\n\n")
    assert said_and_given(shell, [("a1-rows", RIGHT), ("a1-rows", "print(1)")], tells=True) == (True, True)
    assert said_and_given(shell, [("a1-rows", RIGHT), ("a1-rows", "# notes")], tells=False) == (True, True)
    assert said_and_given(shell, [("a1-rows", helper), ("a1-rows", function)], tells=True) == (True, True)
    assert said_and_given(shell, [("a1-rows", function), (None, "1"), ("a1-rows", helper)], tells=True) == (True, True)
    assert said_and_given(shell, [(None, helper), ("a1-rows", function)], tells=True) == (False, False)
    assert said_and_given(shell, [("a1-rows", WRONG), (None, RIGHT)], tells=True) == (False, False)


def test_cells_of_one_id_become_one_in_order_and_only_those_of_the_released_kind():
    def cell(make, source, name="a1-rows"):
        return make(source, metadata={"nbgrader": {"grade_id": name}})

    cells = [new_code_cell("own"), cell(new_code_cell, "a = 1"), cell(new_markdown_cell, "notes"),
             cell(new_code_cell, "%%time\nb = 2"), cell(new_code_cell, "c", name=["odd"])]  # fmt: skip
    told = [(one.source, one.metadata.get("nbgrader")) for one in joined(cells, ABOUT)]
    assert told == [("own", None), ("a = 1\nb = 2", ABOUT["a1-rows"]), ("c", None)]
    (alone,) = joined([cell(new_markdown_cell, "def f(): pass")], ABOUT)
    assert alone.source == "def f(): pass", "an answer that became Markdown is still an answer"


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=3),
        st.sampled_from([
            *(np.arange(3).astype(kind) for kind in ("int8", "uint8", "int64", "float16", "bool", "complex")),
            *(torch.ones(2, dtype=kind) for kind in (torch.uint8, torch.int16, torch.bfloat16, torch.complex64)),
            torch.tensor(3), torch.tensor(0.5), torch.tensor(True), np.int32(3), np.float32(0.5), np.bool_(True),
            np.array(7), range(3), {1}, object(), b"x", 1j, np.array(["a"]), torch.zeros(2, requires_grad=True),
        ]),
    ),
    lambda part: st.one_of(
        st.lists(part, max_size=3), st.tuples(part, part), st.dictionaries(st.sampled_from(["a", 1, None]), part)
    ),
    max_leaves=4,
))  # fmt: skip
def test_an_answers_data_is_the_same_here_and_from_another_process(x):
    def shown(make) -> str:
        try:
            return repr(make())
        except TypeError:
            return "no answer"

    assert shown(lambda: plain(x)) == shown(lambda: plain(child.decode(child.encode(x))))
