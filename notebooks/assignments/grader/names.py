"""Names that students choose: to a safe id for nbgrader and back, for a message, for a cell of a table."""

from __future__ import annotations

from urllib.parse import unquote

from omg_lib.system.files import defused
from omg_lib.words import _

LONGEST = 255
"""Bytes of a file's name, on every usual system."""


def student_id(name: str) -> str:
    """Return a student's folder name as an id that is safe in nbgrader, search patterns, paths and tables: letters,
    digits, inner spaces and `_ . - @` stay; every other byte becomes ~ and two hexadecimal digits. Different names have
    different ids. Raise ValueError if the id would be too long for a file name.
    """
    parts = [c if c.isalnum() or c in "_.-@ " else _escaped(c) for c in name]
    for place in (0, -1):
        if parts[place] in tuple(".-@ "):
            parts[place] = _escaped(parts[place])
    made = "".join(parts)
    if len(made.encode()) > LONGEST:
        said = _("the name is too long: at most {n} bytes are allowed, a special one counts three times")
        raise ValueError(said.format(n=LONGEST))
    return made


def student_name(id: str) -> str:
    """Return the folder name from which `student_id` made this id."""
    return unquote(id.replace("~", "%"), errors="surrogateescape")


def _escaped(character: str) -> str:
    return "".join(f"~{byte:02X}" for byte in character.encode(errors="surrogateescape"))


def shown(text: str, most: int = 120) -> str:
    """Return the text as one line of at most `most` characters, without control characters for a terminal."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if len(line) <= most else line[: most - 40] + "..." + line[-37:]


def cell(text: str) -> str:
    """Return the text as a cell of a table: unchanged, but with a ' before anything a spreadsheet would take for a
    formula, and with bytes that are not UTF-8 escaped.
    """
    return defused(text).encode(errors="backslashreplace").decode()
