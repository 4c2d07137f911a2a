"""What people read, in their language: `_("text")` looks a message up in gettext's catalogues in `locale/`.

The language is OMG_LANG, else the edition of the notebook (the folder in which its kernel started), else the system's;
English is the default. Only words change: names in code, traces, files and numbers are the same in every language.
"""

from __future__ import annotations

import gettext
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from unicodedata import east_asian_width

DOMAIN = "omg_lib"
LOCALE = Path(__file__).parent / "locale"
ENGLISH = "en"
EDITIONS = {"zh": "zh_CN"}
"""Folder of an edition's notebooks -> its language."""
FIRST = "00_start_here.ipynb"
_SPOKEN: ContextVar[str | None] = ContextVar("language", default=None)


@cache  # a learner may change the folder later
def _edition() -> str | None:
    """Return the language of the notebooks in the working folder (a kernel's start) or a folder above it."""
    try:
        here = Path.cwd()
    except OSError:  # the folder was deleted
        return None
    near = (place for place in (here, *here.parents) if place.name in EDITIONS and (place / FIRST).exists())
    return next((EDITIONS[place.name] for place in near), None)


def language() -> str:
    """Return the code of the language in use, in gettext's form: en or the name of a folder in `locale/`."""
    if spoken := _SPOKEN.get():
        return spoken
    asked = os.environ.get("OMG_LANG")
    if asked:
        found = _known(asked)
        if found is None:
            allowed = ", ".join([ENGLISH, *_languages()])
            say(f"OMG_LANG={asked[:40]!r} is no language of this course: allowed are {allowed}; this is English")
        return found or ENGLISH
    system = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return _edition() or _known(system) or ENGLISH


@contextmanager
def speaking(code: str | None) -> Iterator[None]:
    """Use the language with this code, whatever the settings say; None changes nothing."""
    before = _SPOKEN.set(code)
    try:
        yield
    finally:
        _SPOKEN.reset(before)


def _(message: str) -> str:
    """Return a message in the language in use."""
    return _catalogue(language()).gettext(message) if message else ""  # "" is the catalogue's own header


def plural(one: str, many: str, n: int) -> str:
    """Return a message that counts something, in the form that belongs to n."""
    return _catalogue(language()).ngettext(one, many, n)


def N_(message: str) -> str:  # noqa: N802
    """Mark a message for the catalogues where it is defined; `_` translates it where it is shown."""
    return message


MARKS = N_(", "), N_("; "), N_(" and "), N_(" or ")


def listing(items: Iterable[object], mark: str = ", ") -> str:
    """Return a list in words, joined by this mark of the catalogue: Chinese has marks of its own."""
    return _(mark).join(map(str, items))


def labelled(name: object, text: object) -> str:
    """Return a text behind its name and the language's colon."""
    return _("{name}: {text}").format(name=name, text=text)


@cache
def _languages() -> tuple[str, ...]:
    return tuple(sorted(path.parents[1].name for path in LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")))


@cache
def _known(asked: str) -> str | None:
    """Return the language that a name such as zh, zh-CN or zh_CN.UTF-8 asks for; None if there is no such catalogue."""
    name = asked.partition(".")[0].partition("@")[0].replace("-", "_")
    base = name.partition("_")[0].lower()
    if base in (ENGLISH, "c", "posix"):
        return ENGLISH
    near = [one for one in _languages() if one.partition("_")[0] == base]
    return name if name in near else next(iter(near), None)


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == ENGLISH:
        return gettext.NullTranslations()
    try:
        return gettext.translation(DOMAIN, LOCALE, [language])
    except (OSError, ValueError, struct.error, IndexError) as error:
        why = type(error).__name__
        say(f"the catalogue {language} cannot be read ({why}): this is English; install omg-lab again")
        return gettext.NullTranslations()


@cache
def say(line: str) -> None:
    """Print a line on stderr, once."""
    print(line, file=sys.stderr)


def width(text: str) -> int:
    """Return the width of a text in columns: a Chinese character is as wide as two Latin letters."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, columns: int) -> str:
    """Return a text padded with spaces on the right to this many columns."""
    return text + " " * (columns - width(text))
