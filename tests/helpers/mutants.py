"""Small changes of a program, one at a time: the slips that turn a right answer into a wrong one."""

import ast
from collections.abc import Callable, Iterator

SWAPPED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Add,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield (what was changed, changed source) of one function's cell: operators, numbers, booleans, words, conditions,
    signs, arguments left out or swapped.
    """
    tree = _parsed(source)
    for place, node in enumerate(ast.walk(tree)):
        for number in range(len(_changes(node))):
            made = _parsed(source)
            new = next(other for k, other in enumerate(ast.walk(made)) if k == place)
            before = _told(new)
            list(_changes(new))[number]()
            text = ast.unparse(made)
            if text != ast.unparse(tree):
                yield f"{before} -> {_told(new)}", text


def _parsed(source: str) -> ast.Module:
    """Parse a cell without its function's docstring. A deep copy would be slow: IPython's tracebacks leave the whole
    tree of a failed cell in nodes that all trees share.
    """
    tree = ast.parse(source)
    del tree.body[-1].body[0]
    return tree


def _told(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, (ast.expr, ast.stmt)) else type(node).__name__


def _changes(node: ast.AST) -> list[Callable[[], object]]:
    """Return functions without arguments, each of which changes the node."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in SWAPPED:
        return [lambda: setattr(node, "op", SWAPPED[type(node.op)]())]
    if isinstance(node, ast.Compare):
        return [lambda: node.ops.__setitem__(0, SWAPPED[type(node.ops[0])]())]
    if isinstance(node, ast.UnaryOp):
        return [lambda: setattr(node, "op", ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not())]
    if isinstance(node, ast.IfExp):
        return [lambda: node.__dict__.update(body=node.orelse, orelse=node.body)]
    if isinstance(node, ast.Constant):
        return [lambda new=new: setattr(node, "value", new) for new in _others(node.value)]
    if isinstance(node, ast.Call):
        shorter = [lambda k=k: node.keywords.pop(k) for k in range(len(node.keywords))]
        return shorter + [lambda: node.args.reverse()] * (len(node.args) > 1)
    if isinstance(node, (ast.Tuple, ast.List)) and len(node.elts) > 1:
        return [lambda: node.elts.reverse()]
    return []


def _others(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, value - 1]
    if isinstance(value, str) and "->" in value:  # einops: the new axes in another order
        left, right = value.split("->")
        words = right.strip("() ").split()
        return [f"{left}-> {' '.join(reversed(words))}"] if "(" not in right else [value.replace("g a)", "a g)")]
    return [value + "_"] if isinstance(value, str) else []
