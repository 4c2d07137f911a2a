"""README and the guides to assignments in another language: a section for each English one, with that one's digest.

The digest stands in a comment before the section: `<!-- start 1f3a9c2e -->`, named like the English heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deploy.editions import rules, texts
from deploy.editions.texts import ROOT, Edition

ASSIGNMENTS = ROOT / "notebooks/assignments"
SOURCES = (ROOT / "README.md", ASSIGNMENTS / "GUIDE.md", ASSIGNMENTS / "grader/FOR_STUDENTS.md")
HEADING = re.compile(r"^(?=#{1,3} )", re.MULTILINE)
SWITCH = re.compile(r"\]\((README|GUIDE)(\.[\w-]+)?\.md\)")
"""The link from one language of a document to the other."""


def english(source: Path) -> dict[str, str]:
    """Return a document's sections by name: the heading in small letters, joined by hyphens."""
    parts = [part for part in HEADING.split(source.read_text(encoding="utf-8")) if part]
    return {"-".join(re.findall(r"\w+", part.split("\n")[0].lower())): part.strip("\n") for part in parts}


def path_of(edition: Edition, source: Path) -> Path:
    return source.with_suffix(f".{edition.language.replace('_', '-')}.md")


def faults(edition: Edition, source: Path) -> Iterator[str]:
    """Yield every reason why a document of an edition is not the translation of the English one."""
    path, ours, words = path_of(edition, source), english(source), rules.terms(edition)
    theirs = texts.read(path)
    if list(ours) != list(theirs):
        yield f"{path.name} has the sections {', '.join(theirs)}; {source.name} has {', '.join(ours)}"
        return
    for name, text in ours.items():  # links to notebooks may lead to the edition's own
        if theirs[name].digest != texts.digest(text):
            yield f"{path.name} {name}: it translates an older text; the new digest is {texts.digest(text)}"
        plain, other = (
            SWITCH.sub("]", one).replace(f"](notebooks/{edition.folder}/", "](notebooks/")
            for one in (text, theirs[name].text)
        )
        yield from (f"{path.name} {name}: {fault}" for fault in rules.text_faults(plain, other, words))
