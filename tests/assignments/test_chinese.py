"""Assignments in Chinese: released beside the English ones, graded like them, with feedback in their language."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from grader.child import NO_ANSWER_NEEDS
from grader.feedback import PLAIN, _childs
from grader.slim import slim

from deploy.editions import texts
from omg_lib.words import speaking
from tests.helpers.asking import UNSAFE
from tests.helpers.places import in_course

RIGHT = "    return repeat(values, 'g -> (g a)', a=n_agents)"
STUB = "    raise NotImplementedError  # 把这一行换成你的代码"
HAN = re.compile("[\u4e00-\u9fff]")


def run(course: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the Makefile's command, in no language."""
    languages = ("OMG_LANG", "LC_", "LANG")
    plain = {name: value for name, value in in_course(course).items() if not name.startswith(languages)}
    command, environment = [sys.executable, "-m", "grader", *arguments], plain | {"PYTHONUTF8": "1"}
    return subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def graded(a1_course):
    """The same two answers, one right and one that fails, in both languages."""
    with (a1_course / "nbgrader_config.py").open("a") as config:
        config.write(f"c.GradeAnswers.unsafe = {UNSAFE}\n")
    made = run(a1_course, "assignments")
    assert made.returncode == 0, made.stderr
    for student, folder in (("zh", "release-zh"), ("en", "release")):
        notebook = nbformat.read(a1_course / folder / "a1" / "a1.ipynb", as_version=4)
        cells = {cell.id: cell for cell in notebook.cells}
        stub = next(line for line in cells["a1-slots"].source.splitlines() if "NotImplementedError" in line)
        cells["a1-slots"].source = cells["a1-slots"].source.replace(stub, RIGHT)
        cells["a1-rows"].source = cells["a1-rows"].source.replace(stub, "    return x.missing  # 没有")
        (a1_course / "submitted" / student / "a1").mkdir(parents=True)
        nbformat.write(notebook, a1_course / "submitted" / student / "a1" / "a1.ipynb")
    done = run(a1_course, "grade")
    assert done.returncode == 0, done.stderr
    return a1_course


@pytest.mark.slow
def test_the_released_notebook_is_translated_cell_by_cell(graded):
    """What nbgrader releases is what the texts translate: every digest is of the cell there."""
    (edition,) = texts.EDITIONS
    sections = texts.read(edition.texts / "a1.md")
    english, chinese = (nbformat.read(graded / f / "a1" / "a1.ipynb", as_version=4) for f in ("release", "release-zh"))
    assert [cell.id for cell in english.cells] == [cell.id for cell in chinese.cells]
    for ours, theirs in zip(english.cells, chinese.cells, strict=True):
        assert ours.metadata == theirs.metadata
        if ours.id in sections:
            assert texts.digest(ours.source) == sections[ours.id].digest, ours.id
            assert HAN.search(theirs.source), ours.id
    assert STUB in next(cell.source for cell in chinese.cells if cell.id == "a1-slots")


@pytest.mark.slow
def test_a_chinese_submission_gets_the_same_points_and_chinese_feedback(graded):
    page = {student: (graded / "feedback" / student / "a1" / "a1.html").read_text("utf-8") for student in ("zh", "en")}
    rows = [row.split(",") for row in (graded / "grades.csv").read_text("utf-8").splitlines()[1:]]
    points = {row[3]: row[7] for row in rows}
    assert points == {"zh": "2.0", "en": "2.0"}
    assert "2 of 2: every row has its own group" in page["en"] and "AttributeError in your line" in page["en"]
    for line in ("2 / 2 分：每一行都得到自己组的数", "AttributeError：return x.missing", "0 / 1 分：样本（没有作答）"):
        assert line in page["zh"]
    assert not re.search(r"\d of \d: ", page["zh"])


def test_only_an_edition_of_the_course_passes_the_reader():
    for claimed, kept in (("zh_CN", {"omg_lang": "zh_CN"}), ("xx", {}), (["zh_CN"], {}), ({}, {}), (None, {})):
        assert slim({"metadata": {"omg_lang": claimed, "more": 1}}) == {"metadata": kept}


def test_every_message_of_the_answers_process_is_told_in_the_students_language():
    assert NO_ANSWER_NEEDS in PLAIN
    with speaking("zh_CN"):
        assert all(HAN.search(said) for said in _childs("answer", 3).values())
