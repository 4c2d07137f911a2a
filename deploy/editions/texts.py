"""The texts of an edition: one file for each notebook, with a section for each cell, which a translator edits.

A section starts with the cell's id and the digest of the English cell that it translates:

    <!-- title 1f3a9c2e -->
    # 2. 运行器

A section of a code cell is the whole cell, with other comments and printed words.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
HEADER = re.compile(r"^<!-- ([\w-]+) ([0-9a-f]{8}) -->\n", re.MULTILINE)


@dataclass(frozen=True)
class Edition:
    """A language, by its code in gettext's form, and the folder of its notebooks inside notebooks/."""

    language: str
    folder: str

    @property
    def texts(self) -> Path:
        return Path(__file__).parent / self.language

    @property
    def notebooks(self) -> Path:
        return NOTEBOOKS / self.folder


EDITIONS = (Edition("zh_CN", "zh"),)


@dataclass(frozen=True)
class Section:
    """The text of one cell, and the digest of the English cell that it translates."""

    digest: str
    text: str


def digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def read(path: Path) -> dict[str, Section]:
    """Return the sections of a file by cell id; none if there is no file. Raise ValueError if an id occurs twice or
    text comes before the first section.
    """
    before, *parts = HEADER.split(path.read_text(encoding="utf-8") if path.exists() else "")
    if before.strip():
        raise ValueError(f"{path.name}: there is text before the first <!-- cell digest -->")
    found: dict[str, Section] = {}
    for name, value, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if name in found:
            raise ValueError(f"{path.name}: there are two sections for the cell {name}")
        found[name] = Section(value, text.strip("\n"))
    return found


def written(sections: dict[str, Section]) -> str:
    """Return what `read` reads."""
    return "\n".join(f"<!-- {name} {one.digest} -->\n{one.text}\n" for name, one in sections.items())
