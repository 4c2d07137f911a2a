"""What a translation has to satisfy. Each fault is a sentence that names the cell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from nbformat import NotebookNode

from deploy.editions import cells
from deploy.editions.texts import NOTEBOOKS, Edition, Section, digest

CJK = r"\u3400-\u9fff"
FULL = "，。；：？！（）、“”‘’《》…—"
HALF_AFTER = re.compile(rf"[{CJK}][,;:?!()]|[,;?!(](?=[{CJK}])|[{CJK}]\.(?=\s|$)")
CLOSE = re.compile(rf"[{CJK}][A-Za-z0-9#]|[A-Za-z0-9#%][{CJK}]")
LOOSE = re.compile(rf"[{FULL[:-2]}] +(?=[\w#])|(?<=[\w#]) +[{FULL[:-2]}]|(?<=[{CJK}]) (?=[{CJK}])")
EMPHASIS = re.compile(r"(\*{1,2})([^*]+)\1")
EXCEPT = re.compile(r"^(#+|\d+\.|[-*>|]) ", re.MULTILINE)
"""Marks of Markdown at the start of a line."""


def faults(notebook: NotebookNode, sections: dict[str, Section], edition: Edition) -> Iterator[str]:
    """Yield every reason why these sections are not this notebook's translation."""
    words = terms(edition)
    for cell in notebook.cells:
        needed = cell.cell_type == "markdown" or (cell.cell_type == "code" and cells.needs_text(cell.source))
        section = sections.get(cell.id)
        if section is None:
            if needed:
                yield f"{cell.id}: there is no translation"
        elif section.digest != digest(cell.source):
            yield f"{cell.id}: it translates an older text; the new digest is {digest(cell.source)}"
        elif cell.cell_type == "markdown":
            yield from (f"{cell.id}: {fault}" for fault in text_faults(cell.source, section.text, words))
        elif cells.code_without_words(cell.source) != cells.code_without_words(section.text):
            yield f"{cell.id}: the code differs in more than comments and shown words"
        else:
            left = [one for one in cells.said(section.text) if not re.search(f"[{CJK}]", one)]
            yield from (f"{cell.id}: {one!r} is still English" for one in left)
    yield from (f"{name}: no cell has this id" for name in sections if name not in {cell.id for cell in notebook.cells})


def text_faults(english: str, text: str, words: dict[str, list[str]]) -> Iterator[str]:
    """Yield what differs between a Markdown text and its translation, and every breach of the rules for punctuation."""
    ours, theirs = cells.must_stay(english), cells.must_stay(text)
    if ours - theirs:
        yield f"missing are {', '.join(map(repr, sorted(ours - theirs)))}"
    if theirs - ours:
        yield f"added are {', '.join(map(repr, sorted(theirs - ours)))}"
    told, said = cells.prose(english), cells.prose(text)
    for term, allowed in words.items():
        if re.search(rf"\b{term}\b", told, re.IGNORECASE) and not any(word in said for word in allowed):
            yield f"the glossary renders {term!r} as {' or '.join(allowed)}"
    yield from punctuation(said)


def punctuation(said: str) -> Iterator[str]:
    """Yield where prose breaks the rules: full-width marks after Chinese, one space between Chinese and the rest."""
    for found in EMPHASIS.finditer(said):
        if found[2][-1] in FULL and re.match(rf"[\w{CJK}]", said[found.end() :]):
            yield f"Markdown does not close this emphasis, put its last mark outside: {found.group()!r}"
    plain = EXCEPT.sub("", re.sub(r"!\[|[*\[\]]", "", said))
    for rule, why in (
        (HALF_AFTER, "half-width punctuation beside Chinese"),
        (CLOSE, "no space between Chinese and Latin letters, digits or code"),
        (LOOSE, "a space beside full-width punctuation or inside Chinese"),
    ):
        for found in rule.finditer(plain):
            yield f"{why}: {plain[max(0, found.start() - 8) : found.end() + 8]!r}"


def terms(edition: Edition) -> dict[str, list[str]]:
    """Return the allowed renderings of each term: the glossary's first, then those that grammar needs."""
    more = tomllib.loads((edition.texts / "terms.toml").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for row in re.findall(r"^\| (.+) \|$", (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE):
        word, _, chinese, *_ = (part.strip() for part in row.split(" | "))
        name = re.split("[：（]", chinese)[0]
        if word in more and name:
            found[word] = [name, *more[word]]
    unknown = more.keys() - found.keys()
    if unknown:
        raise ValueError(f"terms.toml has {', '.join(sorted(unknown))}, which the glossary does not have")
    return found
