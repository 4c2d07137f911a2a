"""What was graded, and that it was graded whole: one record for each submission, and the lock of a grading.

nbgrader writes a submission's notebook first, then its points, one by one. So a grading that was killed leaves things
that look like a grade. What counts is the record, which is written last and names the files that were graded.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.submissions import Submission
from omg_lib.system.files import read_json, write_text

COURSE = Path(__file__).resolve().parents[1]
PRIVATE = COURSE / ".grading"
"""For teachers only: the copies that are graded, the records with the seeds of the hidden tests, nbgrader's log."""
STAGED = PRIVATE / "read"
GRADED = PRIVATE / "graded"
FEEDBACK = PRIVATE / "feedback"


def record(one: Submission) -> Path:
    return GRADED / one.id / f"{one.assignment}.json"


def autograded(one: Submission) -> Path:
    return COURSE / "autograded" / one.id / one.assignment


def digests(one: Submission) -> dict[str, str]:
    """The checksum of every file of a submission as it was read last; {} if it was not."""
    staged = STAGED / one.id / one.assignment
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(staged.glob("*"))}


def is_graded(one: Submission) -> bool:
    """Whether this submission, as it was read last, has been graded to the end."""
    files = digests(one)
    with contextlib.suppress(OSError, ValueError):
        same = read_json(record(one)).get("files") == files
        return same and all((autograded(one) / name).is_file() for name in files)
    return False


def was_graded(one: Submission) -> bool:
    """Whether there is a whole grade of something that this student sent, which may be gone from submitted/."""
    return record(one).is_file() and (autograded(one) / f"{one.assignment}.ipynb").is_file()


def clear(one: Submission) -> None:
    """Have a submission graded from the start. Marks given by hand stay: they are in the gradebook."""
    record(one).unlink(missing_ok=True)
    shutil.rmtree(autograded(one), ignore_errors=True)


# --- what nbgrader calls, before and after each submission -----------------------------------------------------------


def begin(notebooks: Sequence[str], **_: object) -> None:
    """nbgrader is about to change what is there of a submission: from here on it is not graded."""
    record(_submission(notebooks)).unlink(missing_ok=True)


def note_seed(one: Submission, seed: int) -> None:
    """Keep the seed of the hidden tests that a submission meets, until its grading ends."""
    write_private(record(one).with_suffix(".seed"), str(seed))


def end(notebooks: Sequence[str], **_: object) -> None:
    """A submission is graded whole."""
    one = _submission(notebooks)
    seed = record(one).with_suffix(".seed")
    write_private(record(one), json.dumps({"files": digests(one), "seed": int(seed.read_text(encoding="utf-8"))}))
    seed.unlink()


def _submission(notebooks: Sequence[str]) -> Submission:
    folder = Path(notebooks[0]).parent
    return Submission(folder.parent.name, folder.name)


def write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text + "\n")


@contextlib.contextmanager
def alone() -> Iterator[int]:
    """Only one grading at a time: another one waits. The lock's descriptor, for the processes of this grading: it is
    theirs as well, so that one whose parent was killed ends before the next grading begins.
    """
    PRIVATE.mkdir(mode=0o700, exist_ok=True)
    with (PRIVATE / "lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another grading is at work in this folder; this one begins when that one ends.", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
