"""The library's messages: gettext's catalogues, made by babel from every `_("...")` of omg_lib.

A catalogue has no line numbers and no dates, so that it changes only when a message does.
"""

from __future__ import annotations

import ast
import io
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from deploy.editions import rules
from deploy.editions.notebooks import ASSIGNMENTS, course, english
from deploy.editions.texts import ROOT, Edition

LOCALE = ROOT / "omg_lib" / "locale"
KEYWORDS = {"_": None, "N_": None, "drawn": None, "plural": (1, 2)}
HEADERS = re.compile(rb'^"(Project-Id|Report-Msgid|Last-Trans|Language-Team|Generated-By).*\n', re.MULTILINE)
"""Lines of a catalogue's header that say nothing, or differ with the version of babel."""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
NAME = re.compile(r"(?<![\w{])(?:\w+_\w+|\.?\w+(?:\.\w+)+|(?=\w*[a-rt-z])[A-Z]\w*[A-Z]\w*)(?![\w}])", re.ASCII)
"""Names of code: with an underscore, dots inside, or two capitals and small letters."""


def extracted() -> set[str | tuple[str, str]]:
    """Return every message of the library, the grader and the book, and the questions' names in the notebooks; pairs
    are (one, many).
    """
    found: set[str | tuple[str, str]] = set()
    folders = ROOT / "omg_lib", ASSIGNMENTS / "grader", ROOT / "deploy" / "book"
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        with path.open("rb") as file:
            found |= {message for _, message, *_ in extract("python", file, KEYWORDS)}
    found |= set(asked())
    return found - {message[0] for message in found if isinstance(message, tuple)}  # a pair serves both


def asked() -> Iterator[str]:
    """Yield what the notebooks' questions ask for, the keys of `check_values(guess, {...})`, and what their figures are
    called: the keys of `panels = {...}` and `choice_figure({...})`.
    """
    for path in course():
        for cell in english(path).cells:
            if cell.cell_type == "code" and re.search(r"check_values\(|choice_figure\(|^panels =", cell.source, re.M):
                for node in ast.walk(ast.parse(cell.source)):
                    yield from (key.value for key in named(node) if isinstance(key, ast.Constant))


def named(node: ast.AST) -> list:
    """Return the keys of a dict that a call or an assignment of a notebook shows as names."""
    match node:
        case ast.Call(func=ast.Name(id="check_values"), args=[_, ast.Dict(keys=keys), *_]):
            return keys
        case ast.Call(func=ast.Name(id="choice_figure"), args=[ast.Dict(keys=keys)]):
            return keys
        case ast.Assign(targets=[ast.Name(id="panels")], value=ast.Dict(keys=keys)):
            return keys
    return []


def path_of(edition: Edition) -> Path:
    return LOCALE / edition.language / "LC_MESSAGES" / "omg_lib.po"


def read(edition: Edition) -> Catalog:
    """Return an edition's catalogue: an empty one if there is none yet."""
    if not path_of(edition).exists():
        return _empty(edition)
    with path_of(edition).open("rb") as file:
        return read_po(file, locale=edition.language, domain="omg_lib")


def updated(edition: Edition) -> Catalog:
    """Return the catalogue with every message of today: new ones without a translation, old ones gone."""
    before, now = read(edition), _empty(edition)
    for message in sorted(extracted(), key=str):
        known = before.get(message if isinstance(message, str) else message[0])
        same = known is not None and known.id == message
        now.add(message, known.string if same else None)
    return now


def po(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalogue, width=110, no_location=True)
    return HEADERS.sub(b"", out.getvalue())


def mo(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def faults(edition: Edition) -> Iterator[str]:
    """Yield every reason why the catalogue is not the library's messages, translated."""
    catalogue, words = read(edition), rules.terms(edition)
    there = {message.id for message in catalogue if message.id}
    now = extracted()
    yield from (
        f"{message!r} is not in the catalogue: run `make notebooks-zh`" for message in sorted(now - there, key=str)
    )
    yield from (
        f"{message!r} is in the catalogue only: run `make notebooks-zh`" for message in sorted(there - now, key=str)
    )
    for message in catalogue:
        if message.id:
            yield from (f"{message.id!r}: {fault}" for fault in message_faults(message, words))
    compiled = path_of(edition).with_suffix(".mo")
    if not compiled.exists() or told(read_mo(io.BytesIO(compiled.read_bytes()))) != told(catalogue):
        yield f"{compiled.relative_to(ROOT)} is not what the catalogue compiles to: run `make notebooks-zh`"


def told(catalogue: Catalog) -> dict:
    """Return what a catalogue says, by message; without its header."""

    def plain(x):
        return x if isinstance(x, str) else tuple(x)

    return {plain(message.id): plain(message.string) for message in catalogue if message.id and message.string}


def message_faults(message: Message, words: dict[str, list[str]]) -> Iterator[str]:
    """Yield what is wrong with one message: its placeholders, names and numbers must stay, and the rules must hold."""
    one = message.id if isinstance(message.id, str) else message.id[1]
    text = message.string if isinstance(message.string, str) else message.string[0]
    if not text:
        yield "there is no translation"
        return
    if message.fuzzy:
        yield "the translation is marked as fuzzy"
    for what in (PLACEHOLDER, NAME):
        ours, theirs = Counter(what.findall(one)), Counter(what.findall(text))
        if ours != theirs:
            yield f"{sorted((ours - theirs) | (theirs - ours))} must be the same in both"
    yield from rules.text_faults(PLACEHOLDER.sub("\ue000", one), PLACEHOLDER.sub("\ue000", text), words)


def _empty(edition: Edition) -> Catalog:
    return Catalog(
        edition.language,
        "omg_lib",
        header_comment="# The library's messages. Edit the msgstr lines, then run: make notebooks-zh",
        creation_date=BEGAN,
        revision_date=BEGAN,
        fuzzy=False,
    )
