"""nbgrader's commands one after another in one process."""

import json
import subprocess
import sys

import pytest

from tests.helpers.places import copy_course, in_course


@pytest.mark.slow
def test_a_command_that_fails_stops_none_of_those_that_follow(tmp_path):
    course = copy_course(tmp_path)
    words = [["generate_assignment"], ["generate_assignment", "a1", "--create"], ["--version"]]
    command = [sys.executable, "-m", "grader.several", json.dumps(words)]
    done = subprocess.run(command, cwd=course, env=in_course(course), capture_output=True, text=True)
    assert done.returncode == 1 and "assignment" in done.stderr and "nbgrader version" in done.stdout, done.stderr
    assert (course / "release" / "a1" / "a1.ipynb").is_file()
