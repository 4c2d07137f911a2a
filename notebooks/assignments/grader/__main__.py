"""What `make assignments`, `make grade` and `make student-copy` do: `python -m grader COMMAND` in the course folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
ROOT = COURSE.parents[1]
HERE = "notebooks/assignments/"
TEACHERS = (f"{HERE}source/", f"{HERE}grader/", f"{HERE}nbgrader_config.py", "tests/assignments/")
"""What no student's copy holds. The released notebooks are put in its place."""


def nbgrader(*arguments: str) -> int:
    """One of nbgrader's own commands, in the course's folder; warnings of the database are no news to a teacher."""
    command = [sys.executable, "-W", "ignore", "-m", "nbgrader", *arguments, "--log-level=WARN"]
    return subprocess.run(command, cwd=COURSE).returncode


def assignments() -> list[str]:
    return sorted(path.name for path in (COURSE / "source").iterdir() if path.is_dir())


def release() -> int:
    """Make release/ from source/: no solution, no hidden test."""
    return max(nbgrader("generate_assignment", name, "--create", "--force") for name in assignments())


def grade(*more: str) -> int:
    """Autograde what is in submitted/, write feedback/ and grades.csv. `more` goes to `nbgrader autograde`.

    A submission that cannot even be read stops nothing else: it is named, has no points, and the exit status is 1.
    """
    handed_in = [name for name in assignments() if any((COURSE / "submitted").glob(f"*/{name}/{name}.ipynb"))]
    if not handed_in:
        print("There is nothing to grade in notebooks/assignments/submitted/STUDENT/ASSIGNMENT/.", file=sys.stderr)
        return 2
    failed = [nbgrader("autograde", name, "--create", *more) for name in handed_in]
    failed += [nbgrader("generate_feedback", name, "--force") for name in handed_in]
    failed.append(nbgrader("export"))
    print((COURSE / "grades.csv").read_text(), end="")
    for path in sorted((COURSE / "submitted").glob("*/*")):
        if path.name in handed_in and not (COURSE / "autograded" / path.relative_to(COURSE / "submitted")).is_dir():
            print(f"Not graded, so without points: {path.relative_to(COURSE)}", file=sys.stderr)
    return max(failed)


def student_copy(target: str = "build/student-copy") -> int:
    """Copy what git knows to a new folder, without what is a teacher's, and with the released notebooks."""
    place = ROOT / target
    if place.exists():
        shutil.rmtree(place)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith(TEACHERS) and (ROOT / name).is_file():
            copy(ROOT / name, place / name)
    for path in sorted((COURSE / "release").glob("*/*")):
        copy(path, place / "notebooks" / "assignments" / path.relative_to(COURSE / "release"))
    print(f"The students' copy is in {target}.")
    return 0


def copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


COMMANDS = {"assignments": release, "grade": grade, "student-copy": student_copy}


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        print(f"allowed are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    return COMMANDS[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
