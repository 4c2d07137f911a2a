"""What of a cell needs a translation, and what has to stay as it is."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

SHOWN = ("title", "xlabel", "ylabel", "label")
"""Keywords whose values a reader sees."""
SPANS = re.compile(r"(`+)(?:.|\n)*?[^`]\1(?!`)|\$[^$\n]+\$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TAG = re.compile(r"</?[a-z][^>]*>")
NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
WORD = re.compile(r"(?<![\w./-])[A-Za-z][a-z]+(?![\w/-])")
"""A word, not a name in code such as `max_t`, nor an abbreviation such as KL."""


def must_stay(markdown: str) -> Counter[str]:
    """Return everything in Markdown that a translation repeats: code spans, formulas, links, tags and numbers."""
    spans = [found.group() for found in SPANS.finditer(markdown)]
    words = SPANS.sub(" ", markdown)
    links, tags = LINK.findall(words), TAG.findall(words)
    words = TAG.sub(" ", LINK.sub("]", words))
    return Counter([*spans, *links, *tags, *NUMBER.findall(words)])


def prose(markdown: str) -> str:
    """Return the words of Markdown: `#` for each code span and formula, and links without their targets."""
    return LINK.sub("]", TAG.sub("", SPANS.sub("#", markdown)))


def needs_text(source: str) -> bool:
    """Whether a code cell has a comment or shows words."""
    return bool(said(source)) or any(map(WORD.search, comments(source)))


def said(source: str) -> list[str]:
    """Return the strings with words that a code cell shows. A name before its own value, as in `print("obs", obs)`, is
    no word.
    """
    found = []
    for one, value in shown_words(ast.parse(source)):
        own = set(re.findall(r"\w+", ast.unparse(value))) if value else set()
        found += [one.value] if set(WORD.findall(one.value)) - own else []
    return found


def comments(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]


def shown_words(tree: ast.AST) -> Iterator[tuple[ast.Constant, ast.expr | None]]:
    """Yield the strings that a code cell prints, writes on a figure, gives as a figure's description or a docstring,
    each with the value that is printed after it.
    """
    named = _assigned(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and isinstance(first := node.body[0], ast.Expr):
            yield from _strings([first.value])
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            shown = node.args if name == "print" else node.args[1:2] if name == "figure_svg" else []
            yield from _strings([part for one in shown for part in parts(one, named)])
            yield from _strings([part for one in node.keywords if one.arg in SHOWN for part in parts(one.value, named)])


def _strings(values: list[ast.expr]) -> Iterator[tuple[ast.Constant, ast.expr | None]]:
    for value, after in zip_longest(values, values[1:]):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value, after


def parts(value: ast.expr, named: dict[str, list[ast.expr]]) -> list[ast.expr]:
    """Return what printing a value shows, in order: the strings in it, and values that are none. `named` has the values
    of variables.
    """
    inner: list[ast.expr] = []
    match value:
        case ast.JoinedStr(values=inner) | ast.List(elts=inner) | ast.Tuple(elts=inner):
            pass
        case ast.IfExp(body=one, orelse=other):
            inner = [one, other]
        case ast.FormattedValue(value=one) | ast.ListComp(elt=one) | ast.GeneratorExp(elt=one):
            inner = [one]
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=inner):
            pass
        case ast.Name(id=name) if name in named:
            others = {key: values for key, values in named.items() if key != name}
            return [value, *(part for one in named[name] for part in parts(one, others))]
    return [part for one in inner for part in parts(one, named)] or [value]


def _assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """Return the values that a cell assigns to each variable."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            for name, one in zip(target.elts, value.elts, strict=True) if both else [(target, value)]:
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append(one)
    return found


def code_without_words(source: str) -> str:
    """Return what a code cell does: without comments, and with an empty string for the words that it shows."""
    tree = ast.parse(source)
    for node, _ in shown_words(tree):
        node.value = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):  # words may move to another place of a sentence
            node.values = sorted((x for x in node.values if ast.unparse(x) != "''"), key=ast.dump)
    return ast.dump(tree)
