"""What an exhibit of the failure museum is: a line that went wrong somewhere, run here, and the line that mends it.

The lines that are shown are the lines that run. They run in names of their own, whatever they raise is caught, and
the message is the one that was really raised.
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

Names = dict[str, object]
"""What the lines of an exhibit know, by name, and what they define."""
TOOLS: Names = {"torch": torch, "rearrange": rearrange, "reduce": reduce, "repeat": repeat}
"""What every line may use beside the names of its exhibit."""
SHOWN = 8
"""At most so many rows and columns of a table are drawn."""
Cells = Iterable[Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Operands:
    """Two tensors that meet in one operation: name -> (axis, size) from left to right."""

    tensors: Mapping[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True)
class Places:
    """A table: `cells[row][column]` is (label, kind).

    A kind is right (something is here, as it should be), wrong (here, and should not be), missed (not here, and should
    be) or plain; `words` says for each kind that occurs what it means in this exhibit.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[tuple[str, str], ...], ...]
    words: Mapping[str, str]


@dataclass(frozen=True)
class Exhibit:
    """A line that fails, or that does worse: that does not.

    | field | meaning |
    |---|---|
    | key, title, source | its name, a headline, and where it was met: repository#number |
    | wrong, right | the line as it was written, and the line in its place |
    | rest, result | the lines after it, which stay as they are, and the name of what they lead to |
    | bench | configuration -> the names that the lines know; every size comes from there |
    | holds | names after the run -> whether the result is right, worked out in another way |
    | told | names after the run -> one sentence about what came of it |
    | look | names after the run -> what there is to draw |
    | twin | as bench, with another input for which the line has to be right as well |
    """

    key: str
    title: str
    source: str
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
    def blank(self) -> str:
        """The line that a student completes: dots in place of what went wrong."""
        name, equals, _ = self.wrong.partition(" = ")
        return f"{name} = ..." if equals else self.wrong.partition("(")[0] + "(...)"

    def names(self, config: OMGConfig) -> list[str]:
        """What a line may use, in alphabetical order: sizes first, as they are capitals."""
        return sorted(TOOLS | self.bench(config))

    def whole(self, line: str) -> str:
        """The line itself; where a name is assigned and only its value was given, the assignment."""
        try:
            ast.parse(line.strip(), mode="eval")
        except SyntaxError:
            return line
        name, equals, _ = self.wrong.partition(" = ")
        return f"{name} = {line.strip()}" if equals else line


@dataclass(frozen=True)
class Outcome:
    """What came of a run: `message` is what was raised, or None; `holds` says whether the result is right, and `told`
    is a sentence about it, empty where the result is nothing of which it could be said.
    """

    exhibit: Exhibit
    line: str
    names: Names
    message: str | None
    holds: bool = False
    told: str = ""

    @property
    def numbers(self) -> dict[str, int]:
        """The two sizes that a message about shapes names, and the dimension; {} for another message or none."""
        found = re.search(r"\((\d+)\).*?\((\d+)\).*?dimension (\d+)", self.message or "")
        names = ("first size", "second size", "dimension")
        return dict(zip(names, map(int, found.groups()), strict=True)) if found else {}

    def __repr__(self) -> str:
        end = self.message or "no error: " + self.told
        shown = [f"  > {self.line}", *(f"    {line}" for line in self.exhibit.rest.splitlines())]
        return "\n".join([*shown, "", end])


def code(exhibit: Exhibit, line: str) -> str:
    """All lines of an exhibit, with `line` in the place of the one that went wrong."""
    return "\n".join(filter(None, [line, exhibit.rest]))


def run(exhibit: Exhibit, line: str, config: OMGConfig) -> Outcome:
    """Run an exhibit with `line`, in names of its own; nothing is raised."""
    outcome = _run(exhibit, line, TOOLS | exhibit.bench(config))
    if outcome.holds and exhibit.twin and not (other := _run(exhibit, line, TOOLS | exhibit.twin(config))).holds:
        return other
    return outcome


def _run(exhibit: Exhibit, line: str, names: Names) -> Outcome:
    try:
        exec(compile(code(exhibit, line), f"<exhibit {exhibit.key}>", "exec"), names)
    except Exception as error:  # the message is what this is about
        return Outcome(exhibit, line, names, f"{type(error).__name__}: {error}")
    try:
        return Outcome(exhibit, line, names, None, exhibit.holds(names), exhibit.told(names))
    except Exception:  # the line led to something that is no result at all
        return Outcome(exhibit, line, names, None)


def judge_outcome(outcome: Outcome) -> Verdict:
    """What a repair is worth."""
    if outcome.message:
        return Verdict("wrong", f"Not yet: it stops with {outcome.message}")
    if outcome.holds:
        return Verdict("right", f"Repaired: {outcome.told}.")
    told = filter(None, [outcome.told])
    return Verdict("wrong", "Not yet: there is no error, and the result is wrong.", tuple(told))


# --- tables of places -------------------------------------------------------------------------------------------------


def places(title: str, row: str, column: str, cells: Cells, **words: str) -> Places:
    """A table whose rows and columns are numbered; kinds that do not occur are not explained."""
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
    """The kind of a place, from what is there and what should be."""
    return ("right" if is_so else "missed") if should_be else ("wrong" if is_so else "plain")


def count_kinds(table: Iterable[Iterable[str]]) -> Counter[str]:
    """How many places are of each kind."""
    return Counter(kind for line in table for kind in line)
