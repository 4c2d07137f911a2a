"""Copy the course into a student's folder, and never lose what the student wrote there.

A wheel carries the course in a folder `files` beside this module. In the student's folder, a hidden
`.omg-lab/record.json` has the fingerprint of every file as it was copied. So the next version knows which files the
student has changed: they stay, and the new file goes beside them. Missing files are copied again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import omg_lib
from omg_lib.config import ConfigError
from omg_lib.system.files import read_bytes, read_json, reason, write_bytes, write_text
from omg_lib.system.places import Place, make_folder, names
from omg_lib.words import _, listing, plural

CARRIED = Path(__file__).with_name("files")
CHECKOUT = Path(__file__).parents[2]
FIRST = "notebooks/00_start_here.ipynb"
KEPT = ".omg-lab"
"""The hidden folder, inside the student's, for what `omg-lab` itself keeps."""
FILE_BYTES = 16 * 2**20
Prints = dict[str, str]
"""The fingerprint of a file: "" -> of all its bytes; in a notebook also a cell's id -> of its source."""


def course_folder(here: Path) -> Path:
    """Return where the course is or will be: `here` itself if it is a course, else `here/omg-lab`; in a checkout of the
    project, the checkout.
    """
    if not CARRIED.is_dir():
        return CHECKOUT
    return here if (here / KEPT / "record.json").is_file() else here / "omg-lab"


def lay(folder: Path, carried: Path = CARRIED, version: str = omg_lib.__version__) -> list[str]:
    """Copy the course that the wheel carries into `folder`; return a sentence for everything that the student should
    know.

    ConfigError if something else is in the folder, or if it cannot be written.
    """
    if not carried.is_dir():
        return []  # a checkout is the course already
    place = Place(folder)
    try:
        before = _record(place)
        if before is None and names(place):
            raise ConfigError(
                "folder", str(folder), _("holds something else; move it away, or start in another folder")
            )
        folder.mkdir(exist_ok=True)
        make_folder(place / KEPT)
        files = {path.relative_to(carried).as_posix(): path for path in sorted(carried.rglob("*")) if path.is_file()}
        if before is None:  # written first: what an interrupted start did not copy, the next start does
            _write_record(place, {name: prints(name, path.read_bytes()) for name, path in files.items()})
        said, laid = [], {}
        for name, path in files.items():
            data = path.read_bytes()
            laid[name] = prints(name, data)
            said += _lay_file(place, name, data, laid[name], (before or {}).get(name, {}), version)
        _write_record(place, laid)
    except OSError as error:
        allowed = _("the course cannot be laid there ({error}); start in a folder of your own with 20 MB free").format(
            error=reason(error)
        )
        raise ConfigError("folder", str(folder), allowed) from None
    return [_("The course is in {folder}.").format(folder=folder)] + said if before is None else said


def prints(name: str, data: bytes) -> Prints:
    """Return the fingerprint of a file's content."""
    found = {"": _digest(data)}
    if name.endswith(".ipynb"):
        cells = json.loads(data).get("cells", [])
        found |= {cell.get("id", ""): _digest("".join(cell["source"]).encode()) for cell in cells}
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


def _lay_file(place: Place, name: str, data: bytes, new: Prints, old: Mapping[str, str], version: str) -> list[str]:
    """Copy one file, or put its new version beside the student's; return what to say about it."""
    *folders, last = name.split("/")
    for part in folders:
        place /= part
        make_folder(place)
    target = place / last
    if not target.is_file():
        if last in names(place):
            raise ConfigError("folder", str(target.path), _("is not a regular file; move it away"))
        write_bytes(target, data)
        return []
    mine = _digest(read_bytes(target, FILE_BYTES * 4))
    if mine == new[""] or old.get("") == new[""]:
        return []
    if mine == old.get(""):
        write_bytes(target, data)
        return [_("{name} is new: {differences}.").format(name=name, differences=_differences(new, old))]
    stem, dot, kind = last.rpartition(".")
    beside = f"{stem}-{version}{dot}{kind}"
    if beside not in names(place):
        write_bytes(place / beside, data)
    return [
        _("{name} has your changes and stays; its new version is beside it as {beside}: {differences}.").format(
            name=name, beside=beside, differences=_differences(new, old)
        )
    ]


def _differences(new: Prints, old: Mapping[str, str]) -> str:
    """Name what differs between two versions of one of the course's files."""
    cells = [name for name in {**new, **old} if name and new.get(name) != old.get(name)]
    if not cells or not old:
        return _("its content differs")
    shown = listing(cells[:5])
    if len(cells) > 5:
        shown = _("{names} and {n} more").format(names=shown, n=len(cells) - 5)
    return plural("cell {names}", "cells {names}", len(cells)).format(names=shown)


def _record(place: Place) -> dict[str, Prints] | None:
    """Return the fingerprints of what was copied before, or None if nothing was."""
    try:
        files = read_json(place / KEPT / "record.json", most=FILE_BYTES)["files"]
        return {str(name): dict(found) for name, found in files.items()}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # damaged: every file counts as the student's


def _write_record(place: Place, files: dict[str, Prints]) -> None:
    text = json.dumps({"schema": 1, "files": files}, indent=1, ensure_ascii=False)
    write_text(place / KEPT / "record.json", text + "\n")
