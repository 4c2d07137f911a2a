"""What `make assignments`, `make grade` and `make student-copy` do: `python -m grader COMMAND` in the course folder."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
ROOT = COURSE.parents[1]
HERE = "notebooks/assignments/"
STUDENTS = COURSE / "grader" / "FOR_STUDENTS.md"
"""What a student needs to know; in the students' copy it stands in the place of the teacher's guide."""
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

    A submission that cannot be graded stops nothing else: it is named, with the reason, and the exit status is 1.
    """
    handed_in = [name for name in assignments() if any((COURSE / "submitted").glob(f"*/{name}/{name}.ipynb"))]
    if not handed_in:
        print(f"There is nothing to grade in {HERE}submitted/STUDENT/ASSIGNMENT/.", file=sys.stderr)
        name_ungraded()
        return 2
    failed = [nbgrader("autograde", name, "--create", *more) for name in handed_in]
    failed += [nbgrader("generate_feedback", name, "--force") for name in handed_in]
    failed.append(nbgrader("export"))
    add_states(COURSE / "grades.csv")
    print((COURSE / "grades.csv").read_text(), end="")
    print(f"These grades are in {HERE}grades.csv; what students get is in {HERE}feedback/.", file=sys.stderr)
    return max([*failed, int(name_ungraded())])


def state(student: str, name: str) -> str:
    """What became of a student's assignment: nbgrader's table has 0.0 points for all but the first."""
    if (COURSE / "autograded" / student / name).is_dir():
        return "graded"
    return "cannot be graded" if (COURSE / "submitted" / student / name).is_dir() else "not handed in"


def add_states(table: Path) -> None:
    """A column more in the table of grades, so that 0.0 points for nothing are told from 0.0 for an answer."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="") as file:
        out = csv.DictWriter(file, [*rows[0], "state"], lineterminator="\n")
        out.writeheader()
        out.writerows(row | {"state": state(row["student_id"], row["assignment"])} for row in rows)


def name_ungraded() -> bool:
    """Name each folder of submitted/ that has no points, and say what was expected in it; whether there was one."""
    found = False
    for path in sorted((COURSE / "submitted").glob("*/*")):
        if (
            not path.is_dir()
            or "/." in f"/{path.relative_to(COURSE)}"
            or state(path.parent.name, path.name) == "graded"
        ):
            continue
        found, wanted = True, f"{path.name}.ipynb"
        why = "" if (path / wanted).is_file() else f" (expected {wanted})"
        if path.name not in assignments():
            why = f" (no assignment has this name: {', '.join(assignments())})"
        print(f"Not graded, so without points: {path.relative_to(COURSE)}{why}", file=sys.stderr)
    return found


def student_copy(target: str = "build/student-copy") -> int:
    """Copy what git knows to a new folder, without what is a teacher's, with the released notebooks and their guide."""
    place = ROOT / target
    if place.exists():
        shutil.rmtree(place)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith(TEACHERS) and (ROOT / name).is_file():
            copy(STUDENTS if name == f"{HERE}GUIDE.md" else ROOT / name, place / name)
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
