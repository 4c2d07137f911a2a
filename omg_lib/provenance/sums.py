"""Rules for operations that combine many elements into one: matrix products, sums, extremes, losses."""

from __future__ import annotations

import torch
from torch import Tensor

from omg_lib.provenance.kinds import GETS, SEES, Kind
from omg_lib.provenance.labels import step_of
from omg_lib.provenance.policy import ATTEND, CHOOSE, ERROR, READ, VALUE
from omg_lib.provenance.rules import BLOCKED, Label, Operation, blocked, coordinates_along, killed, rule
from omg_lib.words import _

EXACT = {"sum", "mean", "std", "var"}
"""Of one episode's rewards these are followed as they are; others are summaries."""
MOST_PAIRS = 2**24
"""Up to this many products are checked for zeros one by one; with more, all of them count."""


@rule("mm", "bmm", "addmm", "baddbmm", "linear")
def matrix_product(op: Operation) -> Label:
    extra, (x, y) = None, op.args[:2]
    if op.name in ("addmm", "baddbmm"):
        extra, x, y = op.args[:3]
    elif op.name == "linear":
        y, extra = y.t(), op.named.get("bias")
    a, b = op.label(x), op.label(y)
    if x[..., 0].numel() == y[..., 0, :].numel() == 1 and (_weighed(op, a, b, y) or _weighed(op, b, a, x)):
        flat = [None if own is None else own.expand(z.shape).flatten() for own, z in ((a, x), (b, y))]
        op.rules.whole(_inner(op, [x.flatten(), y.flatten()], flat))
        return op.label(extra)
    context = READ if a is None or b is None else ATTEND if _attends(a, b) else VALUE
    left, right = _folded(op, a, b, y, context, -1), _folded(op, b, a, x, context, -2)
    label = op.joiner.join(left, right, context if left is not None and right is not None else VALUE)
    return _with_extra(op, label, extra)


def _weighed(op: Operation, label: Label, weights: Label, factor: Tensor) -> bool:
    """Return whether an inner product adds up many places, by weights that nobody learns: this may be a loss."""
    if label is None or weights is not None:
        return label is not None
    return not factor.requires_grad and "episode" in op.joiner.varying(label, list(range(label.ndim)))


def _inner(op: Operation, factors: list[Tensor], labels: list[Label]) -> Label:
    """Return the label of what an inner product adds up, before the sum: a mask's zeros remove places."""
    label = op.joiner.join(*labels)
    return None if label is None else killed(op, label, factors, labels)


def _with_extra(op: Operation, label: Label, extra: Tensor | None) -> Label:
    own = op.label(extra)
    if own is None and label is not None and isinstance(extra, Tensor):
        label = blocked(label, extra)
    return op.joiner.join(label, own)


def _attends(a: Tensor, b: Tensor) -> bool:
    """Return whether this is attention over time: each row of one side meets each of the other, and steps differ along
    both.
    """
    rows, others = coordinates_along(a, [a.ndim - 2]), coordinates_along(b, [b.ndim - 1, b.ndim - 2])
    return "time" in rows and "time" in others


def _folded(op: Operation, label: Label, others: Label, factor: Tensor, context: str, axis: int) -> Label:
    """Return the label of a factor after summing over its axis (-1 of the left, -2 of the right), which keeps size 1.

    The sum leaves out what is multiplied by a zero that is not a followed value, such as a mask's or a permutation's.
    """
    if label is None:
        return None
    holes = factor == 0 if others is None else (factor == 0) & (others == 0)
    n = label.shape[axis] > 1 and not factor.requires_grad and bool(holes.any()) and not bool(holes.all())
    if not n or holes.numel() * label.numel() > MOST_PAIRS:
        return op.joiner.fold(label, [label.ndim + axis], context)
    if axis == -1:  # label [..., L, S], holes [..., S, N]
        pairs = torch.where(holes.unsqueeze(-3), 0, label.unsqueeze(-1))
        return op.joiner.fold(pairs, [pairs.ndim - 2], context).squeeze(-2)
    pairs = torch.where(holes.unsqueeze(-1), 0, label.unsqueeze(-3))  # label [..., S, N], holes [..., L, S]
    return op.joiner.fold(pairs, [pairs.ndim - 2], context).squeeze(-2)


@rule(
    "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
)  # fmt: skip
def attention(op: Operation) -> list[Label]:
    """Return labels as if attention were written out: scores, mask, softmax, weighted sum. All have shape [..., L or S,
    D].
    """
    query, key, value = op.args[:3]
    q, k, v = (op.joiner.fold(op.label(x), [x.ndim - 1], READ) for x in (query, key, value))
    rows, columns = query.shape[-2], key.shape[-2]
    empty = torch.zeros([1] * query.ndim, dtype=torch.int64, device=query.device)
    k = (empty if k is None else k).transpose(-2, -1)
    q = empty if q is None else q
    context = ATTEND if _attends(q, k) else VALUE
    scores = op.joiner.join(q, k, context).expand(*[max(pair) for pair in zip(q.shape[:-2], k.shape[:-2], strict=True)],
                                                  rows, columns)  # fmt: skip
    open_ = torch.ones(rows, columns, dtype=torch.bool, device=query.device)
    open_ = open_.tril() if op.named.get("is_causal") else open_
    mask = op.named.get("attn_mask", op.named.get("attn_bias"))
    if mask is not None:
        open_ = open_ & (mask if mask.dtype == torch.bool else mask > BLOCKED)
    scores = torch.where(open_, scores, 0)
    row = op.joiner.fold(scores, [scores.ndim - 1], context)
    if v is None:
        return [row] + [None] * (len(op.out) - 1)
    pairs = torch.where(open_.unsqueeze(-1), v.unsqueeze(-3), 0)
    context = ATTEND if _attends(row, v) else VALUE
    values = op.joiner.fold(pairs, [pairs.ndim - 2], context).squeeze(-2)
    return [op.joiner.join(row, values, context)] + [None] * (len(op.out) - 1)


@rule("mv", "dot", "vdot", "addmv")
def vector_product(op: Operation) -> Label:
    extra, (x, y) = None, op.args[:2]
    if op.name == "addmv":
        extra, x, y = op.args[:3]
    a, b = op.label(x), op.label(y)
    if op.name in ("dot", "vdot"):
        op.rules.whole(_inner(op, [x, y], [a, b]))
        return None
    context = READ if a is None or b is None else VALUE
    if b is None:
        a = op.joiner.fold(a, [1], context)
        return _with_extra(op, None if a is None else a[:, 0], extra)
    left = op.joiner.fold(a, [1], context)
    right = _folded(op, b.unsqueeze(1), a, x, context, -2)
    return _with_extra(op, op.joiner.join(left, right)[:, 0], extra)


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
    kinds = op.joiner.kinds_in(label)
    if out.ndim == 0 or len(axes) == x.ndim:
        if op.name not in EXACT or not _rewards(op, kinds) or op.joiner.varying(label, axes) not in ([], ["time"]):
            op.rules.whole(label)
            return None
        if out.ndim == 0:  # a return, as all others of this episode are added up one by one
            return op.joiner.fold(label, axes, VALUE).reshape([])
    if any(kind.finished for kind in kinds) and any(label.shape[axis] > 1 for axis in axes):
        op.rules.whole(label)
    label = op.joiner.summarise(label, axes, strict=op.name == "sum")
    if label is None or out.ndim == x.ndim:
        return label
    return label.reshape([n for d, n in enumerate(label.shape) if d not in axes])


def _rewards(op: Operation, kinds: list[Kind]) -> bool:
    """Return whether these are rewards and nothing else, which may be added up."""
    return op.joiner.policy.returns and all(kind.times[GETS] and not kind.times[SEES] for kind in kinds)


@rule("_safe_softmax", "_softmax", "_log_softmax", "softmax", "log_softmax")
def softmax(op: Operation) -> Label:
    label = op.label(op.args[0])
    folded = op.joiner.fold(label, [op.args[1] % op.args[0].ndim], READ)
    if label is None or not bool((label == 0).any()):
        return folded
    return torch.where((label == 0) & (op.result() == 0), 0, folded)  # what a mask removed


@rule("native_layer_norm")
def layer_norm(op: Operation) -> Label:
    x, shape = op.args[:2]
    return op.joiner.fold(op.label(x), range(x.ndim - len(shape), x.ndim), READ)


@rule("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp")
def cumulate(op: Operation) -> Label:
    """Each element contains all before it: sums of returns are exact; else it is joined with its neighbour, which shows
    what kind of step that is.

    The last one is the sum of all and may be a loss: nothing shows whether it is.
    """
    x, axis = op.args[0], op.args[1] % max(op.args[0].ndim, 1)
    label = op.label(x)
    if label is None or label.shape[axis] == 1:
        return label
    varying = op.joiner.varying(label, [axis])
    if op.joiner.policy.returns and varying == ["time"] and op.name == "cumsum":
        return _running(op, label, axis)
    n = label.shape[axis]
    later = op.joiner.join(label.narrow(axis, 1, n - 1), label.narrow(axis, 0, n - 1))
    if varying and any(kind.finished for kind in op.joiner.kinds_in(label)):
        last = op.joiner.lost(op.name, _("the last of this {name} sums up all").format(name=op.name))
        later = torch.cat([later.narrow(axis, 0, n - 2), last.expand_as(later.narrow(axis, 0, 1))], axis)
    return torch.cat([label.narrow(axis, 0, 1), later], axis)


def _running(op: Operation, label: Tensor, axis: int) -> Tensor:
    """Return the label of sums over steps: each is joined with the sum before it."""
    sums = [label.narrow(axis, 0, 1)]
    for t in range(1, label.shape[axis]):
        sums.append(op.joiner.join(sums[-1], label.narrow(axis, t, 1)))
    forward = step_of(label.narrow(axis, 1, 1)) > step_of(sums[0])
    label = torch.cat(sums, axis)
    if not bool(forward.any()):
        return label
    return op.joiner.changed(label, lambda kind: kind._replace(running=kind.times[GETS] is not None))


@rule("multinomial")
def draw(op: Operation) -> Label:
    """An action is drawn from all that are possible."""
    return op.joiner.fold(op.label(op.args[0]), [op.args[0].ndim - 1], READ)


@rule("sort", "topk", "argsort")
def order(op: Operation) -> Label | list[Label]:
    """Sorting moves the values; the order itself consists of row numbers."""
    x = op.args[0]
    label, axis = op.label(x), op.named["dim"] % max(x.ndim, 1)
    if label is None or label.shape[axis] == 1:
        return label
    if op.name == "argsort":
        return None
    along = coordinates_along(label, [axis])
    label = label.expand(x.shape).gather(axis, op.out[1])
    return [op.joiner.moved(label, op.joiner.journal.mover, along, turned=False), None]


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
