"""`make grade` with submissions that are not plain files and students with difficult names: graded or named, no more.

In a course folder whose path is full of glob patterns, on a console that lacks most characters.
"""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from tests.helpers.places import in_course

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
NAMES = ["Last, First", "two\nlines", "=1+1", "[x]", "a*", "ab", "王小明", "😀", "~F0~9F~98~80"]
"""The last is nbgrader's name for the one before. (tests/assignments/test_submissions.py has more.)"""
if sys.platform == "linux":  # where a name may be any bytes
    NAMES += [unicodedata.normalize("NFD", "Zoë"), "\udce9"]


def run(course: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the Makefile's command on a Western European Windows console."""
    environment = in_course(course) | {"PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "grader", *arguments]
    return subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, encoding="cp1252")


def hand_in(course: Path, student: str, notebook: nbformat.NotebookNode) -> Path:
    folder = course / "submitted" / student / "a1"
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "a1.ipynb")
    return folder


def grades(course: Path) -> dict[str, tuple[float, str]]:
    with (course / "grades.csv").open(newline="", encoding="utf-8") as file:
        return {row["student_id"]: (float(row["score"]), row["state"]) for row in csv.DictReader(file)}


@contextlib.contextmanager
def gradebook(course: Path) -> Iterator[Gradebook]:
    """Return the course's gradebook, by a path without a question mark."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "course").symlink_to(course)
        with Gradebook(f"sqlite:///{folder}/course/gradebook.db", "omg") as opened:
            yield opened


@pytest.fixture(scope="module")
def first(a1_course, solved):
    """Submit and grade everything once; return the command's output."""
    course = a1_course
    early = run(course, "grade")
    assert early.returncode == 2 and "make assignments" in early.stderr and "Traceback" not in early.stderr
    assert run(course, "assignments").returncode == 0
    for name in NAMES:
        hand_in(course, name, solved("a1"))
    hand_in(course, "," * 100, solved("a1"))
    (course / "submitted" / "linked").symlink_to(course / "source", target_is_directory=True)
    (hand_in(course, "fifo", solved("a1")) / "a1.ipynb").unlink()
    os.mkfifo(course / "submitted" / "fifo" / "a1" / "a1.ipynb")
    stolen = hand_in(course, "stolen", solved("a1")) / "a1.ipynb"
    stolen.unlink()
    stolen.symlink_to(course / "source" / "a1" / "a1.ipynb")
    more = hand_in(course, "more", solved("a1"))
    (more / "x").symlink_to(course / "gradebook.db")
    (more / "a1.html").write_text("<script>")
    (more / "timestamp.txt").write_text("2001-01-01 00:00:00")
    shutil.copy(more / "a1.ipynb", course / "submitted" / "Last_123_a1.ipynb")
    return run(course, "grade")


def test_every_name_is_graded_or_named_and_nothing_else_stops(first, a1_course):
    assert "Traceback" not in first.stderr + first.stdout and first.returncode == 1
    found = grades(a1_course)
    written = {"=1+1": "'=1+1", "\udce9": "\\udce9"}
    assert found == dict.fromkeys((written.get(name, name) for name in [*NAMES, "more"]), (20.0, "graded")) | (
        dict.fromkeys(("fifo", "stolen"), (0.0, "cannot be graded"))
    )
    protection, where, *named = first.stderr.splitlines()
    assert protection.startswith("Answers run") and where.startswith("These grades are in"), first.stderr
    assert all(line.startswith("Not ") for line in named), first.stderr
    assert len(named) == 8 and all(len(line) <= 300 for line in named)
    for name in ("linked", "fifo/a1", "stolen/a1", "more/a1/x", "more/a1/a1.html", "more/a1/timestamp.txt", ",,,",
                 "Last_123_a1.ipynb"):  # fmt: skip
        assert sum(f"submitted/{name}" in line for line in named) == 1, name


def test_feedback_lies_under_the_students_own_names_and_holds_nothing_of_a_teachers(first, a1_course):
    pages = sorted(path.relative_to(a1_course / "feedback") for path in a1_course.glob("feedback/*/*/*"))
    assert pages == sorted(Path(name) / "a1" / "a1.html" for name in [*NAMES, "more"])
    seeds = {json.loads(path.read_text())["seed"] for path in a1_course.glob(".grading/graded/*/a1.json")}
    assert len(seeds) == 1, "all meet the same tests"
    assert not list(a1_course.glob(".grading/feedback/*/*")), "each page is moved"
    for path in a1_course.glob("feedback/*/*/a1.html"):
        page = path.read_text(encoding="utf-8")
        assert str(seeds.copy().pop()) not in page and "drawn with" not in page
    assert (a1_course / ".grading").stat().st_mode & 0o077 == 0


def test_no_time_is_taken_from_a_students_file(first, a1_course):
    assert "2001" not in (a1_course / "grades.csv").read_text(encoding="utf-8")
    with gradebook(a1_course) as found:
        assert found.find_submission("a1", "more").timestamp is None


def test_what_changed_is_graded_anew_and_marks_given_by_hand_stay(first, a1_course):
    course = a1_course
    with gradebook(course) as opened:
        opened.find_grade("a1-seat-test", "a1", "a1", "more").manual_score = 1.5
        opened.db.commit()
    for name in ("stolen", "fifo", "linked", "," * 100, "Last_123_a1.ipynb"):
        path = course / "submitted" / name
        path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)
    for path in (course / "submitted" / "more" / "a1").glob("[!a]*"):
        path.unlink()
    (course / "submitted" / "more" / "a1" / "a1.html").unlink()
    blank = course / "release" / "a1" / "a1.ipynb"
    for name in ("ab", "😀"):
        shutil.copy(blank, course / "submitted" / name / "a1" / "a1.ipynb")
    (course / "submitted" / "[x]" / "a1" / "a1.ipynb").unlink()
    (course / "submitted" / "[x]" / "a1" / "a1.ipynb").symlink_to(blank)
    shutil.rmtree(course / "submitted" / "two\nlines")
    before = {path: path.stat().st_mtime_ns for path in course.glob("autograded/*/a1/a1.ipynb")}
    again = run(course, "grade")
    assert again.returncode == 1 and again.stderr.count("Not graded") == 1 and "submitted/[x]/a1" in again.stderr
    found = grades(course)
    assert found["ab"] == found["😀"] == (0.0, "graded")
    assert found["a*"] == found["two\nlines"] == (20.0, "graded"), "also of a student whose files are gone"
    assert found["[x]"] == (0.0, "cannot be graded") and found["more"] == (19.5, "graded")
    changed = {path.parts[-3] for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {"ab", "~F0~9F~98~80"}, "nothing else is graded again"
    pages = {name: (course / "feedback" / name / "a1" / "a1.html").read_text() for name in ("😀", "~F0~9F~98~80")}
    assert ["not answered" in page for page in pages.values()] == [True, False], "each gets their own page"

    for path in (course / "submitted").iterdir():
        if path.name != "more":
            shutil.rmtree(path)
    forced = run(course, "grade", "--force", "--GradeAnswers.seed=17")
    assert forced.returncode == 0, forced.stderr
    assert grades(course)["more"] == (19.5, "graded")
    record = json.loads((course / ".grading" / "graded" / "more" / "a1.json").read_text())
    assert record["seed"] == 17
