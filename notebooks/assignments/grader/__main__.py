"""`make assignments`, `make grade` and `make student-copy`: `python -m grader COMMAND` in the course folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from grader.calls import gradebook_url, nbgrader
from grader.grades import table
from grader.host import protection_of
from grader.names import shown, student_name
from grader.records import COURSE, FEEDBACK, STAGED, alone, clear, is_graded
from grader.submissions import Left, Submission, stage
from omg_lib.config import RunError
from omg_lib.system.files import write_text
from omg_lib.system.streams import open_streams
from omg_lib.words import _, listing

ROOT = COURSE.parents[1]
HERE = "notebooks/assignments/"
STUDENTS = COURSE / "grader" / "FOR_STUDENTS.md"
"""The students' guide; in the students' copy it replaces the teacher's."""
TEACHERS = (
    *(f"{HERE}source/", f"{HERE}grader/", f"{HERE}nbgrader_config.py", f"{HERE}GUIDE.zh-CN.md"),
    *("tests/assignments/", "tests/helpers/answers/"),
)
"""What the students' copy leaves out; it gets the released notebooks instead."""
INTERRUPTED = 130
UNSAFE = "--unsafe"
"""Option to grade even if nothing keeps submitted code from the teacher's files."""


def assignments() -> list[str]:
    return sorted(path.name for path in (COURSE / "source").iterdir() if path.is_dir())


def release() -> int:
    """Make release/ from source/, without solutions and hidden tests, and the same in other languages: release-zh/."""
    from deploy.editions import notebooks, texts  # here, because only the whole repository has it

    failed = nbgrader(*(["generate_assignment", name, "--create", "--force"] for name in assignments()))
    for edition in texts.EDITIONS:
        notebooks.release(edition, COURSE)
    return failed


def grade(*more: str) -> int:
    """Autograde submitted/, and write feedback/ and grades.csv. `more` goes to `nbgrader autograde`.

    Grade all that can be graded, name everything else in submitted/ with the reason, and then return 1. A submission is
    graded whole or not at all; if its grading was killed or its files have changed, it is graded again.
    """
    if not (COURSE / "gradebook.db").is_file():
        print(_("There is no gradebook.db yet: run `make assignments` first."), file=sys.stderr)
        return 2
    try:
        print(protection_of(COURSE, UNSAFE in more), file=sys.stderr)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    more = tuple("--GradeAnswers.unsafe=True" if option == UNSAFE else option for option in more)
    with alone() as lock:
        read, left = stage(COURSE / "submitted", STAGED, assignments())
        if not read and not any(one.worry for one in left):
            tell(left)
            where = f"{HERE}submitted/STUDENT/ASSIGNMENT/"
            print(_("There is nothing to grade in {place}.").format(place=where), file=sys.stderr)
            return 2
        for one in read:
            if not is_graded(one):
                clear(one)
        shutil.rmtree(FEEDBACK, ignore_errors=True)
        names = handed_in(read)
        where = f"--CourseDirectory.feedback_directory={FEEDBACK.relative_to(COURSE)}"
        commands = [["autograde", name, "--create", *more] for name in names]
        failed = nbgrader(*commands, *(["generate_feedback", name, where] for name in names), lock=lock)
        why = _("nbgrader did not grade it")
        left += [Left(place(one), why, one) for one in read if not is_graded(one)]
        deliver({one.about for one in left})
        with gradebook_url() as url:
            made = table(url, assignments(), read, left)
        write_text(COURSE / "grades.csv", made)
    print("".join(shown(line, 300) + "\n" for line in made.splitlines()), end="")
    said = _("These grades are in {grades}; what students get is in {feedback}.")
    print(said.format(grades=f"{HERE}grades.csv", feedback=f"{HERE}feedback/"), file=sys.stderr)
    return max(failed, int(tell(left)))


def handed_in(read: Sequence[Submission]) -> list[str]:
    return sorted({one.assignment for one in read})


def place(one: Submission) -> str:
    return f"submitted/{shown(student_name(one.id))}/{one.assignment}"


def tell(left: Sequence[Left]) -> bool:
    """Name everything that was left, and return whether any of it is a reason to worry."""
    for one in left:
        print(one, file=sys.stderr)
    return any(one.worry for one in left)


def deliver(refused: Collection[Submission | None]) -> None:
    """Move new feedback from the folders with nbgrader's ids to those with the students' names, in feedback/. Skip what
    is refused now: its feedback is of an earlier version.
    """
    for made in FEEDBACK.glob("*/*"):
        if Submission(made.parent.name, made.name) in refused:
            continue
        target = COURSE / "feedback" / student_name(made.parent.name) / made.name
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        made.rename(target)


def student_copy(target: str = "build/student-copy") -> int:
    """Copy the files in git to a new folder, without the teacher's, and add the released notebooks and their guide, in
    every language.
    """
    from deploy.editions import readme, texts  # here, because only the whole repository has it

    place = ROOT / target
    draft = place.with_name(f".{place.name}.draft")  # so that no half of a copy is ever published
    shutil.rmtree(draft, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if not name.startswith(TEACHERS) and (ROOT / name).is_file():
            copy(STUDENTS if name == f"{HERE}GUIDE.md" else ROOT / name, draft / name)
    for path in sorted((COURSE / "release").glob("*/*")):
        copy(path, draft / HERE / path.relative_to(COURSE / "release"))
    for edition in texts.EDITIONS:
        released, theirs = COURSE / f"release-{edition.folder}", draft / "notebooks" / edition.folder / "assignments"
        copy(readme.path_of(edition, STUDENTS), theirs / "GUIDE.md")
        for path in sorted(released.glob("*/*")):
            copy(path, theirs / path.relative_to(released))
    shutil.rmtree(place, ignore_errors=True)
    draft.rename(place)
    print(_("The students' copy is in {target}.").format(target=target))
    return 0


def copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


COMMANDS = {"assignments": release, "grade": grade, "student-copy": student_copy}


def main(arguments: Sequence[str]) -> int:
    open_streams()
    if not arguments or arguments[0] not in COMMANDS:
        print(_("allowed are {names}").format(names=listing(COMMANDS)), file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](*arguments[1:])
    except (OSError, RunError) as error:
        print(_("The command stopped: {why}").format(why=shown(str(error), 250)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(_("interrupted"), file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # the database's, about nbgrader's own sessions: not for a teacher's eyes
    sys.exit(main(sys.argv[1:]))
