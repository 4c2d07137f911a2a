"""Rules: what every operation does to labels. An operation without a rule is named, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from omg_lib.provenance.joins import Joiner
from omg_lib.provenance.kinds import COORDINATES
from omg_lib.provenance.labels import Shadow, episode_of, geometry, seat_of, step_of
from omg_lib.provenance.policy import CHOOSE, ERROR, VALUE

aten = torch.ops.aten
Label = Tensor | None
RULES: dict[str, Callable] = {}
SILENT = {
    "nonzero", "bincount", "unique", "_unique2", "unique_dim", "searchsorted", "zero", "fill", "normal", "uniform",
    "random", "bernoulli", "empty", "scalar_tensor", "is_same_size", "equal", "_local_scalar_dense", "is_nonzero",
    "resize",
}  # fmt: skip
"""Their results are numbers of rows, or new: the trace ends, or begins, there."""
CUTS = {"select", "slice", "split", "split_with_sizes", "unbind", "narrow", "unfold", "diagonal"}
"""Views that pick; other views turn axes."""
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
        self.named = {a.name: a.default_value for a in func._schema.arguments if a.has_default_value()}
        self.named |= dict(zip(names, args, strict=False)) | kwargs
        self.name = name_of(func)

    def label(self, x) -> Label:
        return self.rules.label(x) if isinstance(x, Tensor) else None

    def plain(self, x: Tensor) -> Tensor:
        """The label, or one that says nothing."""
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
    """Labels of results. `label_of` gives one label, or a list of one for each result."""

    def __init__(self, shadow: Shadow, joiner: Joiner, whole: Callable[[Label], None]) -> None:
        self.shadow, self.joiner, self.whole = shadow, joiner, whole

    def label(self, x: Tensor) -> Label:
        """The label of x, with the lines that turned or cut it as a view."""
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
        if torch.Tag.pointwise in func.tags:
            return pointwise(operation)
        return self.lost(name, operation.result())

    def lost(self, name: str, out: Tensor) -> Label:
        return self.joiner.lost(name, out) if isinstance(out, Tensor) else None

    def note_view(self, name: str, x: Tensor, out: Tensor, line: int) -> None:
        """Remember which line cut or turned x, where that moves places; line 0 is not noted."""
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
    """Axes of x that a view merges, splits or swaps; none where it only adds or drops axes of length 1."""
    if x.ndim == out.ndim and sorted(x.shape) == sorted(out.shape) and sorted(x.stride()) == sorted(out.stride()):
        return [d for d in range(x.ndim) if (x.shape[d], x.stride(d)) != (out.shape[d], out.stride(d))]
    here, there = [(n, s) for n, s in zip(x.shape, x.stride(), strict=True) if n > 1], []
    there = [(n, s) for n, s in zip(out.shape, out.stride(), strict=True) if n > 1 and s]
    return [d for d in range(x.ndim) if x.shape[d] > 1 and (x.shape[d], x.stride(d)) in set(here) - set(there)]


def cut(x: Tensor, out: Tensor, d: int) -> bool:
    """Whether a selection or slice touches axis d of x."""
    if x.ndim == out.ndim:
        return x.shape[d] != out.shape[d] or x.stride(d) != out.stride(d)
    kept = [(n, s) for n, s in zip(out.shape, out.stride(), strict=True)]
    return (x.shape[d], x.stride(d)) not in kept


def coordinates_along(label: Tensor, axes: Sequence[int]) -> tuple[str, ...]:
    """Which coordinates change from one place to the next along axes."""
    found = set()
    for axis in axes:
        if label.shape[axis] > 1:
            one, two = label.narrow(axis, 0, 1), label.narrow(axis, 1, 1)
            for name, part in zip(COORDINATES, (episode_of, seat_of, step_of), strict=True):
                if name not in found and not torch.equal(part(one), part(two)):
                    found.add(name)
    return tuple(c for c in COORDINATES if c in found)


def expanded(label: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
    """The label with full size along these axes."""
    return label.expand([x.shape[d] if d in axes else n for d, n in enumerate(label.shape)])


def pointwise(op: Operation) -> Label:
    """Elements meet one to one."""
    tensors = [x for x in (*op.args, *op.kwargs.values()) if isinstance(x, Tensor)]
    label, context = None, ERROR if op.name in ("sub", "rsub") else VALUE
    labels = [op.label(x) for x in tensors]
    if op.name == "mul" and all(x is not None for x in labels):
        choosing = [all(kind.action for kind in op.joiner.kinds_in(x)) for x in labels]
        context = CHOOSE if any(choosing) else VALUE
    for other in labels:
        label = op.joiner.join(label, other, context)
    if op.name == "mul" and label is not None and len(tensors) == 2:
        label = killed(op, label, tensors, labels)
    return label


def killed(op: Operation, label: Tensor, tensors: list[Tensor], labels: list[Label]) -> Tensor:
    """A product with the zero of a mask, or of a constant, holds nothing of the other factor."""
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
    """The same values with size 1 along axes that only repeat them."""
    for axis, (size, stride) in enumerate(zip(x.shape, x.stride(), strict=True)):
        if size > 1 and (stride == 0 or bool((x.narrow(axis, 1, size - 1) == x.narrow(axis, 0, size - 1)).all())):
            x = x.narrow(axis, 0, 1)
    return x


def erases(op: Operation, mask: Label) -> bool:
    """Whether a mask takes steps out; else it is over actions, and what it covers keeps its place."""
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
    """What a mask has passed: both must be of one place. A mask that sums up many places says nothing of one."""
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


@rule("cat")
def cat(op: Operation) -> Label:
    parts = [x for x in op.args[0] if not (x.ndim == 1 and x.numel() == 0)]
    axis = op.named["dim"] % parts[0].ndim
    labels = [expanded(op.plain(x), x, [axis]) for x in parts]
    return torch.cat(_widened(labels, axis), axis)


@rule("stack")
def stack(op: Operation) -> Label:
    axis = op.named["dim"] % (op.args[0][0].ndim + 1)
    label = torch.cat(_widened([op.plain(x).unsqueeze(axis) for x in op.args[0]], axis), axis)
    return op.joiner.moved(label, op.joiner.journal.line, coordinates_along(label, [axis]), turned=False)


def _widened(labels: list[Tensor], axis: int) -> list[Tensor]:
    sizes = [max(sizes) for sizes in zip(*(label.shape for label in labels), strict=True)]
    return [label.expand([*sizes[:axis], label.shape[axis], *sizes[axis + 1 :]]) for label in labels]


@rule("index")
def index(op: Operation) -> Label:
    x, indices = op.args
    label = op.label(x)
    axes, d = [], 0
    for i in indices:
        width = i.ndim if i is not None and i.dtype == torch.bool else 1
        axes += range(d, d + width) if i is not None else []
        d += width
    own = [op.label(i) for i in indices if i is not None]
    if label is None:
        return _alike(op, own[0], op.result()) if own else None
    moved = op.joiner.moved(
        aten.index(expanded(label, x, axes), indices), op.joiner.journal.line, coordinates_along(label, axes), False
    )
    for i, mine in zip([i for i in indices if i is not None], own, strict=True):
        if mine is not None and not any(kind.mixed for kind in op.joiner.kinds_in(mine)):
            picked = mine.expand(i.shape)[i] if i.dtype == torch.bool else mine
            picked = picked.reshape(*picked.shape, *[1] * (moved.ndim - picked.ndim))
            moved = op.joiner.join(moved, picked, VALUE if erases(op, mine) else CHOOSE)
    return moved


def _alike(op: Operation, label: Label, out: Tensor) -> Label:
    """The label of an index picks from a table without origin."""
    if label is None:
        return None
    return label.reshape(*label.shape, *[1] * (out.ndim - label.ndim))


@rule("embedding")
def embedding(op: Operation) -> Label:
    return _alike(op, op.label(op.args[1]), op.result())


@rule("index_select")
def index_select(op: Operation) -> Label:
    x, axis, rows = op.args
    label = op.label(x)
    if label is None or label.shape[axis] == 1:
        return label
    label = label.index_select(axis, rows)
    return op.joiner.moved(label, op.joiner.journal.line, coordinates_along(label, [axis]), False)


@rule("gather")
def gather(op: Operation) -> Label:
    x, axis, rows = op.args[:3]
    label = op.label(x)
    if label is not None:
        along = coordinates_along(label, [axis])
        if label.shape[axis] > 1 or list(rows.shape) != list(x.shape):
            label = label.expand(x.shape)
            label = label.gather(axis, rows)
        if along:
            label = op.joiner.moved(label, op.joiner.journal.line, along, False)
        label = _thinned(label, axis)
    return op.joiner.join(label, op.label(rows), CHOOSE)


def _thinned(label: Tensor, axis: int) -> Tensor:
    same = bool((label.narrow(axis, 0, 1) == label).all())
    return label.narrow(axis, 0, 1) if same else label


@rule("roll", "flip")
def roll(op: Operation) -> Label:
    label = op.label(op.args[0])
    axes = op.axes(op.args[0])
    if label is None or op.name == "roll" and not op.named.get("dims"):
        return label if label is None else op.func(label.expand(op.args[0].shape), *op.args[1:], **op.kwargs)
    along = coordinates_along(label, axes)
    label = op.func(label, *op.args[1:], **op.kwargs)
    return op.joiner.moved(label, op.joiner.journal.line, along, False)


@rule("repeat")
def repeat(op: Operation) -> Label:
    x, times = op.args
    label = op.label(x)
    if label is None:
        return None
    label = label.reshape(*[1] * (len(times) - x.ndim), *label.shape)
    return label.repeat([1 if n == 1 else k for n, k in zip(label.shape, times, strict=True)])


@rule("constant_pad_nd")
def pad(op: Operation) -> Label:
    x, widths = op.args[:2]
    label = op.label(x)
    padded = [x.ndim - 1 - i // 2 for i, width in enumerate(widths) if width]
    return None if label is None else aten.constant_pad_nd(expanded(label, x, padded), widths, 0)


@rule("masked_select")
def masked_select(op: Operation) -> Label:
    x, mask = op.args
    label = op.label(x)
    if label is None:
        return None
    shape = torch.broadcast_shapes(x.shape, mask.shape)
    moved = label.expand(shape)[mask.expand(shape)]
    own = op.label(mask)
    return moved if own is None else op.joiner.join(moved, own.expand(shape)[mask.expand(shape)], VALUE)


@rule("index_put", "_index_put_impl")
def index_put(op: Operation) -> Label:
    x, indices, value = op.args[:3]
    label, new = op.plain(x), op.label(value)
    first = indices[0]
    if new is None and len(indices) == 1 and first.dtype == torch.bool:
        mask = op.label(first)
        fits = None if mask is None else mask.reshape(*mask.shape, *[1] * (x.ndim - first.ndim))
        if erases(op, mask):
            condition = thin(first)
            label = torch.where(condition.reshape(*condition.shape, *[1] * (x.ndim - first.ndim)), 0, label)
        return guarded(op, label, fits)
    d, axes = 0, []
    for i in indices:
        width = i.ndim if i is not None and i.dtype == torch.bool else 1
        axes += range(d, d + width) if i is not None else []
        d += width
    new = op.plain(value) if new is None else new
    rest = [d for d in range(x.ndim) if d not in axes]
    if rest and new.ndim:  # the label may be finer than x's along axes that are written whole
        sizes = list(label.shape)
        for d, n in zip(reversed(rest), reversed(new.shape), strict=False):
            sizes[d] = max(sizes[d], n)
        label = label.expand(sizes)
    return aten.index_put(expanded(label, x, axes).contiguous(), indices, new)


@rule("scatter", "scatter_add")
def scatter(op: Operation) -> Label:
    """A one-hot row is the index's; the line that makes it is named where none has moved the index before."""
    x, axis, rows, value = op.args[:4]
    label = op.joiner.fold(op.label(rows), [axis % max(x.ndim, 1)], VALUE)
    label = None if label is None else op.joiner.moved(label, op.joiner.journal.line, COORDINATES, False, again=False)
    if isinstance(value, Tensor):
        label = op.joiner.join(label, op.joiner.fold(op.label(value), [axis % x.ndim], VALUE))
    own = op.label(x)
    return op.joiner.join(own, label)
