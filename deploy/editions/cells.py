"""What of a cell needs a translation, and what has to stay as it is."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator

SHOWN = ("title", "xlabel", "ylabel", "label")
"""Keywords whose values a reader sees."""
SPANS = re.compile(r"(`+)(?:.|\n)*?[^`]\1(?!`)|\$[^$\n]+\$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TAG = re.compile(r"</?[a-z][^>]*>")
NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
TWO_WORDS = re.compile(r"[A-Za-z]{2,}\W* +\W*[A-Za-z]{2,}")


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
    said = [node.value for node in shown_words(ast.parse(source))]
    return any(map(TWO_WORDS.search, [*said, *comments(source)]))


def comments(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]


def shown_words(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the strings that a code cell prints, writes on a figure, gives as a figure's description or a docstring."""
    for call in ast.walk(tree):
        if isinstance(call, ast.FunctionDef) and isinstance(first := call.body[0], ast.Expr):
            yield from [first.value] if isinstance(first.value, ast.Constant) else []
        if isinstance(call, ast.Call):
            name = ast.unparse(call.func)
            shown = list(call.args) if name == "print" else call.args[1:2] if name == "figure_svg" else []
            shown += [keyword.value for keyword in call.keywords if keyword.arg in SHOWN]
            for value in (part for one in shown for part in branches(one)):
                parts = value.values if isinstance(value, ast.JoinedStr) else [value]
                yield from (one for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str))


def branches(value: ast.expr) -> list[ast.expr]:
    return [*branches(value.body), *branches(value.orelse)] if isinstance(value, ast.IfExp) else [value]


def code_without_words(source: str) -> str:
    """Return what a code cell does: without comments, and with an empty string for the words that it shows."""
    tree = ast.parse(source)
    for node in shown_words(tree):
        node.value = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):  # words may move to another place of a sentence
            node.values = sorted((x for x in node.values if ast.unparse(x) != "''"), key=ast.dump)
    return ast.dump(tree)
