"""An exhibit of the failure museum: a line that went wrong somewhere, run here, and the line that fixes it.

The lines shown are the lines that run. They run in a separate namespace, and every error is caught: its message is the
one that was actually raised.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from einops import rearrange, reduce, repeat

from omg_lib.checks import Verdict
from omg_lib.config import OMGConfig
from omg_lib.words import _

Names = dict[str, object]
"""The names that the lines of an exhibit can use and define."""
TOOLS: Names = {"torch": torch, "rearrange": rearrange, "reduce": reduce, "repeat": repeat}
"""What every line can use besides the names of its exhibit."""
SHOWN = 8
"""Most rows and columns of a table to draw."""
Cells = Iterable[Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Operands:
    """Two tensors that meet in one operation: name -> (axis, size) from left to right."""

    tensors: Mapping[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True)
class Places:
    """A table: `cells[row][column]` is (label, kind).

    A kind is right (something is here, as it should be), wrong (here, but should not be), missed (not here, but should
    be) or plain; `words` explains each kind that occurs in this exhibit.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[tuple[str, str], ...], ...]
    words: Mapping[str, str]


@dataclass(frozen=True)
class Exhibit:
    """A line that fails, or worse, does not.

    | field | meaning |
    |---|---|
    | key, headline, origin | its name, a headline, and where it comes from: repository#number |
    | wrong, right | the line as it was written, and the line that replaces it |
    | rest, result | the unchanged lines after it, and the name of their result |
    | bench | configuration -> the names that the lines use, with every size |
    | holds | names after the run -> whether the result is right, computed in another way |
    | told | names after the run -> one sentence about the result |
    | look | names after the run -> what to draw |
    | twin | like bench, with another input for which the line must be right as well |
    """

    key: str
    headline: str
    origin: str
    wrong: str
    right: str
    rest: str
    result: str
    bench: Callable[[OMGConfig], Names]
    holds: Callable[[Names], bool]
    told: Callable[[Names], str]
    look: Callable[[Names], Operands | Places]
    twin: Callable[[OMGConfig], Names] | None = None

    @property
    def title(self) -> str:
        return _(self.headline)

    @property
    def source(self) -> str:
        return _(self.origin)

    @property
    def blank(self) -> str:
        """The line that a student completes: dots replace what went wrong."""
        name, equals, __ = self.wrong.partition(" = ")
        return f"{name} = ..." if equals else self.wrong.partition("(")[0] + "(...)"

    def names(self, config: OMGConfig) -> list[str]:
        """Return the names a line can use, in alphabetical order: sizes first, because they are capitals."""
        return sorted(TOOLS | self.bench(config))

    def whole(self, line: str) -> str:
        """Return the line; if it is only the value of an assignment, return the whole assignment."""
        try:
            ast.parse(line.strip(), mode="eval")
        except SyntaxError:
            return line
        name, equals, __ = self.wrong.partition(" = ")
        return f"{name} = {line.strip()}" if equals else line


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: `message` is what was raised, or None; `holds` is whether the result is right; `told` is a
    sentence about it, empty if nothing can be said about such a result.
    """

    exhibit: Exhibit
    line: str
    names: Names
    message: str | None
    holds: bool = False
    told: str = ""

    @property
    def numbers(self) -> dict[str, int]:
        """The two sizes and the dimension in a message about shapes; {} for another message or none."""
        found = re.search(r"\((\d+)\).*?\((\d+)\).*?dimension (\d+)", self.message or "")
        names = ("first size", "second size", "dimension")
        return dict(zip(names, map(int, found.groups()), strict=True)) if found else {}

    def __repr__(self) -> str:
        end = self.message or _("no error: {told}").format(told=self.told)
        shown = [f"  > {self.line}", *(f"    {line}" for line in self.exhibit.rest.splitlines())]
        return "\n".join([*shown, "", end])


def code(exhibit: Exhibit, line: str) -> str:
    """Return all lines of an exhibit, with `line` instead of the one that went wrong."""
    return "\n".join(filter(None, [line, exhibit.rest]))


def run(exhibit: Exhibit, line: str, config: OMGConfig) -> Outcome:
    """Run an exhibit with `line` in a separate namespace. Never raises."""
    outcome = _run(exhibit, line, TOOLS | exhibit.bench(config))
    if outcome.holds and exhibit.twin and not (other := _run(exhibit, line, TOOLS | exhibit.twin(config))).holds:
        return other
    return outcome


def _run(exhibit: Exhibit, line: str, names: Names) -> Outcome:
    try:
        exec(compile(code(exhibit, line), f"<exhibit {exhibit.key}>", "exec"), names)
    except Exception as error:  # the message is the point of the exhibit
        return Outcome(exhibit, line, names, f"{type(error).__name__}: {error}")
    try:
        return Outcome(exhibit, line, names, None, exhibit.holds(names), exhibit.told(names))
    except Exception:  # the line produced something that is not a result at all
        return Outcome(exhibit, line, names, None)


def judge_outcome(outcome: Outcome) -> Verdict:
    """Judge a repair."""
    if outcome.message:
        return Verdict("wrong", _("Not yet: it stops with {message}").format(message=outcome.message))
    if outcome.holds:
        return Verdict("right", _("Repaired: {told}.").format(told=outcome.told))
    told = filter(None, [outcome.told])
    return Verdict("wrong", _("Not yet: there is no error, but the result is wrong."), tuple(told))


# --- tables of places -------------------------------------------------------------------------------------------------


def places(title: str, row: str, column: str, cells: Cells, **words: str) -> Places:
    """Make a table with numbered rows and columns; explain only the kinds that occur."""
    table = tuple(tuple(line) for line in cells)
    used = {kind for line in table for _, kind in line}
    return Places(
        title,
        tuple(f"{row} {i}" for i in range(len(table))),
        tuple(f"{column} {i}" for i in range(len(table[0]))),
        table,
        {kind: said for kind, said in words.items() if kind in used},
    )


def verdict(is_so: bool, should_be: bool) -> str:
    """Return the kind of a place, from what is there and what should be."""
    return ("right" if is_so else "missed") if should_be else ("wrong" if is_so else "plain")


def count_kinds(table: Iterable[Iterable[str]]) -> Counter[str]:
    """Count the places of each kind."""
    return Counter(kind for line in table for kind in line)
