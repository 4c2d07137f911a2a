"""Reduce a submitted notebook to what is graded or shown, before a library checks it.

nbformat explains each fault of an invalid notebook, in a time that grows with the square of a list in its metadata; the
pages colour code for minutes. Few parts and little text keep both short.
"""

from __future__ import annotations

from omg_lib.words import EDITIONS, _

MOST_PARTS = 1_000
"""Most cells, outputs and other list entries; an assignment has about thirty."""
MOST_KEYS = 30
"""Most entries of a cell, an output, or a cell's attachments."""
MOST_SOURCE = 300_000
"""Most characters of all cells together; an assignment has about ten thousand."""
SOURCES = ("source", "input")
"""Names of a cell's text, in new and old notebooks."""


def slim(found: dict) -> dict:
    """Return a notebook with each text as one string, without data that is not text, and with no metadata but its
    edition and the cells' ids in the gradebook. Raise ValueError if it has too many parts or too much text. It must
    not be nested deeply.
    """
    parts = source = 0

    def part(x: object, name: str = "") -> object:
        nonlocal parts, source
        if name in SOURCES:
            source += sum(len(line) for line in (x if isinstance(x, list) else [x]) if isinstance(line, str))
        if isinstance(x, dict):
            if name == "metadata":
                return claim(x)
            if len(x) > MOST_KEYS:
                raise ValueError(_("a part of the notebook has more than {n} entries").format(n=MOST_KEYS))
            return {key: part(value, key) for key, value in x.items() if name != "data" or is_text(value)}
        if isinstance(x, list):
            if x and is_text(x) and name != "traceback":
                return "".join(x)
            parts += len(x)
            if parts > MOST_PARTS:
                raise ValueError(_("the notebook has more than {n:,} cells and outputs").format(n=MOST_PARTS))
            return [part(one) for one in x]
        return x

    made = part(found)
    if source > MOST_SOURCE:
        raise ValueError(_("the cells have more than {n:,} characters").format(n=MOST_SOURCE))
    return made


def is_text(x: object) -> bool:
    return isinstance(x, str) or (isinstance(x, list) and all(isinstance(line, str) for line in x))


def claim(metadata: dict) -> dict:
    """Return the metadata by which a cell claims to be a released one, and a notebook to be of an edition."""
    claimed = metadata.get("nbgrader")
    name = claimed.get("grade_id") if isinstance(claimed, dict) else None
    return ({"nbgrader": {"grade_id": name}} if isinstance(name, str) else {}) | edition(metadata)


def edition(metadata: dict) -> dict:
    """Return the metadata by which a notebook claims to be of an edition of the course; {} if there is no such one."""
    return {"omg_lang": metadata["omg_lang"]} if metadata.get("omg_lang") in [*EDITIONS.values()] else {}
