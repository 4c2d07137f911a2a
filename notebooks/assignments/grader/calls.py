"""Run nbgrader's own commands in any folder, and report their errors in one line each."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.names import shown
from grader.records import COURSE, PRIVATE

PATTERNS = re.compile(r"[*?\[\]]")
"""Characters that break the course's path: nbgrader searches by them, and SQLAlchemy ends a database's name at a ?."""


@contextlib.contextmanager
def plain_path() -> Iterator[Path]:
    """Yield a path to the course folder without pattern characters: the folder itself, or else a link to it."""
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


def nbgrader(*commands: Sequence[str], lock: int | None = None) -> int:
    """Run nbgrader's commands in the course folder, and return the largest exit status. They keep the `lock` open.

    Show their errors without tracebacks, which go to the log; ignore the database's warnings.
    """
    with plain_path() as course:
        where = [f"--CourseDirectory.root={course}", f"--CourseDirectory.db_url=sqlite:///{course}/gradebook.db"]
        words = json.dumps([[*command, "--log-level=WARN", *where] for command in commands])
        program = [sys.executable, "-W", "ignore", "-m", "grader.several", words]
        held = () if lock is None else (lock,)
        done = subprocess.run(program, cwd=COURSE, stderr=subprocess.PIPE, pass_fds=held)
    text = done.stderr.decode(errors="replace")
    PRIVATE.mkdir(mode=0o700, exist_ok=True)
    with (PRIVATE / "log").open("a", encoding="utf-8") as log:
        log.write(text)
    for line in in_short(text):
        print(line, file=sys.stderr)
    return done.returncode


def in_short(log: str) -> list[str]:
    """Return the lines of a log, with only the last line of each traceback. (Indented lines continue a message.)"""
    lines = []
    for message in re.split(r"^(?=\[|Traceback)", log, flags=re.MULTILINE):
        rows = [row.strip() for row in message.splitlines() if row.strip()]
        traced = any("Traceback (most recent call last)" in row for row in rows)
        lines += [shown(row, 300) for row in (rows[-1:] if traced else rows)]
    return lines
