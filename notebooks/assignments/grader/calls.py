"""nbgrader's own commands, called so that they work in every folder and say what is wrong in a line."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from grader.names import shown
from grader.records import COURSE, PRIVATE

PATTERNS = re.compile(r"[*?\[\]]")
"""In the course's own path, nbgrader would search by them, and SQLAlchemy ends a database's name at a ?."""


@contextlib.contextmanager
def plain_path() -> Iterator[Path]:
    """A path of the course's folder without characters of search patterns: a link to it, if it has any."""
    if not PATTERNS.search(str(COURSE)):
        yield COURSE
        return
    with tempfile.TemporaryDirectory(prefix="omg-course-") as folder:
        link = Path(folder) / "course"
        link.symlink_to(COURSE, target_is_directory=True)
        yield link


@contextlib.contextmanager
def gradebook_url() -> Iterator[str]:
    with plain_path() as course:
        yield f"sqlite:///{course}/gradebook.db"


def nbgrader(*arguments: str, lock: int | None = None) -> int:
    """One of nbgrader's commands, in the course's folder; its exit status. The lock's descriptor stays open in it.

    Its errors are shown without tracebacks, which are kept in the log; warnings of the database are no news.
    """
    with plain_path() as course:
        command = [sys.executable, "-W", "ignore", "-m", "nbgrader", *arguments, "--log-level=WARN"]
        command += [f"--CourseDirectory.root={course}", f"--CourseDirectory.db_url=sqlite:///{course}/gradebook.db"]
        held = () if lock is None else (lock,)
        done = subprocess.run(command, cwd=COURSE, stderr=subprocess.PIPE, pass_fds=held)
    text = done.stderr.decode(errors="replace")
    PRIVATE.mkdir(mode=0o700, exist_ok=True)
    with (PRIVATE / "log").open("a", encoding="utf-8") as log:
        log.write(text)
    for line in in_short(text):
        print(line, file=sys.stderr)
    return done.returncode


def in_short(log: str) -> list[str]:
    """The lines of a log, of each traceback the last one only. (A message goes on in lines that are indented.)"""
    lines = []
    for message in re.split(r"^(?=\[|Traceback)", log, flags=re.MULTILINE):
        rows = [row.strip() for row in message.splitlines() if row.strip()]
        traced = any("Traceback (most recent call last)" in row for row in rows)
        lines += [shown(row, 300) for row in (rows[-1:] if traced else rows)]
    return lines
