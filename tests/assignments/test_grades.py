"""The table of grades, and what counts as graded; without nbgrader's commands."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest
from grader import records
from grader.calls import in_short
from grader.grades import COLUMNS, table
from grader.names import student_id
from grader.submissions import Left, Submission
from nbgrader.api import Gradebook


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A course folder that the records know."""
    for name in ("STAGED", "GRADED", "COURSE"):
        monkeypatch.setattr(records, name, tmp_path / getattr(records, name).relative_to(records.COURSE))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # nbgrader's alembic
    return tmp_path


def staged(place: Path, name: str, text: str = "{}") -> Submission:
    """A student's submission, as read."""
    one = Submission(student_id(name), "a1")
    (records.STAGED / one.id / "a1").mkdir(parents=True, exist_ok=True)
    (records.STAGED / one.id / "a1" / "a1.ipynb").write_text(text)
    return one


def graded(place: Path, name: str) -> Submission:
    """Do with it what nbgrader does; return what the records show before and after."""
    one = staged(place, name)
    notebooks = [str(records.STAGED / one.id / "a1" / "a1.ipynb")]
    records.begin(assignment="a1", student="*", notebooks=notebooks)
    records.autograded(one).mkdir(parents=True)
    (records.autograded(one) / "a1.ipynb").write_text("graded")
    records.note_seed(one, 17)
    assert not records.is_graded(one), "not before the end"
    records.end(assignment="a1", student="*", notebooks=notebooks)
    return one


def test_a_submission_is_graded_when_it_was_graded_to_the_end_and_is_still_the_same(place):
    one = graded(place, "Last, First")
    assert records.is_graded(one) and records.was_graded(one)
    assert json.loads(records.record(one).read_text())["seed"] == 17
    assert [path.name for path in records.record(one).parent.iterdir()] == ["a1.json"]
    staged(place, "Last, First", '{"changed": 1}')
    assert not records.is_graded(one) and records.was_graded(one)
    staged(place, "Last, First")
    (records.autograded(one) / "a1.ipynb").unlink()
    assert not records.is_graded(one) and not records.was_graded(one)


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"files": 3}', "\0"])
def test_a_damaged_record_is_none(place, text):
    one = graded(place, "s17")
    records.record(one).write_text(text)
    assert not records.is_graded(one)
    records.clear(one)
    assert not records.record(one).exists() and not records.autograded(one).exists()


@pytest.fixture
def url(place) -> str:
    """A gradebook with one assignment of 5 points, which every student in it got."""
    url = f"sqlite:///{place}/gradebook.db"
    with Gradebook(url, "omg") as gradebook:
        gradebook.add_assignment("a1", course_id="omg")
        gradebook.add_notebook("a1", "a1")
        gradebook.add_grade_cell("one", "a1", "a1", max_score=5, cell_type="code")
        for name in ("s17", "=1+1", "Last, First"):
            gradebook.add_student(student_id(name), last_name="@SUM(1)")
            gradebook.add_submission("a1", student_id(name))
            gradebook.find_grade("one", "a1", "a1", student_id(name)).auto_score = 4
        gradebook.db.commit()
    return url


def rows(text: str) -> dict[str, dict[str, str]]:
    return {row["student_id"]: row for row in csv.DictReader(io.StringIO(text))}


@pytest.mark.slow
def test_only_what_is_graded_has_points(place, url):
    whole, killed = graded(place, "s17"), staged(place, "=1+1")
    left = [
        Left("submitted/Last, First/a1", "a link", Submission(student_id("Last, First"), "a1")),
        Left("submitted/new/x", "no assignment", Submission("new")),
        Left("submitted/.DS_Store", "a program", worry=False),
    ]
    found = rows(table(url, ["a1", "a2"], [whole, killed], left))
    assert {name: (row["score"], row["state"]) for name, row in found.items()} == {
        "s17": ("4.0", "graded"), "'=1+1": ("0.0", "cannot be graded"),
        "Last, First": ("0.0", "cannot be graded"), "new": ("0.0", "not handed in"),
    }  # fmt: skip
    assert all(tuple(row) == COLUMNS and row["max_score"] == "5.0" for row in found.values())
    assert found["s17"]["last_name"] == "'@SUM(1)" and found["new"]["last_name"] == ""


@pytest.mark.slow
def test_what_was_graded_stays_when_its_files_are_gone_and_not_when_they_are_refused(place, url):
    graded(place, "s17")
    assert rows(table(url, ["a1"], [], []))["s17"]["state"] == "graded"
    left = [Left("submitted/s17/a1", "a link", Submission("s17", "a1"))]
    assert rows(table(url, ["a1"], [], left))["s17"]["state"] == "cannot be graded"


def test_a_log_is_told_without_tracebacks():
    log = (
        "[App | WARNING] one\n    more\n"
        "[App | ERROR] Traceback (most recent call last):\n      File x\n    ValueError: bad\x1b[2J\n"
        "[App | ERROR] There was an error\nTraceback (most recent call last):\n  File y\nKeyboardInterrupt\n"
    )
    assert in_short(log) == [
        "[App | WARNING] one", "more", "ValueError: bad\\x1b[2J",
        "[App | ERROR] There was an error", "KeyboardInterrupt",
    ]  # fmt: skip
