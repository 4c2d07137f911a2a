"""The only reader of submitted/: it reads each graded file once, and names everything else.

It trusts no name in submitted/. It opens every folder and file from the folder above it without following a link, and
reads only plain files with an expected name and a usual size. nbgrader sees only the copies.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from grader.names import shown, student_id
from grader.slim import slim
from omg_lib.config import RunError
from omg_lib.system.files import deeper
from omg_lib.words import N_, _, listing

RESULTS = "results.json"
MOST_BYTES = {".ipynb": 20 << 20, ".json": 4 << 20}
"""Largest size of a notebook with its plots, and of assignment 4's file of runs."""
DEEPEST = 60
"""Most levels of a notebook's JSON; a notebook with plots has about ten."""
MOST_NAMED = 5
"""Most unexpected files to name in one folder; a submission may have a million."""
MACHINES = (".DS_Store", ".ipynb_checkpoints", ".gitkeep", "Thumbs.db", "desktop.ini")
"""Files that programs leave behind: named too, but no reason to worry."""
FOLDER, PLAIN = N_("a folder"), N_("a plain file")
PROGRAMS = N_("a program left it here")


class RefusedError(ValueError):
    """Why something is not read: one short phrase."""


@dataclass(frozen=True)
class Submission:
    """A submission, by nbgrader's id of the student and assignment ("" if unknown)."""

    id: str
    assignment: str = ""


@dataclass(frozen=True)
class Left:
    """Something in submitted/ that is not graded: its place, the reason, and its submission, if known. A submission
    with an assignment gets no points. `worry` is False for what programs leave behind.
    """

    place: str
    why: str
    about: Submission | None = None
    worry: bool = True

    def __str__(self) -> str:
        said = _("Not read: {place} ({why})")
        if self.about and self.about.assignment:
            said = _("Not graded, so without points: {place} ({why})")
        return said.format(place=self.place, why=_(self.why))


def stage(submitted: Path, target: Path, assignments: Sequence[str]) -> tuple[list[Submission], list[Left]]:
    """Copy the readable part of `submitted` to a new folder `target`. Return what was read, and all that was left."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    reader = Reader(target, assignments)
    if not os.path.lexists(submitted):
        return [], []
    with reader.naming(submitted.name), opened(submitted.parent) as above, folder(submitted.name, above) as inside:
        reader.students(inside, submitted.name)
    return reader.read, reader.left


class Reader:
    """Walks through submitted/STUDENT/ASSIGNMENT/, level by level."""

    def __init__(self, target: Path, assignments: Sequence[str]) -> None:
        self.target, self.assignments = target, assignments
        self.read: list[Submission] = []
        self.left: list[Left] = []

    def students(self, inside: int, place: str) -> None:
        first = self.assignments[0]
        for name in sorted(os.listdir(inside)):
            here = f"{place}/{shown(name)}"
            if name in MACHINES:
                self.left.append(Left(here, PROGRAMS, worry=False))
            else:
                expected = _("expected {wanted}").format(wanted=f"{place}/STUDENT/{first}/{first}.ipynb")
                with self.naming(here), folder(name, inside, expected) as student:
                    self.student(student, here, student_id(name))

    def student(self, inside: int, place: str, id: str) -> None:
        names, strange = sorted(os.listdir(inside)), []
        for name in names:
            here, assignment = f"{place}/{shown(name)}", name.removesuffix(".ipynb")
            found, files = Submission(id, assignment), None
            if name in MACHINES:
                strange.append(Left(here, PROGRAMS, Submission(id), worry=False))
            elif assignment not in self.assignments:
                why = _("no assignment has this name; allowed are {names}").format(names=listing(self.assignments))
                strange.append(Left(here, why, Submission(id)))
            elif name != assignment:
                about = Submission(id) if assignment in names else found  # beside a submission it changes nothing
                why = _("expected {wanted}").format(wanted=f"{place}/{assignment}/{name}")
                self.left.append(Left(here, why, about))
            else:
                with self.naming(here, found), folder(name, inside) as one:
                    files = self.files(one, here, found)
            if files:
                self.copy(found, files)
        self.name_some(strange if names else [Left(place, _("the folder is empty"), Submission(id))])

    def files(self, inside: int, place: str, found: Submission) -> dict[str, bytes]:
        """Return the files that count. Raise RefusedError if one of them cannot be read: it is all or nothing."""
        wanted, strange = f"{found.assignment}.ipynb", []
        names = sorted(os.listdir(inside))
        for name in names:
            if name not in (wanted, RESULTS):
                why = _("only {wanted} and {results} count").format(wanted=wanted, results=RESULTS)
                why = PROGRAMS if name in MACHINES else why
                if name == "timestamp.txt":
                    why = _("a student can write it, so its time does not count")
                here = f"{place}/{shown(name)}"
                strange.append(Left(here, why, Submission(found.id), worry=name not in MACHINES))
        self.name_some(strange)
        if wanted not in names:
            raise RefusedError(_("expected {wanted}").format(wanted=wanted))
        files = {name: contents(name, inside) for name in (wanted, RESULTS) if name in names}
        return files | {wanted: notebook(files[wanted])}

    def copy(self, found: Submission, files: dict[str, bytes]) -> None:
        """Copy a submission to where it is graded. Raise RunError if that fails, which is not the student's fault."""
        place = self.target / found.id / found.assignment
        try:
            place.mkdir(parents=True)
            for name, data in files.items():
                (place / name).write_bytes(data)
        except OSError as error:
            said = _("a submission cannot be copied to {place}: {why}")
            raise RunError(said.format(place=place.parent.parent.name, why=reason(error))) from None
        self.read.append(found)

    def name_some(self, strange: Sequence[Left]) -> None:
        """Name what should not be in a folder, at most `MOST_NAMED` of many."""
        self.left += strange[:MOST_NAMED]
        if len(strange) > MOST_NAMED:
            more = _("and {n} more").format(n=len(strange) - MOST_NAMED)
            self.left.append(Left(os.path.dirname(strange[-1].place), more, strange[-1].about))

    @contextlib.contextmanager
    def naming(self, place: str, about: Submission | None = None) -> Iterator[None]:
        """Record what cannot be read, and go on."""
        try:
            yield
        except (OSError, ValueError) as error:
            self.left.append(Left(place, reason(error), about))


def reason(error: Exception) -> str:
    return shown(getattr(error, "strerror", None) or str(error))


# --- files -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(path: str | Path, inside: int | None = None, flags: int = 0) -> Iterator[int]:
    """Yield a folder's descriptor."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | flags, dir_fd=inside)
    try:
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def folder(name: str, inside: int, expected: str = N_("expected a folder")) -> Iterator[int]:
    """Open a folder inside an open folder. Raise RefusedError if it is a link or anything else."""
    if kind(name, inside) != FOLDER:
        raise RefusedError(listing([_(kind(name, inside)), _(expected)], "; "))
    with opened(name, inside, os.O_NOFOLLOW) as handle:
        yield handle


def contents(name: str, inside: int) -> bytes:
    """Read a plain file in an open folder once. Raise RefusedError if it is not a plain file or is too large."""
    if kind(name, inside) != PLAIN:
        said = _("{name} is {kind}, expected a plain file")
        raise RefusedError(said.format(name=name, kind=_(kind(name, inside))))
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
    with os.fdopen(handle, "rb") as file:
        about, most = os.fstat(handle), MOST_BYTES[Path(name).suffix]
        if not stat.S_ISREG(about.st_mode):
            raise RefusedError(_("{name} is not a plain file").format(name=name))
        if about.st_nlink > 1:
            raise RefusedError(_("{name} is a hard link: the file has another name too").format(name=name))
        data = file.read(most + 1)
    if len(data) > most:
        raise RefusedError(_("{name} has more than {n} MB").format(name=name, n=most >> 20))
    return data


def kind(name: str, inside: int) -> str:
    """Return what a name in an open folder is, in English words. Use it in messages, not as a check."""
    mode = os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode
    kinds = {
        stat.S_IFREG: PLAIN, stat.S_IFDIR: FOLDER, stat.S_IFLNK: N_("a link"),
        stat.S_IFIFO: N_("a pipe"), stat.S_IFSOCK: N_("a socket"),
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), N_("a device"))


# --- notebooks -------------------------------------------------------------------------------------------------------


def notebook(data: bytes) -> bytes:
    """Return a notebook as UTF-8 that can be read, shown and written again: without a byte-order mark, with ? for half
    an emoji. Raise RefusedError if it is not a notebook.
    """
    if not data.strip():
        raise RefusedError(_("the file is empty"))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RefusedError(_("the file is UTF-16 but a notebook is UTF-8: save it again in JupyterLab"))
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RefusedError(_("the file is not UTF-8")) from None
    except (ValueError, RecursionError):
        raise RefusedError(_("the file is not JSON, so it is not a notebook")) from None
    if not isinstance(found, dict) or "nbformat" not in found:
        raise RefusedError(_("the file is not a notebook"))
    if deeper(found, DEEPEST):
        raise RefusedError(_("the notebook is nested more than {n} levels deep").format(n=DEEPEST))
    try:
        text = json.dumps(slim(found), ensure_ascii=False).encode(errors="replace").decode()
    except ValueError as error:
        raise RefusedError(str(error)) from None
    try:
        with warnings.catch_warnings(action="ignore"):  # of cells without an id, which nbformat repairs
            nbformat.validate(nbformat.reads(text, as_version=4))
    except Exception as error:  # of any kind: nbformat has many
        said = str(error).strip().partition("\n")[0]
        whole = _("not a valid notebook: {why}").format(why=said) if said else _("not a valid notebook")
        raise RefusedError(whole) from None
    return text.encode()
