"""Rules: what each operation does to labels. An operation without a rule is reported, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from omg_lib.provenance.joins import Joiner
from omg_lib.provenance.kinds import COORDINATES
from omg_lib.provenance.labels import Shadow, episode_of, geometry, kind_of, seat_of, step_of
from omg_lib.provenance.policy import CHOOSE, ERROR, VALUE, WEIGH

aten = torch.ops.aten
BLOCKED = -1e6
"""A constant this low, added to a score, removes it."""
Label = Tensor | None
RULES: dict[str, Callable] = {}
SILENT = {
    "nonzero", "bincount", "unique", "_unique2", "unique_dim", "searchsorted", "zero", "fill", "normal", "uniform",
    "random", "bernoulli", "empty", "scalar_tensor", "is_same_size", "equal", "_local_scalar_dense", "is_nonzero",
    "resize", "_is_all_true", "_is_any_true",
}  # fmt: skip
"""Their results are row numbers or new values: the trace ends or begins there."""
GEOMETRY = {"transpose", "t", "swapaxes", "swapdims", "squeeze", "unsqueeze", "as_strided", "set", "detach"}
"""In place, they change what a tensor views, but no element."""
CUTS = {"select", "slice", "split", "split_with_sizes", "unbind", "narrow", "unfold", "diagonal"}
"""Views that pick elements; other views rearrange axes."""
SAME = {"clone", "_to_copy", "contiguous", "lift_fresh", "native_dropout", "tril", "triu", "_conj_physical"}


def rule(*names: str) -> Callable:
    def register(function: Callable) -> Callable:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


class Operation:
    """One call: its arguments by name, and their labels."""

    def __init__(self, rules: Rules, func, args: tuple, kwargs: dict, out) -> None:
        self.rules, self.func, self.args, self.kwargs, self.out = rules, func, args, kwargs, out
        self.joiner = rules.joiner
        names = [argument.name for argument in func._schema.arguments]
        self.given = dict(zip(names, args, strict=False)) | kwargs
        self.named = {a.name: a.default_value for a in func._schema.arguments if a.has_default_value()}
        self.named |= self.given
        self.name = name_of(func)

    def label(self, x) -> Label:
        return self.rules.label(x) if isinstance(x, Tensor) else None

    def plain(self, x: Tensor) -> Tensor:
        """Return the label, or one that says nothing."""
        label = self.label(x)
        return torch.zeros([1] * x.ndim, dtype=torch.int64, device=x.device) if label is None else label

    def result(self) -> Tensor:
        return self.out[0] if isinstance(self.out, (tuple, list)) else self.out

    def axes(self, x: Tensor) -> list[int]:
        dims = self.named.get("dim", self.named.get("dims"))
        if dims is None or dims == []:
            return list(range(x.ndim))
        return sorted({d % max(x.ndim, 1) for d in ([dims] if isinstance(dims, int) else dims)})


class Rules:
    """Computes the labels of results. `label_of` returns one label, or a list with one for each result."""

    def __init__(self, shadow: Shadow, joiner: Joiner, whole: Callable[[Label], None]) -> None:
        self.shadow, self.joiner, self.whole = shadow, joiner, whole

    def label(self, x: Tensor) -> Label:
        """Return the label of x, with the lines that rearranged or cut it as a view."""
        label = self.shadow.read(x)
        if label is None:
            return None
        for line, coordinates, turned in self.shadow.plane(x).views.get(geometry(x), ()):
            label = self.joiner.moved(label, line, coordinates, turned)
        return label

    def label_of(self, func, args: tuple, kwargs: dict, out) -> Label | list[Label]:
        operation = Operation(self, func, args, kwargs, out)
        name = operation.name
        if name in SILENT or name.endswith("_like") or name.startswith("new_"):
            return None
        if name in SAME:
            return operation.label(args[0])
        if name in RULES:
            return RULES[name](operation)
        if name.endswith("_copy"):
            return RULES["carried"](operation)  # of a view
        if torch.Tag.pointwise in func.tags:
            return pointwise(operation)
        return self.joiner.lost(name)

    def note_view(self, name: str, x: Tensor, out: Tensor, line: int) -> None:
        """Remember which line cut or rearranged x, if that moves places; line 0 is not noted."""
        plane = self.shadow.plane(x)
        notes = plane.views.get(geometry(x), ())
        label = self.shadow.read(x)
        if line and label is not None and geometry(x) != geometry(out):
            turned = name not in CUTS
            axes = changed_axes(x, out) if turned else [d for d in range(x.ndim) if cut(x, out, d)]
            coordinates = coordinates_along(label, axes)
            if coordinates:
                notes = (*(n for n in notes if n[2] != turned or n[1] != coordinates), (line, coordinates, turned))
        if notes:
            plane.views[geometry(out)] = notes


def name_of(func) -> str:
    return func._overloadpacket._qualified_op_name.split("::")[1].removesuffix("_") or "?"


def changed_axes(x: Tensor, out: Tensor) -> list[int]:
    """Return the axes of x that a view merges, splits or swaps; none if it only adds or drops axes of length 1."""
    if x.ndim == out.ndim and sorted(x.shape) == sorted(out.shape) and sorted(x.stride()) == sorted(out.stride()):
        return [d for d in range(x.ndim) if (x.shape[d], x.stride(d)) != (out.shape[d], out.stride(d))]
    here, there = [(n, s) for n, s in zip(x.shape, x.stride(), strict=True) if n > 1], []
    there = [(n, s) for n, s in zip(out.shape, out.stride(), strict=True) if n > 1 and s]
    return [d for d in range(x.ndim) if x.shape[d] > 1 and (x.shape[d], x.stride(d)) in set(here) - set(there)]


def cut(x: Tensor, out: Tensor, d: int) -> bool:
    """Return whether a selection or slice changes axis d of x."""
    if x.ndim == out.ndim:
        return x.shape[d] != out.shape[d] or x.stride(d) != out.stride(d)
    kept = [(n, s) for n, s in zip(out.shape, out.stride(), strict=True)]
    return (x.shape[d], x.stride(d)) not in kept


def coordinates_along(label: Tensor, axes: Sequence[int]) -> tuple[str, ...]:
    """Return which coordinates change from one place to the next along axes."""
    found = set()
    for axis in axes:
        if label.shape[axis] > 1:
            pairs = min(label.shape[axis], 4) - 1  # the first place may be padding
            found.update(differing(label.narrow(axis, 0, pairs), label.narrow(axis, 1, pairs)))
    return tuple(c for c in COORDINATES if c in found)


def differing(one: Tensor, two: Tensor) -> tuple[str, ...]:
    """Return the coordinates in which two labels of one shape differ."""
    known = (kind_of(one) > 0) & (kind_of(two) > 0)
    parts = zip(COORDINATES, (episode_of, seat_of, step_of), strict=True)
    return tuple(name for name, part in parts if bool(((part(one) != part(two)) & known).any()))


def expanded(label: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
    """Return the label with full size along these axes."""
    return label.expand([x.shape[d] if d in axes else n for d, n in enumerate(label.shape)])


def pointwise(op: Operation) -> Label:
    """Return the label of an operation in which elements meet one to one."""
    tensors = [x for x in (*op.args, *op.kwargs.values()) if isinstance(x, Tensor)]
    if op.name == "mul" and any(x == 0 for x in op.args if not isinstance(x, Tensor)):
        return None
    label, context = None, ERROR if op.name in ("sub", "rsub") else VALUE
    labels = [op.label(x) for x in tensors]
    if op.name == "mul" and all(x is not None for x in labels):
        choosing = [all(kind.action for kind in op.joiner.kinds_in(x)) for x in labels]
        context = CHOOSE if any(choosing) else WEIGH
    elif op.name == "div":
        context = WEIGH
    for other in labels:
        label = op.joiner.join(label, other, context)
    if op.name == "mul" and label is not None and len(tensors) == 2:
        label = killed(op, label, tensors, labels)
    if op.name == "add" and label is not None:
        for x, own in zip(tensors, labels, strict=True):
            label = blocked(label, x) if own is None else label
    return label


def blocked(label: Tensor, x: Tensor | None) -> Tensor:
    """Clear the label where minus infinity, or a number used as such, was added."""
    if x is None or not x.is_floating_point():
        return label
    low = x <= BLOCKED
    return torch.where(thin(low), 0, label) if bool(low.any()) else label


def killed(op: Operation, label: Tensor, tensors: list[Tensor], labels: list[Label]) -> Tensor:
    """Clear the label where the other factor is a zero of a mask or a constant."""
    masks = [own is None or all(kind.mask for kind in op.joiner.kinds_in(own)) for own in labels]
    if all(masks) and all(own is not None for own in labels):
        return label  # a mask times a mask is a mask
    for x, mask in zip(tensors, masks, strict=True):
        if mask:
            zero = x == 0
            if bool(zero.any()):
                label = torch.where(thin(zero), 0, label)
    return label


def thin(x: Tensor) -> Tensor:
    """Return the same values, with size 1 along axes that only repeat them."""
    for axis, (size, stride) in enumerate(zip(x.shape, x.stride(), strict=True)):
        if size > 1 and (stride == 0 or bool((x.narrow(axis, 1, size - 1) == x.narrow(axis, 0, size - 1)).all())):
            x = x.narrow(axis, 0, 1)
    return x


def erases(op: Operation, mask: Label) -> bool:
    """Return whether a mask removes steps; otherwise it is over actions, and what it covers keeps its place."""
    return mask is None or all(kind.mask for kind in op.joiner.kinds_in(mask))


@rule("where")
def where(op: Operation) -> Label:
    condition, x, y = op.args
    mask, have = op.label(condition), [op.label(v) for v in (x, y)]
    if have[0] is None and have[1] is None:
        return mask
    if None in (have[0], have[1]) and not erases(op, mask):
        label = have[0] if have[1] is None else have[1]
    else:
        zero = torch.zeros((), dtype=torch.int64, device=condition.device)
        label = torch.where(thin(condition), *(zero if v is None else v for v in have))
    return guarded(op, label, mask)


def guarded(op: Operation, label: Tensor, mask: Label) -> Tensor:
    """Return the label of what a mask let through: both must come from one place, unless the mask sums up many places.
    """
    if mask is None or any(kind.mixed for kind in op.joiner.kinds_in(mask)):
        return label
    both = op.joiner.join(label, mask, VALUE if erases(op, mask) else CHOOSE)
    return torch.where(label != 0, both, 0)


@rule("masked_fill")
def masked_fill(op: Operation) -> Label:
    x, condition = op.args[:2]
    mask, label = op.label(condition), op.label(x)
    if label is None:
        return mask
    if erases(op, mask):
        label = torch.where(thin(condition), 0, label)
    return guarded(op, label, mask)


@rule("copy")
def copy(op: Operation) -> Label:
    return op.label(op.args[1])
