"""Rules for operations that move elements: they move labels in the same way."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from omg_lib.provenance.kinds import COORDINATES
from omg_lib.provenance.labels import episode_of, kind_of, seat_of, step_of
from omg_lib.provenance.policy import CHOOSE, VALUE
from omg_lib.provenance.rules import (
    Label,
    Operation,
    aten,
    coordinates_along,
    differing,
    erases,
    expanded,
    guarded,
    rule,
    thin,
)
from omg_lib.words import _

NUMBERS = {"index", "indices", "mask", "lengths", "batch_sizes"}
"""Arguments that say where to move elements, not which."""


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
    return op.joiner.moved(label, op.joiner.journal.mover, coordinates_along(label, [axis]), turned=False)


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
        aten.index(expanded(label, x, axes), indices), op.joiner.journal.mover, coordinates_along(label, axes), False
    )
    for i, mine in zip([i for i in indices if i is not None], own, strict=True):
        if mine is not None and not any(kind.mixed for kind in op.joiner.kinds_in(mine)):
            picked = mine.expand(i.shape)[i] if i.dtype == torch.bool else mine
            before = axes[0] if axes == list(range(axes[0], axes[-1] + 1)) else 0
            picked = picked.reshape([1] * before + [*picked.shape] + [1] * (moved.ndim - before - picked.ndim))
            moved = op.joiner.join(moved, picked, VALUE if erases(op, mine) else CHOOSE)
    return moved


def _alike(op: Operation, label: Label, out: Tensor) -> Label:
    """Return the index's label, with axes for the features; the table that it picks from has no origin."""
    if label is None:
        return None
    return label.reshape(*label.shape, *[1] * (out.ndim - label.ndim))


@rule("embedding")
def embedding(op: Operation) -> Label:
    table, rows = op.args[:2]
    label, own = op.label(table), _alike(op, op.label(rows), op.result())
    if label is None:
        return own
    label = _noted(op, label, expanded(label, table, [0])[rows])
    return op.joiner.join(label, own, CHOOSE)


@rule("index_select")
def index_select(op: Operation) -> Label:
    x, axis, rows = op.args
    label = op.label(x)
    if label is None or label.shape[axis] == 1:
        return label
    picked = label.index_select(axis, rows)
    shifted = differing(label, picked) if picked.shape == label.shape else coordinates_along(picked, [axis])
    return op.joiner.moved(picked, op.joiner.journal.mover, shifted, False)


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
            label = op.joiner.moved(label, op.joiner.journal.mover, along, False)
        label = _thinned(label, axis)
    return op.joiner.join(label, op.label(rows), CHOOSE)


def _thinned(label: Tensor, axis: int) -> Tensor:
    same = bool((label.narrow(axis, 0, 1) == label).all())
    return label.narrow(axis, 0, 1) if same else label


@rule("roll", "flip")
def roll(op: Operation) -> Label:
    label = op.label(op.args[0])
    if label is None:
        return None
    if op.name == "roll" and not op.named.get("dims"):
        label = label.expand(op.args[0].shape)  # it turns all elements in one row
    turned = op.func(label, *op.args[1:], **op.kwargs)
    return op.joiner.moved(turned, op.joiner.journal.mover, differing(label, turned), False)


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
    if label is None:
        return None
    shifted = [x.ndim - 1 - i // 2 for i, width in enumerate(widths) if width and i % 2 == 0]
    label = op.joiner.moved(label, op.joiner.journal.mover, coordinates_along(label, shifted), False)
    return aten.constant_pad_nd(expanded(label, x, padded), widths, 0)


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
    if op.named.get("accumulate"):
        return op.joiner.lost(_("index_put that accumulates"))
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
    if rest and new.ndim:  # the label may be finer than x's along axes that are written completely
        sizes = list(label.shape)
        for d, n in zip(reversed(rest), reversed(new.shape), strict=False):
            sizes[d] = max(sizes[d], n)
        label = label.expand(sizes)
    return aten.index_put(expanded(label, x, axes).contiguous(), indices, new)


@rule("scatter", "scatter_add", "scatter_reduce", "index_add")
def scatter(op: Operation) -> Label:
    """A one-hot row takes the index's label; the line that makes it is named if none has moved the index before."""
    x, axis, rows, value = op.args[:4]
    axis = axis % max(x.ndim, 1)
    own, index_label = op.label(x), op.label(rows)
    if index_label is None and isinstance(value, Tensor):
        if op.name == "scatter" and op.named.get("reduce") is None:
            return carried(op)
        return _added(op, own, axis, rows, value)
    label = op.joiner.fold(index_label, [axis], VALUE)
    label = None if label is None else op.joiner.moved(label, op.joiner.journal.mover, COORDINATES, False, again=False)
    if isinstance(value, Tensor):
        label = op.joiner.join(label, op.joiner.fold(op.label(value), [axis], VALUE))
    return op.joiner.join(own, label)


def _added(op: Operation, own: Label, axis: int, rows: Tensor, value: Tensor) -> Label:
    """Elements are added to others: exact if each goes to a different place."""
    label = op.label(value)
    if label is None:
        return own
    if op.name == "index_add":
        rows = rows.reshape([-1 if d == axis else 1 for d in range(value.ndim)]).expand(value.shape)
    empty = torch.zeros(op.args[0].shape, dtype=torch.int64, device=rows.device)
    if bool((empty.scatter_add(axis, rows, torch.ones_like(rows)) > 1).any()):
        return op.joiner.lost(op.name)
    label = label.expand(value.shape)[tuple(slice(0, n) for n in rows.shape)]
    return op.joiner.join(own, _noted(op, op.label(value), thin(empty.scatter(axis, rows, label))))


@rule(
    "carried", "rot90", "take", "index_copy", "index_fill", "put", "diag_embed", "block_diag",
    "select_scatter", "slice_scatter", "diagonal_scatter", "im2col", "pixel_shuffle", "pixel_unshuffle",
    "channel_shuffle", "upsample_nearest1d", "upsample_nearest2d", "replication_pad1d", "replication_pad2d",
    "reflection_pad1d", "reflection_pad2d", "_pack_padded_sequence", "_pad_packed_sequence",
)  # fmt: skip
def carried(op: Operation) -> Label | list[Label]:
    """Run the operation on the numbers of places instead of elements: exact, whatever it moves."""
    if op.named.get("accumulate") or any(op.label(op.named.get(name)) is not None for name in NUMBERS):
        return op.joiner.lost(op.name)
    return _carried(op)


@rule("masked_scatter")
def masked_scatter(op: Operation) -> Label:
    """Places that a followed mask opens must be those of what is written there."""
    return guarded(op, _carried(op), op.label(op.args[1]))


def _carried(op: Operation) -> Label | list[Label]:
    tables = [torch.zeros(1, dtype=torch.int64)]

    def numbered(x):
        if not isinstance(x, Tensor):
            return x
        start = sum(map(len, tables))
        tables.append(op.plain(x).expand(x.shape).reshape(-1))
        return torch.arange(start, start + x.numel(), dtype=torch.float64, device=x.device).reshape(x.shape)

    changed = {"value": 0, "padding_value": 0}
    arguments = {
        name: x if name in NUMBERS else changed.get(name, tree_map(numbered, x)) for name, x in op.given.items()
    }
    out = [x for x in tree_leaves(op.func(**arguments)) if isinstance(x, Tensor)]
    tables[0] = tables[0].to(out[0].device)
    table = torch.cat(tables)
    labels = [thin(table[x.long()]) if x.dtype == torch.float64 else None for x in out]
    labels = [None if label is None else _noted(op, table, label) for label in labels]
    return labels[0] if len(labels) == 1 else labels


def _noted(op: Operation, before: Tensor, label: Tensor) -> Tensor:
    """Note that this line moved the coordinates that differ."""
    known = before[kind_of(before) > 0]
    parts = zip(COORDINATES, (episode_of, seat_of, step_of), strict=True)
    along = [name for name, part in parts if known.numel() and bool(part(known).min() < part(known).max())]
    return op.joiner.moved(label, op.joiner.journal.mover, along, False) if along else label
