"""Record which submissions were graded completely: one record for each submission, and the lock of a grading.

nbgrader writes a submission's notebook first, then its points, one by one. So a killed grading leaves something that
looks like a grade. Only the record counts: it is written last and names the files that were graded.
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
from omg_lib.words import _

COURSE = Path(__file__).resolve().parents[1]
PRIVATE = COURSE / ".grading"
"""For teachers only: the copies to grade, the records with the seeds of the hidden tests, nbgrader's log."""
STAGED = PRIVATE / "read"
GRADED = PRIVATE / "graded"
FEEDBACK = PRIVATE / "feedback"


def record(one: Submission) -> Path:
    return GRADED / one.id / f"{one.assignment}.json"


def autograded(one: Submission) -> Path:
    return COURSE / "autograded" / one.id / one.assignment


def digests(one: Submission) -> dict[str, str]:
    """Return the checksum of every file of a submission as last read; {} if it was not read."""
    staged = STAGED / one.id / one.assignment
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(staged.glob("*"))}


def is_graded(one: Submission) -> bool:
    """Whether this submission, as last read, was graded completely."""
    files = digests(one)
    with contextlib.suppress(OSError, ValueError):
        same = read_json(record(one)).get("files") == files
        return same and all((autograded(one) / name).is_file() for name in files)
    return False


def was_graded(one: Submission) -> bool:
    """Whether there is a complete grade for this student, even if the files are gone from submitted/."""
    return record(one).is_file() and (autograded(one) / f"{one.assignment}.ipynb").is_file()


def clear(one: Submission) -> None:
    """Make the next grading start this submission again. Marks given by hand stay in the gradebook."""
    record(one).unlink(missing_ok=True)
    shutil.rmtree(autograded(one), ignore_errors=True)


# --- hooks that nbgrader calls before and after each submission ------------------------------------------------------


def begin(notebooks: Sequence[str], **_: object) -> None:
    """Mark a submission as not graded, before nbgrader changes its files."""
    record(_submission(notebooks)).unlink(missing_ok=True)


def note_seed(one: Submission, seed: int) -> None:
    """Keep the seed of a submission's hidden tests until its grading ends."""
    write_private(record(one).with_suffix(".seed"), str(seed))


def end(notebooks: Sequence[str], **_: object) -> None:
    """Record that a submission is graded completely."""
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
    """Hold the lock that allows one grading at a time; another one waits. Yield its descriptor, which the processes of
    this grading inherit: if the parent is killed, the next grading still waits until they end.
    """
    PRIVATE.mkdir(mode=0o700, exist_ok=True)
    with (PRIVATE / "lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(_("Another grading is running in this folder; this one starts when it ends."), file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
