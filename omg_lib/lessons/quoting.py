"""Quote the library's code in notebooks: read from the source when a cell runs, so no quotation goes stale."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from omg_lib.words import _

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Quotation:
    """Lines of one function with their numbers in the file. Shows as HTML in a notebook, as text elsewhere."""

    place: str
    lines: tuple[tuple[int, str], ...]

    def __repr__(self) -> str:
        return "\n".join([self.place, *(f"{number:4}  {text}" for number, text in self.lines)])

    def _repr_html_(self) -> str:
        code = "\n".join(f'<span style="opacity:.6">{number:4}</span>  {escape(text)}' for number, text in self.lines)
        return (
            f'<div style="border-left:4px solid #3b82d6;padding:2px 10px;overflow-x:auto"><small>{escape(self.place)}'
            f'</small><pre style="margin:0;background:none;font-size:12px;white-space:pre">{code}</pre></div>'
        )


def quote(function: Callable | property, *texts: str) -> Quotation:
    """Quote the statements of a function that contain one of these texts; without texts, all but the docstring.

    For a statement with a block (for, with, if) only the head counts. ValueError if no statement contains a text: the
    code that the quotation is about has changed.

    >>> quote(quote, "lacking = ")  # doctest: +ELLIPSIS
    omg_lib/lessons/quoting.py, quote
      ...  lacking = [text for text in texts if not any(text in part for part in parts.values())]
    """
    function = inspect.unwrap(function.fget if isinstance(function, property) else function)
    source, start = inspect.getsourcelines(function)
    source = textwrap.dedent("".join(source)).splitlines()
    body = ast.parse("\n".join(source)).body[0].body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    parts = {span: "\n".join(source[slice(*span)]) for span in _spans(body)}
    lacking = [text for text in texts if not any(text in part for part in parts.values())]
    if lacking:
        raise ValueError(
            _("{qualname} has no statement with {lacking!r}").format(qualname=function.__qualname__, lacking=lacking[0])
        )
    wanted = [span for span, part in parts.items() if not texts or any(text in part for text in texts)]
    numbers = [number for span in wanted for number in range(*span)]
    shown = textwrap.dedent("\n".join(source[number] for number in numbers)).splitlines()
    file = Path(inspect.getsourcefile(function)).resolve()
    place = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name
    numbered = tuple((start + number, text) for number, text in zip(numbers, shown, strict=True))
    return Quotation(f"{place}, {function.__qualname__}", numbered)


def _spans(body: list[ast.stmt]) -> Iterator[tuple[int, int]]:
    """Yield (first, last + 1) of every statement in order, counted from 0; for one with a block only its head."""
    for statement in body:
        blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
        inner = [block for block in blocks if block]
        yield statement.lineno - 1, inner[0][0].lineno - 1 if inner else statement.end_lineno
        for block in inner:
            yield from _spans(block)
