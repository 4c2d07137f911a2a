"""`make grade` without protection for the teacher: it refuses, in one sentence, until the teacher allows it."""

import subprocess
import sys

import nbformat
import pytest

from tests.assignments.test_host import UNKNOWN, needs_setarch
from tests.helpers.places import copy_course, in_course

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), needs_setarch]


def run(course, *command: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", *command]
    return subprocess.run(command, cwd=course, env=in_course(course), capture_output=True, text=True)


def test_unsafe_is_said_or_nothing_is_graded(tmp_path, solved):
    course = copy_course(tmp_path)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"c.GradeAnswers.python = {UNKNOWN}\n")
    assert run(course, "nbgrader", "generate_assignment", "a1", "--create", "--force").returncode == 0
    folder = course / "submitted" / "reference" / "a1"
    folder.mkdir(parents=True)
    nbformat.write(solved("a1"), folder / "a1.ipynb")

    refused = run(course, "grader", "grade")
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr.count("\n") == 1 and "--unsafe" in refused.stderr and len(refused.stderr) <= 300
    assert not (course / "autograded").exists() and not (course / "grades.csv").exists()

    graded = run(course, "grader", "grade", "--unsafe")
    assert graded.returncode == 0 and "Nothing keeps answers from your files" in graded.stderr
    assert "a1,,,reference,,,,20.0" in graded.stdout
