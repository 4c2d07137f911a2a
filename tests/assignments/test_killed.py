"""A grading that is killed at any time and then repeated gives the grades of an undisturbed one.

OMG_KILLS sets the number of kills (30 take about half an hour).
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tests.helpers.places import in_course

KILLS = int(os.environ.get("OMG_KILLS", "2"))
STUDENTS = ("s17", "Last, First")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 300 * KILLS)]


def started(course: Path, command: str) -> subprocess.Popen:
    """Run a command of the Makefile in its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "grader", command], cwd=course, env=in_course(course),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def done(course: Path, command: str) -> str:
    """Return a command's stderr; the command must succeed."""
    process = started(course, command)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    return said


def begun(course: Path, process: subprocess.Popen) -> float:
    """Wait until the grading has read the submissions; it changes files only after that."""
    while not (course / ".grading" / "read").is_dir() and process.poll() is None:
        time.sleep(0.02)
    return time.monotonic()


def forget(course: Path) -> None:
    """Reset to the state before the first grading."""
    for name in (".grading", "autograded", "feedback"):
        shutil.rmtree(course / name, ignore_errors=True)
    (course / "grades.csv").unlink(missing_ok=True)
    shutil.copy(course / "released.db", course / "gradebook.db")


def test_kill_9_at_any_time_changes_no_grade(a1_course, solved):
    course = a1_course
    for student in STUDENTS:
        (course / "submitted" / student / "a1").mkdir(parents=True)
        nbformat.write(solved("a1"), course / "submitted" / student / "a1" / "a1.ipynb")
    done(course, "assignments")
    shutil.copy(course / "gradebook.db", course / "released.db")
    forget(course)
    whole = started(course, "grade")
    start = begun(course, whole)
    assert whole.communicate() and whole.returncode == 0
    length = time.monotonic() - start
    grades = (course / "grades.csv").read_text()
    assert grades.count(",20.0,0.0,20.0,20.0,graded") == len(STUDENTS), grades

    chance, killed = random.Random(os.environ.get("OMG_KILLS_SEED")), 0
    for number in range(4 * KILLS):  # a grading that was too fast for its kill is not counted
        forget(course)
        process = started(course, "grade")
        begun(course, process)
        time.sleep(chance.uniform(0, length))
        # killed alone, it leaves nbgrader running, and the next grading must wait for it
        (os.kill if number % 2 else os.killpg)(process.pid, signal.SIGKILL)
        process.communicate() if number % 2 == 0 else process.wait()
        if process.returncode != -signal.SIGKILL:
            continue
        killed += 1
        table = course / "grades.csv"
        assert not table.exists() or table.read_text() == grades, "written whole or not at all"
        done(course, "grade")
        assert table.read_text() == grades, f"kill {killed} of {KILLS}"
        assert {path.parts[-3] for path in course.glob("feedback/*/a1/a1.html")} == set(STUDENTS)
        if killed == KILLS:
            return
    pytest.fail(f"{killed} of {KILLS} kills met a grading at work")


def test_a_students_copy_that_finds_no_room_leaves_the_one_before_as_it_was(tmp_path, monkeypatch, capsys):
    from grader import __main__ as commands

    place, made = tmp_path / "copy", []
    place.mkdir()
    (place / "before").write_text("whole")

    def full(path, target):
        made.append(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if len(made) > 3:
            raise OSError(28, "No space left on device")
        target.write_text("new")

    monkeypatch.setattr(commands, "copy", full)
    assert commands.main(["student-copy", str(place)]) == 1
    err = capsys.readouterr().err
    assert "No space left on device" in err and err.count("\n") == 1
    assert [(path.name, path.read_text()) for path in place.iterdir()] == [("before", "whole")]
