"""Names that students choose: as an id that is safe for nbgrader and back, in a message, in a cell of a table."""

from __future__ import annotations

import re
from urllib.parse import unquote

LONGEST = 255
"""Bytes of a file's name, on every usual system."""
FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@＝＋－＠]|[\t\r\n])")
"""Where a spreadsheet would begin to compute: at a cell's start, and in many countries also after a semicolon."""


def student_id(name: str) -> str:
    """A student's folder as nbgrader, search patterns, paths and tables can all hold it: letters, digits, inner spaces
    and `_ . - @` stay, each byte of everything else becomes ~ and two hexadecimal digits. No two names have one id.
    ValueError if it would be longer than a file's name may be.
    """
    parts = [c if c.isalnum() or c in "_.-@ " else _escaped(c) for c in name]
    for place in (0, -1):
        if parts[place] in tuple(".-@ "):
            parts[place] = _escaped(parts[place])
    made = "".join(parts)
    if len(made.encode()) > LONGEST:
        raise ValueError(f"the name is too long: at most {LONGEST} bytes are allowed, a special one counts three times")
    return made


def student_name(id: str) -> str:
    """The folder's name that `student_id` made this of."""
    return unquote(id.replace("~", "%"), errors="surrogateescape")


def _escaped(character: str) -> str:
    return "".join(f"~{byte:02X}" for byte in character.encode(errors="surrogateescape"))


def shown(text: str, most: int = 120) -> str:
    """The text in one line that does nothing to a terminal."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if len(line) <= most else line[: most - 40] + "..." + line[-37:]


def cell(text: str) -> str:
    """The text as a cell of a table: as it is, but with a ' before what a spreadsheet would take for a formula, and
    with bytes that are no UTF-8 written out.
    """
    return FORMULA.sub(r"\1'", text).encode(errors="backslashreplace").decode()
