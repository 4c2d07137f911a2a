"""Where the teacher's files are."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "notebooks" / "assignments"
NAMES = ("a1", "a2", "a3", "a4")
MADE = (
    "release", "release-*", "submitted", "autograded", "feedback", "gradebook.db", "grades.csv", ".grading",
    "__pycache__", ".ipynb_checkpoints",
)  # fmt: skip


def copy_course(folder: Path) -> Path:
    """A course folder below `folder`, with the teacher's files and nothing made from them."""
    target = folder / "notebooks" / "assignments"
    shutil.copytree(COURSE, target, ignore=shutil.ignore_patterns(*MADE))
    return target


def in_course(course: Path) -> dict[str, str]:
    """The environment of the Makefile's commands in a course folder; conftest.py has set the rest of the path."""
    path = os.pathsep.join([str(ROOT), str(course), os.environ["PYTHONPATH"]])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
