"""Rules for every notebook: committed clean; runs from top to bottom, also at other sizes; prose and output agree;
answers are kept, and the right ones accepted.
"""

import ast
import json
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from omg_lib.lessons.answers import Answers
from omg_lib.lessons.museum import EXHIBITS
from omg_lib.lessons.regroup_answers import check_regrouping
from tests.helpers.right_answers import RIGHT
from tests.helpers.running import FOLDER, NAMES, OTHER_SIZES, SECONDS, code_cells, read, shown

# --- as committed ---


@pytest.mark.parametrize("name", NAMES)
def test_committed_without_outputs_for_the_kernel_python3(name):
    notebook = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None), cell["id"]
    written = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    assert (FOLDER / name).read_text(encoding="utf-8") == written, "indent 1, characters as they are"


@pytest.mark.parametrize("name", NAMES)
def test_cell_ids_can_be_read(name):
    ids = [cell.id for cell in read(name).cells]
    assert len(set(ids)) == len(ids)
    assert [id for id in ids if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", id)] == []


@pytest.mark.parametrize("name", NAMES)
def test_code_cells_are_short(name):
    lines = {cell.id: sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in code_cells(read(name))}
    assert {id: count for id, count in lines.items() if count > 8} == {}
    wide = {cell.id: max(map(len, cell.source.splitlines())) for cell in code_cells(read(name))}
    assert {id: width for id, width in wide.items() if width > 90} == {}, (
        "more does not fit beside JupyterLab's sidebar"
    )


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_files_and_no_path_is_absolute(name):
    text = "\n".join(cell.source for cell in read(name).cells)
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [link for link in links if "://" not in link and not (FOLDER / link).is_file()] == []
    assert re.findall(r"(?<![\w.:/])/(?:home|work|tmp|root|usr|Users)/", text) == []
    named = re.findall(r"\[(\d+)\]\((\d+)_", text)
    assert [link for link in named if int(link[0]) != int(link[1])] == []


@pytest.mark.parametrize(("name", "following"), list(pairwise(NAMES)))
def test_the_last_text_leads_to_the_next_notebook(name, following):
    assert f"]({following})" in read(name).cells[-1].source


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_kept_and_progress_is_the_last_cell(name):
    cells = code_cells(read(name))
    dots = r"^guess = \(?\.\.\.|^\w+ = \.\.\.$|^update\(\.\.\.\)$|return \.\.\.$"
    asked = [cell for cell in cells if re.search(dots, cell.source, flags=re.M)]
    questions = [kept_as(cell) for cell in asked]
    assert len(questions) >= 3 and len(set(questions)) == len(questions)
    assert sum(cell.source.count(f'answers = Answers("{Path(name).stem}")') for cell in cells) == 1
    assert (cells[-1].id, cells[-1].source) == ("progress-show", "answers.progress()")


def kept_as(cell: nbformat.NotebookNode) -> str:
    """Return the name under which a cell keeps its answer, from its last line."""
    match = re.fullmatch(r'answers\.keep\("([^"]+)", .+\)', cell.source.splitlines()[-1])
    assert match, cell.id
    return match[1]


ASKING = {
    (name, cell.id): ast.parse(cell.source)
    for name in NAMES
    for cell in code_cells(read(name))
    if "answers.keep(" in cell.source
}


@pytest.mark.parametrize(("name", "id"), ASKING)
def test_a_cell_that_asks_does_not_give_its_answer_away(name, id):
    """The right answer comes from the library or from earlier cells: this cell neither names nor calculates it."""
    for node in ast.walk(ASKING[name, id]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("check_choice", "check_shape"):
                right = node.args[1 if node.func.id == "check_choice" else 2]
                assert not isinstance(right, ast.Constant | ast.List | ast.Tuple), id
        if isinstance(node, ast.Dict):  # question -> right answer
            sums = [part for value in node.values if isinstance(value, ast.BinOp) for part in (value.left, value.right)]
            assert not any(isinstance(getattr(part, "value", None), int) for part in [*node.values, *sums]), id


@pytest.mark.parametrize("key", EXHIBITS)
def test_a_repair_can_be_typed_over_the_dots_as_it_stands(key):
    """Quotation marks and all: the cell then passes to `fix` exactly what was typed."""
    exhibit = EXHIBITS[key]
    (cell,) = [cell for cell in code_cells(read("12_failure_museum.ipynb")) if f'fix("{key}", line' in cell.source
               and exhibit.blank in cell.source] or [None]  # fmt: skip
    if cell is None:
        assert key in ("field-seats", "field-one"), "they are repaired together with field-obs"
        return
    typed, names = cell.source.replace(exhibit.blank, exhibit.right), {}
    exec(typed[: typed.index("answers.keep")], names)
    assert names["line"].strip() == exhibit.right


RIGHT_FUNCTIONS = [
    """own = x[order, :, seat[order, 0, 0]]
    return rearrange(own, "(a g) t f -> g t a f", a=x.shape[2])""",
    """rows = order.reshape(A, GA // A).T
    return rearrange(x[rows, :, torch.arange(A)], "g a t f -> g t a f")""",
]


@pytest.mark.parametrize("written", RIGHT_FUNCTIONS)
def test_notebook_4_has_imported_what_a_right_function_needs(written):
    cells = code_cells(read("04_regroup.ipynb"))
    until = [cell.id for cell in cells].index("write-function")
    lines = [node for cell in cells[: until + 1] for node in ast.parse(cell.source).body]
    names: dict[str, object] = {}
    imports = [line for line in lines if isinstance(line, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), "imports", "exec"), names)
    (function,) = [ast.unparse(line) for line in lines if getattr(line, "name", "") == "mine"]
    order = "order = seat[:, 0, 0].argsort(stable=True)"
    exec(function.replace("return ...", f"{order}\n    {written}"), names)
    assert check_regrouping(names["mine"]).ok


# --- run ---


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_runs_from_top_to_bottom_in_time(name, run):
    notebook = run(name)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert notebook.metadata["cpu_seconds"] < SECONDS
    warned = [output.text for cell in cells for output in cell.outputs if output.get("name") == "stderr"]
    assert warned == []


@pytest.mark.notebook
@pytest.mark.parametrize("name", OTHER_SIZES)
def test_runs_at_other_sizes(name, run):
    notebook = run(name, OTHER_SIZES[name])
    assert "Error" not in "".join(shown(cell) for cell in code_cells(notebook))


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_numbers_in_prose_come_from_code(name, run):
    """Every number of two or more digits in the text is printed by the notebook, or is one of its inputs."""
    notebook = run(name)
    cells = [cell for cell in code_cells(notebook) if not cell.id.endswith("-answered")]
    pages = [output.get("data", {}).get("text/html", "") for cell in cells for output in cell.outputs]
    spoken = [text for page in pages for text in re.findall(r'aria-label="([^"]*)"', page)]
    numbers = set(re.findall(r"\d+", "\n".join([*spoken, *(shown(cell) + cell.source for cell in cells)])))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            free = r"^>.*$|^# \d+\.|(\[\d+)?\]\([^)]*\)|NeurIPS \d+|About \d+ minutes"
            text = re.sub(free, "", cell.source, flags=re.M)
            said = {number for number in re.findall(r"(?<![\w.])\d+(?![\w.]*\d)", text) if len(number) > 1}
            assert said <= numbers, (cell.id, said - numbers)


# --- answers ---


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_unanswered_cells_ask_for_an_answer(name, run):
    cells = [cell for cell in code_cells(run(name)) if not cell.id.endswith("-answered")]
    asked = [cell for cell in cells if "answers.keep(" in cell.source]
    assert len(asked) >= 3
    assert [cell.id for cell in asked if "Not answered yet" not in shown(cell)] == []


@pytest.mark.notebook
@pytest.mark.parametrize("name", sorted({name for name, _ in RIGHT}))
def test_right_answers_are_accepted(name, run):
    verdicts = {cell.id: shown(cell) for cell in run(name).cells if cell.id.endswith("-answered")}
    assert sum(id.startswith("question-") for id in verdicts) == 3
    assert [id for id, said in verdicts.items() if not said.startswith("Right: ")] == []


@pytest.mark.notebook
@pytest.mark.parametrize("name", sorted({name for name, _ in RIGHT}))
def test_unanswered_questions_store_nothing_and_answers_survive_the_kernel(name, run, cell):
    assert cell(name, "progress-show").endswith("0 right, 0 not yet, of the questions you have tried.")
    answered = [kept_as(cell) for cell in run(name).cells if cell.id.endswith("-answered")]
    later = Answers(Path(name).stem, run(name).metadata["folder"])
    assert later.file.is_file()
    assert [row[:2] for row in later.progress().rows] == [(question, "right") for question in answered]
