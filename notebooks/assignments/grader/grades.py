"""grades.csv: a row for each student and assignment, with its points and its state."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from nbgrader.api import Gradebook, MissingEntry

from grader.names import cell, student_name
from grader.records import is_graded, was_graded
from grader.submissions import Left, Submission

COLUMNS = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
    "raw_score", "late_submission_penalty", "score", "max_score", "state",
)  # fmt: skip
"""nbgrader's own, and the state."""
COURSE_ID = "omg"
"""As in nbgrader_config.py."""


def table(url: str, assignments: Sequence[str], read: Sequence[Submission], left: Iterable[Left]) -> str:
    """Return the whole table as CSV: all students in the gradebook, and those whose work could not be graded."""
    handed_in = {*read, *(one.about for one in left if one.about)}
    text = io.StringIO()
    out = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    out.writeheader()
    with Gradebook(url, COURSE_ID) as gradebook:
        known = {student.id: student for student in gradebook.students}
        everybody = sorted({*known, *(one.id for one in handed_in)}, key=student_name)
        for assignment in filter(lambda one: one.name in assignments, gradebook.assignments):
            for id in everybody:
                one = Submission(id, assignment.name)
                state = state_of(one, read, handed_in)
                row = {"assignment": one.assignment, "duedate": assignment.duedate, "student_id": student_name(id)}
                row |= {"max_score": assignment.max_score, "state": state} | points(gradebook, one, state)
                row |= {name: getattr(known.get(id), name, None) for name in ("last_name", "first_name", "email")}
                out.writerow({name: cell(str(value)) for name, value in row.items() if value is not None})
    return text.getvalue()


def state_of(one: Submission, read: Sequence[Submission], handed_in: set[Submission]) -> str:
    """Return "graded", "cannot be graded" or "not handed in". Only for "graded" are 0.0 points a grade."""
    if is_graded(one) if one in read else one not in handed_in and was_graded(one):
        return "graded"
    return "cannot be graded" if one in handed_in else "not handed in"


def points(gradebook: Gradebook, one: Submission, state: str) -> dict[str, object]:
    """Return the point columns of a submission. An ungraded one has no points, even if the gradebook has old ones."""
    if state == "graded":
        try:
            found = gradebook.find_submission(one.assignment, one.id)
        except MissingEntry:  # the student was removed from the gradebook
            pass
        else:
            penalty = found.late_submission_penalty
            score = max(0.0, found.score - penalty)
            return {
                "timestamp": found.timestamp, "raw_score": found.score,
                "late_submission_penalty": penalty, "score": score,
            }  # fmt: skip
    return dict.fromkeys(("raw_score", "late_submission_penalty", "score"), 0.0)
