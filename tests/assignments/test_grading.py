"""nbgrader's own commands in a separate course folder: who gets which points, and what stays hidden.

Takes about two and a half minutes: the released notebooks, 36 submissions, their feedback, the grades.
"""

import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from omg_lib.lessons.assignments.cases import VISIBLE
from tests.helpers import hostile
from tests.helpers.asking import UNSAFE
from tests.helpers.places import COURSE, NAMES, ROOT
from tests.helpers.warm import warm_kernels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
MOST = {"a1": 20, "a2": 20, "a3": 24, "a4": 20}
BY_HAND = {"a4-question": 2, "a4-plot": 4, "a4-answer": 4}
UNANSWERED = {"untouched", "thief-untouched", "forged-cell", "edited-tests"}
"""Students who have not answered anything: their feedback must not contain any part of a solution."""


def run(course: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the Makefile's command in another course folder."""
    path = os.pathsep.join([str(ROOT), str(course)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "grader", *arguments]
    return subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)


def hand_in(course: Path, student: str, name: str, notebook: nbformat.NotebookNode) -> Path:
    folder = course / "submitted" / student / name
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def released(course):
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"c.GradeAnswers.seconds = 3\nc.GradeAnswers.unsafe = {UNSAFE}\n")
    made = run(course, "assignments")
    assert made.returncode == 0, made.stderr
    return course


@pytest.fixture(scope="module")
def due(released, solved, changed):
    """Submit everything; return (student, assignment) -> points."""
    points = {}
    for name in NAMES:
        blank = nbformat.read(released / "release" / name / f"{name}.ipynb", as_version=4)
        hand_in(released, "untouched", name, blank)
        folder = hand_in(released, "reference", name, solved(name))
        points["untouched", name], points["reference", name] = 0, MOST[name]
    shutil.copy(COURSE / "grader" / "a4_results.json", folder / "results.json")
    points["reference", "a4"] -= sum(BY_HAND.values())
    points |= hand_in_a1(released, solved("a1"), changed) | hand_in_others(released, solved, changed)
    return points


def hand_in_a1(course, reference, changed) -> dict[tuple[str, str], int]:
    points = {}
    truths = {name: [truth for _, truth in VISIBLE[name]()] for name in hostile.SHAPES}
    for student, (cells, due) in hostile.submissions(truths, str(ROOT), str(COURSE)).items():
        hand_in(course, student, "a1", changed(reference, cells))
        points[student, "a1"] = due
    blank = nbformat.read(course / "release" / "a1" / "a1.ipynb", as_version=4)
    hand_in(course, "thief-untouched", "a1", changed(blank, hostile.thief(str(course))))

    forged = changed(blank, {})
    forged.cells.insert(2, nbformat.v4.new_code_cell(hostile.FORGED_CELL))
    hand_in(course, "forged-cell", "a1", forged)

    edited = changed(blank, {f"{name}-test": "100" for name in hostile.HEADS})
    for cell in edited.cells:
        if cell.id.endswith("-test"):
            cell.metadata.nbgrader.points = 100
            cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "100"})]
    hand_in(course, "edited-tests", "a1", edited)

    for student, cells in (("deleted-tests", {}), ("deleted-tests-wrong-seats", hostile.wrong_seats())):
        deleted = changed(reference, cells)
        deleted.cells = [cell for cell in deleted.cells if not cell.id.endswith("-test")]
        hand_in(course, student, "a1", deleted)
    strange = changed(reference, {})
    for cell, claim in zip(strange.cells, STRANGE * 99, strict=False):
        cell.metadata["nbgrader"] = cell.metadata.get("nbgrader", {}) | claim if isinstance(claim, dict) else claim
    hand_in(course, "strange-metadata", "a1", strange)
    twice = changed(reference, {})
    twice.cells += changed(reference, hostile.wrong_seats()).cells
    for number, cell in enumerate(twice.cells):
        cell["id"] = f"cell-{number}"
    hand_in(course, "everything-twice", "a1", twice)
    empty = nbformat.v4.new_notebook(metadata=reference.metadata)
    hand_in(course, "empty-notebook", "a1", empty)
    (hand_in(course, "empty-file", "a1", empty) / "a1.ipynb").write_text("")
    downloaded = hand_in(course, "twice-downloaded", "a1", empty)
    (downloaded / "a1.ipynb").rename(downloaded / "a1 (1).ipynb")
    points |= dict.fromkeys([("thief-untouched", "a1"), ("forged-cell", "a1"), ("edited-tests", "a1")], 0)
    kept = [cell.id for cell in strange.cells if cell.metadata["nbgrader"] is not None]
    points["strange-metadata", "a1"] = sum(points_ for id, points_ in hostile.POINTS.items() if id in kept)
    points |= {("deleted-tests", "a1"): 20, ("deleted-tests-wrong-seats", "a1"): 14, ("everything-twice", "a1"): 14}
    return points | {("empty-notebook", "a1"): 0, ("empty-file", "a1"): 0}


STRANGE = [{}, {"schema_version": 99}, {"points": 1000}, {"schema_version": 1}, {"grade": True, "task": True}, None]
"""Cell metadata that nbgrader must not trust; None makes the cell an unknown one."""
NAIVE = """
def sample(rings, n, seed):
    rng = np.random.default_rng(seed)
    return rng.choice([episode for ring in rings for episode in ring], n, replace=False).tolist()
"""
FIRST = """
def sample(rings, n, seed):
    return [ring[g] for g in range(n // len(rings)) for ring in rings]
"""
IN_ORDER = """
def regroup(obs, seat):
    agents = obs.shape[2]
    blocks = rearrange(obs, "(g slot) t a o -> g t slot a o", slot=agents)
    return blocks.diagonal(dim1=2, dim2=3).movedim(-1, 2)
"""
RUNS_INTO_PADDING = """
def windows(embedding, last, horizon):
    steps = embedding.shape[1]
    places = [[min(t + 1 + h, steps - 1) for h in range(horizon)] for t in range(steps - 1)]
    return rearrange(embedding[:, places], "g t h a z -> g t a h z")
"""
OWN_LIBRARY = """
from omg_lib.subgoals import gaussian_kl as kl
"""
NORMAL = """
def band(values):
    mean, reach = values.mean(dim=0), 1.96 * values.std(dim=0) / len(values) ** 0.5
    return torch.stack([mean - reach, mean, mean + reach])
"""
TWO_CHANGES = """
def plan():
    return {"base": {}, "changed": {"td_steps": 1, "lr": 0.01}, "seeds": [0, 1, 1]}
"""


def hand_in_others(course, solved, changed) -> dict[tuple[str, str], int]:
    for student, cells in {
        "naive": {"a2-sample": NAIVE, "a2-can-sample": "def can_sample(held, n):\n    return sum(held) >= n"},
        "first": {"a2-sample": FIRST, "a2-luck": "def luck(n_agents, held):\n    return 0.5"},
    }.items():
        hand_in(course, student, "a2", changed(solved("a2"), cells))
    for student, cells in {
        "in-order": {"a3-regroup": IN_ORDER, "a3-windows": RUNS_INTO_PADDING},
        "own-library": {"a3-kl": OWN_LIBRARY},
    }.items():
        hand_in(course, student, "a3", changed(solved("a3"), cells))
    recorded = json.loads((COURSE / "grader" / "a4_results.json").read_text())
    for run_ in recorded["runs"]:
        run_["train_return"] = [value + 1 for value in run_["train_return"]]
    made_up = hand_in(course, "made-up", "a4", solved("a4"))
    (made_up / "results.json").write_text(json.dumps(recorded))
    hand_in(course, "no-runs", "a4", changed(solved("a4"), {"a4-band": NORMAL, "a4-plan": TWO_CHANGES}))
    return {
        ("naive", "a2"): 20 - 5 - 2, ("first", "a2"): 20 - 2 - 2,
        ("in-order", "a3"): 24 - 3 - 2, ("own-library", "a3"): 24 - 3 - 4,
        ("made-up", "a4"): 10 - 2, ("no-runs", "a4"): 10 - 2 - 3 - 3,
    }  # fmt: skip


@pytest.fixture(scope="module")
def graded(released, due):
    """The course, graded, and the command's output."""
    return released, run(released, "grade")


def cells_of(course: Path, student: str, name: str) -> dict[str, nbformat.NotebookNode]:
    notebook = nbformat.read(course / "autograded" / student / name / f"{name}.ipynb", as_version=4)
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if cell.metadata.get("nbgrader")}


def test_everybody_gets_exactly_the_points_that_are_due(graded, due):
    course, said = graded
    rows = list(csv.DictReader((course / "grades.csv").open()))
    given = {(row["student_id"], row["assignment"]): float(row["score"]) for row in rows}
    assert {key: given[key] for key in due} == due, said.stderr
    assert all(float(row["max_score"]) == MOST[row["assignment"]] for row in rows)
    assert sum(due_ == 0 for due_ in due.values()) >= 8 and len(due) >= 30


def test_a_file_that_is_no_notebook_stops_nothing_and_is_told(graded):
    _, said = graded
    assert said.returncode == 1
    assert re.findall(r"Not graded, so without points: (.+)", said.stderr) == [
        "submitted/empty-file/a1 (the file is empty)",
        "submitted/twice-downloaded/a1 (expected a1.ipynb)",
    ]
    assert "Not read: submitted/twice-downloaded/a1/a1 (1).ipynb (only a1.ipynb and results.json count)" in said.stderr
    assert "reference" in said.stdout, "the table of grades is shown"
    assert "These grades are in notebooks/assignments/grades.csv" in said.stderr


def test_no_points_for_nothing_are_told_from_no_points_for_an_answer(graded):
    course, _ = graded
    rows = list(csv.DictReader((course / "grades.csv").open()))
    states = {(row["student_id"], row["assignment"]): (row["score"], row["state"]) for row in rows}
    assert states["empty-notebook", "a1"] == ("0.0", "graded")
    assert states["empty-file", "a1"] == states["twice-downloaded", "a1"] == ("0.0", "cannot be graded")
    assert states["empty-file", "a2"] == ("0.0", "not handed in")
    assert states["reference", "a1"] == ("20.0", "graded")


def test_partial_credit_says_what_was_missed_and_there_is_no_traceback(graded):
    course, _ = graded
    test = cells_of(course, "half-right", "a1")["a1-arithmetic-test"]
    text, result = test.outputs
    assert result.data["text/plain"] == "3"
    lines = text.text.splitlines()
    assert "1 of 1: sample_size with teammates" in lines
    assert any(re.match(r"0 of 1: t_max_total with teammates \(.+\)", line) for line in lines)
    for name in NAMES:
        for cell in cells_of(course, "untouched", name).values():
            for output in cell.get("outputs", []):
                assert output.output_type in ("stream", "execute_result") and "Traceback" not in str(output)
                assert "not answered" in str(output) or "results" in str(output) or output.output_type != "stream"


def test_what_a_person_marks_waits_for_that_person_and_shows_the_students_plot(graded):
    course, _ = graded
    waiting = cells_of(course, "reference", "a4")
    assert {name for name in BY_HAND if waiting[name].metadata.nbgrader.grade} == set(BY_HAND)
    page = (course / "feedback" / "reference" / "a4" / "a4.html").read_text()
    assert page.count("(Score: ") >= 6


def test_tests_of_one_run_are_the_same_for_all_and_new_in_the_next(graded):
    course, _ = graded
    records = {name: list((course / ".grading" / "graded").glob(f"*/{name}.json")) for name in NAMES}
    seeds = {name: {json.loads(path.read_text())["seed"] for path in paths} for name, paths in records.items()}
    assert all(len(of_one) == 1 for of_one in seeds.values()) and len(set.union(*seeds.values())) == len(NAMES)
    shown = "".join(path.read_text() for path in course.rglob("feedback/*/*/*.html"))
    assert not any(str(seed) in shown for seed in set.union(*seeds.values()))


# --- what nobody gets to see -----------------------------------------------------------------------------------------


def solutions() -> set[str]:
    """Return every line that appears between markers and nowhere else in a source notebook."""
    inside, outside = set(), []
    for name in NAMES:
        for cell in nbformat.read(COURSE / "source" / name / f"{name}.ipynb", as_version=4).cells:
            hidden = False
            for line in map(str.strip, cell.source.splitlines()):
                if "SOLUTION" in line:
                    hidden = "BEGIN" in line
                elif hidden:
                    inside.add(line)
                else:
                    outside.append(line)
    public = "\n".join(outside)
    return {line for line in inside if len(line) > 11 and line not in public}


def hidden_tests() -> set[str]:
    """Return every line of the hidden tests and the point counting that is not public as well."""
    files = [COURSE / "grader" / f"{name}.py" for name in (*NAMES, "tasks")]
    lines = {line.strip() for path in files for line in path.read_text().splitlines()}
    public = "\n".join(path.read_text() for path in (ROOT / "omg_lib").rglob("*.py"))
    lines = {line for line in lines if len(line) > 11 and not line.startswith(("import ", "from "))}
    return {line for line in lines if line not in public}


def everything(path: Path) -> str:
    """Return all text of a file: a notebook with metadata and outputs, a page without tags, and the raw text."""
    raw = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".ipynb":
        return raw + "\n".join(_strings(json.loads(raw)))
    return raw + html.unescape(re.sub(r"<[^>]+>", "", raw))


def _strings(x: object) -> list[str]:
    if isinstance(x, dict):
        return [text for pair in x.items() for part in pair for text in _strings(part)]
    if isinstance(x, list):
        return [text for part in x for text in _strings(part)] + ["".join(p for p in x if isinstance(p, str))]
    return [str(x)]


def leaks(path: Path, secrets: set[str]) -> set[str]:
    text = everything(path)
    return {line for line in secrets if line in text}


def test_the_search_for_leaks_finds_them_where_they_are():
    assert len(solutions()) > 60 and len(hidden_tests()) > 200
    for name in NAMES:
        assert leaks(COURSE / "source" / name / f"{name}.ipynb", solutions())
        assert leaks(COURSE / "grader" / f"{name}.py", hidden_tests())


def test_the_released_notebooks_hold_no_solution_and_no_hidden_test(released):
    files = [path for folder in ("release", "release-zh") for path in (released / folder).rglob("*") if path.is_file()]
    assert [path.name for path in sorted(files)] == [f"{name}.ipynb" for name in NAMES] * 2
    for path in files:
        assert leaks(path, solutions() | hidden_tests()) == set(), path.name
        assert "SOLUTION" not in path.read_text() and "HIDDEN" not in path.read_text()


def test_no_feedback_holds_a_hidden_test_nor_a_solution_that_was_not_handed_in(graded):
    course, _ = graded
    pages = [path for path in (course / "feedback").rglob("*") if path.is_file()]
    assert len(pages) >= 30
    for path in pages:
        student = path.relative_to(course / "feedback").parts[0]
        secrets = hidden_tests() | (solutions() if student in UNANSWERED else set())
        assert leaks(path, secrets) == set(), path


def test_the_students_copy_holds_nothing_of_a_teachers(released, tmp_path):
    """From a clone of what is committed here, with these released notebooks."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    place = clone / "notebooks" / "assignments"
    for folder in ("release", "release-zh"):
        shutil.copytree(released / folder, place / folder)
    assert run(place, "student-copy").returncode == 0
    copy = clone / "build" / "student-copy"
    files = [path for path in copy.rglob("*") if path.is_file()]
    place = copy / "notebooks" / "assignments"
    inside = {path.relative_to(place).as_posix() for path in files if place in path.parents}
    assert inside == {"GUIDE.md", *(f"{name}/{name}.ipynb" for name in NAMES)}
    guide = (copy / "notebooks" / "assignments" / "GUIDE.md").read_text()
    assert guide == (COURSE / "grader" / "FOR_STUDENTS.md").read_text() and "send your teacher" in guide
    chinese = copy / "notebooks" / "zh" / "assignments"
    assert {path.relative_to(chinese).as_posix() for path in files if chinese in path.parents} == inside
    assert "老师" in (chinese / "GUIDE.md").read_text(encoding="utf-8")
    assert (copy / "omg_lib" / "regroup.py").is_file() and (copy / "Makefile").is_file()
    kept = {path.relative_to(copy).as_posix() for path in files if "tests" in path.relative_to(copy).parts[:1]}
    assert kept and not [name for name in kept if name.startswith(("tests/assignments/", "tests/helpers/answers/"))]
    text = [path for path in files if path.suffix in (".py", ".ipynb", ".md", ".txt", ".toml", ".json")]
    assert [(path, found) for path in text if (found := leaks(path, solutions()))] == []


# --- the reference solutions, as a student runs them -----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_source_notebook_runs_in_a_kernel_and_every_check_says_right(name, solved, tmp_path):
    notebook = solved(name)
    shutil.copy(COURSE / "grader" / "a4_results.json", tmp_path / "results.json")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(tmp_path)}
    where = {"metadata": {"path": str(tmp_path)}}
    with warm_kernels():
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute(env=environment)
    shown = {
        cell.id: output.data["text/plain"]
        for cell in notebook.cells if cell.cell_type == "code"
        for output in cell.outputs if "text/plain" in output.get("data", {})
    }  # fmt: skip
    verdicts = {id: text for id, text in shown.items() if id.endswith("-test") or id == "real-update"}
    assert len(verdicts) >= 3 and all(text.startswith("Right") for text in verdicts.values()), verdicts
    if name == "a4":
        cells = {cell.id: cell for cell in notebook.cells}
        printed = re.findall(r"\d+\.\d\d", cells["answer-numbers"].outputs[0].text)
        assert len(printed) == 6 and set(printed) <= set(re.findall(r"\d+\.\d\d", cells["a4-answer"].source))


@pytest.mark.parametrize("name", NAMES)
def test_the_source_is_committed_clean(name):
    path = COURSE / "source" / name / f"{name}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    assert path.read_text(encoding="utf-8") == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    assert [file.name for file in path.parent.iterdir() if file.name != ".ipynb_checkpoints"] == [path.name]
    points = 0
    for cell in notebook["cells"]:
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None
        about = cell["metadata"].get("nbgrader", {"grade_id": cell["id"]})
        assert about["grade_id"] == cell["id"] and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cell["id"])
        points += about.get("points", 0)
        if cell["cell_type"] == "code":
            lines = [line for line in cell["source"] if line.strip() and "SOLUTION" not in line]
            assert len(lines) <= 16 and max(len(line.rstrip("\n")) for line in lines) <= 90, cell["id"]
    assert points == MOST[name]
