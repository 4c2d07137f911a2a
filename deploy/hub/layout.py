"""What a student's home contains, and what it must not. Runs as the student, so it can only harm the student's files.

python layout.py COURSE HOME
"""

import os
import shutil
import stat
import sys
from pathlib import Path

ASSIGNMENTS = "notebooks/assignments"
OF_TEACHERS = [f"{ASSIGNMENTS}/{name}" for name in (
    "source", "grader", "gradebook.db", "submitted", "autograded", "feedback", "grades.csv", "nbgrader_config.py",
)] + ["tests/assignments", "tests/helpers/answers"]  # fmt: skip
"""Solutions, hidden tests, grades and other students' work: no student may read them."""


def teachers_files(course: Path) -> list[str]:
    """Return the teacher's files anywhere in a tree that is to be laid out for students."""
    names = {Path(name).name for name in OF_TEACHERS if name.startswith(ASSIGNMENTS)}
    found = [name for name in OF_TEACHERS if os.path.lexists(course / name)]
    for folder, folders, files in os.walk(course / "notebooks"):
        found += [str(Path(folder, name).relative_to(course)) for name in (*folders, *files) if name in names]
    return sorted(set(found))


def within_reach(course: Path) -> list[str]:
    """Return the teacher's files beside the folders above such a tree that other users can read."""
    above = [parent for parent in course.resolve().parents if (parent / ASSIGNMENTS / "source").is_dir()]
    return [str(parent / name) for parent in above for name in (*OF_TEACHERS, ".git") if open_to_all(parent / name)]


def open_to_all(path: Path) -> bool:
    """Return whether every user can read this path, by its mode and the modes of all folders above it."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH) and all(up.stat().st_mode & stat.S_IXOTH for up in path.parents)
    except OSError:
        return False


def refusal(course: Path, apart: bool) -> str:
    """Say in a sentence why a tree must not be laid out for students, or return "". `apart`: each student is a user."""
    if not (course / "notebooks").is_dir():
        return f"OMG_HUB_COURSE {course}: it has no notebooks/: make student-copy makes the right tree"
    if found := teachers_files(course):
        return f"OMG_HUB_COURSE {course}: {found[0]} is for teachers only: name the tree that make student-copy makes"
    if found := within_reach(course) if apart else []:
        return f"OMG_HUB_COURSE {course}: students could read {found[0]}: close it with chmod go-rwx, or move the copy"
    return ""


def lay_out(course: Path, home: Path) -> None:
    """Copy the notebooks, only once, to keep answers; link `data` to the shared folder."""
    notebooks, data = home / "notebooks", home / "data"
    if not os.path.lexists(notebooks):
        unfinished = home / ".notebooks"  # an interrupted copy starts again
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(course / "notebooks", unfinished)
        unfinished.rename(notebooks)
    if not os.path.lexists(data):
        data.symlink_to(course / "data", target_is_directory=True)


if __name__ == "__main__":
    lay_out(*map(Path, sys.argv[1:]))
