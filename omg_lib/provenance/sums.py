"""Rules of operations that combine many elements into one: products of matrices, sums, extremes, losses."""

from __future__ import annotations

import torch
from torch import Tensor

from omg_lib.provenance.policy import CHOOSE, ERROR, READ, VALUE
from omg_lib.provenance.rules import Label, Operation, rule


@rule("mm", "bmm", "addmm", "baddbmm", "linear")
def matrix_product(op: Operation) -> Label:
    extra, (x, y) = None, op.args[:2]
    if op.name in ("addmm", "baddbmm"):
        extra, x, y = op.args[:3]
    elif op.name == "linear":
        y, extra = y.t(), op.named.get("bias")
    a, b = op.label(x), op.label(y)
    context = READ if a is None or b is None else VALUE
    a = op.joiner.fold(a, [x.ndim - 1], context)
    b = op.joiner.fold(b, [y.ndim - 2], context)
    if a is not None and b is not None:
        return op.joiner.join(op.joiner.join(a, b), op.label(extra))
    return op.joiner.join(b if a is None else a, op.label(extra))


@rule("mv", "dot", "vdot", "addmv")
def vector_product(op: Operation) -> Label:
    extra, (x, y) = None, op.args[:2]
    if op.name == "addmv":
        extra, x, y = op.args[:3]
    a, b = op.label(x), op.label(y)
    if op.name in ("dot", "vdot"):
        op.rules.whole(op.joiner.join(a, b))
        return None
    context = READ if a is None or b is None else VALUE
    a, b = op.joiner.fold(a, [1], context), op.joiner.fold(b, [0], context)
    return op.joiner.join(op.joiner.join(None if a is None else a[:, 0], b), op.label(extra))


@rule(
    "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all", "logsumexp", "var", "std",
    "var_mean", "std_mean", "linalg_vector_norm", "norm", "prod", "nansum", "median", "aminmax",
)  # fmt: skip
def reduce(op: Operation) -> Label:
    x = op.args[0]
    if op.name in ("max", "min") and isinstance(op.named.get("other"), Tensor):
        return op.joiner.join(op.label(x), op.label(op.named["other"]), VALUE)
    label, out, axes = op.label(x), op.result(), op.axes(x)
    if label is None:
        return None
    if out.ndim == 0 or len(axes) == x.ndim:
        op.rules.whole(label)
        return None
    kinds = op.joiner.kinds_in(label)
    if any(kind.finished for kind in kinds) and any(label.shape[axis] > 1 for axis in axes):
        op.rules.whole(label)
    label = op.joiner.summarise(label, axes, strict=op.name == "sum")
    if label is None or out.ndim == x.ndim:
        return label
    return label.reshape([n for d, n in enumerate(label.shape) if d not in axes])


@rule("_softmax", "_log_softmax", "softmax", "log_softmax")
def softmax(op: Operation) -> Label:
    return op.joiner.fold(op.label(op.args[0]), [op.args[1] % op.args[0].ndim], READ)


@rule("native_layer_norm")
def layer_norm(op: Operation) -> Label:
    x, shape = op.args[:2]
    return op.joiner.fold(op.label(x), range(x.ndim - len(shape), x.ndim), READ)


@rule("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp")
def cumulate(op: Operation) -> Label:
    """Each element holds all before it: joined with its neighbour, which tells what kind of step that is."""
    x, axis = op.args[0], op.args[1] % max(op.args[0].ndim, 1)
    label = op.label(x)
    if label is None or label.shape[axis] == 1:
        return label
    n = label.shape[axis]
    later = op.joiner.join(label.narrow(axis, 1, n - 1), label.narrow(axis, 0, n - 1))
    return torch.cat([label.narrow(axis, 0, 1), later], axis)


@rule("sort", "topk", "argsort", "kthvalue")
def order(op: Operation) -> Label | list[Label]:
    x = op.args[0]
    label, axis = op.label(x), op.named["dim"] % max(x.ndim, 1)
    if label is None or label.shape[axis] == 1:
        return label
    if op.name == "argsort":
        return None
    return [op.rules.lost(op.name, op.out[0]), None]  # the order itself is a number of rows


@rule("mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
def loss(op: Operation) -> Label:
    label = op.joiner.join(op.label(op.args[0]), op.label(op.args[1]), ERROR)
    label = op.joiner.join(label, op.label(op.named.get("weight")))
    if op.result().ndim == 0 and label is not None:
        op.rules.whole(label)
        return None
    return label


@rule("nll_loss_forward", "nll_loss2d_forward")
def nll_loss(op: Operation) -> list[Label]:
    """The log probability of one class: a choice."""
    x, target = op.args[:2]
    axis = 1 if x.ndim > 1 else 0
    label = op.joiner.fold(op.label(x), [axis], READ)
    label = op.joiner.join(None if label is None else label.squeeze(axis), op.label(target), CHOOSE)
    if op.result().ndim == 0 and label is not None:
        op.rules.whole(label)
        return [None, None]
    return [label, None]
