"""A device without hardware: tensors that live in host memory but belong to the device "card", as on a GPU.

    with device_double.as_gpu() as device, device_double.counting() as counts:
        (torch.ones(3).to(device) + 1).tolist()
    counts  # Counts(launches=1, uploads=1, downloads=0, waits=1)

Mixing its tensors with the host's raises what CUDA raises. It counts every kernel launch, every copy between host and
device, and every wait of the host for the device, and knows how many bytes are allocated. A GRU over whole sequences is
one launch, as in cuDNN. It does not run asynchronously, and says nothing about seconds.

torch knows this as a "Python backend" (`torch.utils.backend_registration`): operators on the device arrive in `_run`,
which calls them on the tensors inside.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

from omg_lib import episodes, training
from omg_lib.runs import folder

NAME = "card"
LAUNCHES = dict.fromkeys(("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "_unsafe_view"), 0)
LAUNCHES |= {"detach": 0, "lift_fresh": 0, "_local_scalar_dense": 0, "masked_fill": 2, "index_put": 2}
"""Kernels of operators that launch not one: they only allocate, or copy before they write."""
READ_BY_HOST = ("nonzero", "_local_scalar_dense", "equal", "masked_select", "bincount", "_unique2", "repeat_interleave")
"""Operators in which the host waits for numbers of the device: on CUDA the shape of their result depends on them."""
INDEXED = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index_put")
"""Operators that take indices from the host, and that turn a mask into indices first."""
MADE = ("arange", "arange.start", "arange.start_step", "randperm", "randperm.generator", "linspace")
"""Operators that make a tensor and that torch does not send to a Python backend by itself."""
SAVED_GATES = 4
"""What cuDNN keeps of a GRU for the way back: four numbers for each hidden one."""


@dataclass
class Counts:
    """Exact counts of a stretch of work: kernels launched, copies to and from the device, waits of the host for it.

    A blocking download is one download and one wait. `unpinned` are the uploads from memory that is not pinned.
    """

    launches: int = 0
    uploads: int = 0
    downloads: int = 0
    waits: int = 0
    unpinned: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{key: value + getattr(other, key) for key, value in vars(self).items()})

    def __sub__(self, other: Counts) -> Counts:
        return Counts(**{key: value - getattr(other, key) for key, value in vars(self).items()})


class Memory:
    """The bytes of the card: `used` now, at most `peak` so far; allocating beyond `limit` fails as on CUDA."""

    used = peak = 0
    limit: float = float("inf")

    def take(self, size: int) -> None:
        if self.used + size > self.limit:
            raise torch.OutOfMemoryError(f"CARD out of memory. Tried to allocate {size} bytes")
        self.used += size
        self.peak = max(self.peak, self.used)


class Block:
    """A piece of the card's memory; all views of a tensor share it."""

    def __init__(self, size: int) -> None:
        self.size = 0
        MEMORY.take(size)
        self.size = size

    def __del__(self) -> None:
        MEMORY.used -= self.size


total, MEMORY = Counts(), Memory()
_pinned: set[int] = set()


@contextmanager
def counting() -> Iterator[Counts]:
    """Count what happens inside; the counts are complete at its end."""
    before, counts = replace(total), Counts()
    try:
        yield counts
    finally:
        vars(counts).update(vars(total - before))


@contextmanager
def memory_of(size: float) -> Iterator[None]:
    """Give the card only this many bytes beyond those in use."""
    MEMORY.limit = MEMORY.used + size
    try:
        yield
    finally:
        MEMORY.limit = float("inf")


def pinned(size: int) -> Tensor:
    """Page-locked host memory of so many bytes, as far as the counts are concerned."""
    memory = torch.empty(size, dtype=torch.uint8)
    _pinned.add(memory.untyped_storage().data_ptr())
    return memory


# --- tensors ---------------------------------------------------------------------------------------------------------


class Card(Tensor):
    """A tensor on the card: `inner` is the same on the host, `block` the memory that it occupies."""

    @staticmethod
    def __new__(cls, inner: Tensor, block: Block | None = None) -> Card:
        layout = dict(strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype)
        made = Tensor._make_wrapper_subclass(cls, inner.size(), device=torch.device(NAME, 0), **layout)
        made.inner, made.block = inner, block or Block(inner.untyped_storage().nbytes())
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    def tolist(self) -> list:
        total.waits += 1
        return self.inner.tolist()

    def numpy(self, *, force: bool = False):
        if not force:
            raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first")
        return self.cpu().numpy(force=True)

    def __repr__(self) -> str:
        return f"Card({self.inner})"


def _inside(x: object) -> object:
    return x.inner if isinstance(x, Card) else x


def _on_card(x: object, blocks: dict[int, Block]) -> object:
    """Wrap a result; a view of an argument keeps its block."""
    if not isinstance(x, Tensor) or isinstance(x, Card):
        return x
    return Card(x, blocks.get(x.untyped_storage().data_ptr()))


# --- operators -------------------------------------------------------------------------------------------------------


@torch.inference_mode(False)  # a wrapper has no inference tensors, but may be used in that mode
def _run(func: torch._ops.OpOverload, args: tuple, kwargs: dict) -> object:
    """Do one operator of the card."""
    name = func._schema.name.removeprefix("aten::")
    if name == "gru" and isinstance(args[0], Card):
        return _gru(*args, **kwargs)
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
    if name == "_to_copy":
        return _copy_of(func, *args, **kwargs)
    if name == "copy_":
        return _copy_into(func, *args, **kwargs)
    if name in ("_thnn_fused_gru_cell", "_thnn_fused_gru_cell_backward"):
        total.launches += 1
        return tree_map(lambda x: _on_card(x, {}), CELLS[name](*tree_map(_inside, args)))
    leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    _check_places(name, leaves)
    masks = [x for x in tree_leaves(args[1:2]) if name in INDEXED and isinstance(x, Tensor) and x.dtype == torch.bool]
    total.launches += 0 if func.is_view else LAUNCHES.get(name, 1) + len(masks)
    total.waits += (name in READ_BY_HOST) + len(masks)
    inner_args = tree_map(_inside, args)
    inner_kwargs = {key: "cpu" if key == "device" else tree_map(_inside, value) for key, value in kwargs.items()}
    inner_kwargs.pop("pin_memory", None)
    result = func(*inner_args, **inner_kwargs)
    written = [i for i, a in enumerate(func._schema.arguments) if a.alias_info is not None and a.alias_info.is_write]
    lists = [args[i] for i in written if i < len(args) and isinstance(args[i], (list, tuple))]
    torch.autograd.graph.increment_version([x for some in lists for x in some])  # torch does so for a tensor alone
    if written and isinstance(result, Tensor):  # in place, or into `out`
        first = func._schema.arguments[written[0]]
        return args[written[0]] if written[0] < len(args) else kwargs[first.name]
    blocks = {x.inner.untyped_storage().data_ptr(): x.block for x in leaves if isinstance(x, Card)}
    return tree_map(lambda x: _on_card(x, blocks), result)


def _check_places(name: str, leaves: list[Tensor]) -> None:
    """Raise what CUDA raises where an operator gets tensors of both places. Host scalars and host indices may join."""
    host = [tuple(x.shape) for x in leaves if not isinstance(x, Card) and x.dim()]
    card = [tuple(x.shape) for x in leaves if isinstance(x, Card)]
    if not host or not card:
        return
    if name not in INDEXED:
        found = f"{name} got {host} on cpu, {card} on {NAME}"
        raise RuntimeError(f"Expected all tensors to be on the same device, but {found}")
    if not isinstance(leaves[0], Card):
        raise RuntimeError(f"indices should be either on cpu or on the same device as the indexed tensor (cpu): {name}")
    total.uploads += len(host)
    total.unpinned += len(host)


def _moved(source: object, to_card: bool, non_blocking: bool = False) -> None:
    """Count a copy between the two places."""
    if to_card:
        total.uploads += 1
        total.unpinned += source.untyped_storage().data_ptr() not in _pinned
    else:
        total.downloads += 1
        total.waits += not non_blocking


def _copy_of(func, x: Tensor, *, device=None, non_blocking=False, **kwargs) -> Tensor:
    from_card = isinstance(x, Card)
    to_card = from_card if device is None else torch.device(device).type == NAME
    if from_card != to_card:
        _moved(x, to_card, non_blocking)
    else:
        total.launches += 1
    kwargs = {key: value for key, value in kwargs.items() if key not in ("layout", "pin_memory")}
    made = func(_inside(x), device="cpu", **kwargs)
    return Card(made) if to_card else made


def _copy_into(func, target: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    if isinstance(target, Card) != isinstance(source, Card):
        _moved(source, isinstance(target, Card), non_blocking)
    else:
        total.launches += 1
    _inside(target).copy_(_inside(source))
    return target


# --- recurrent networks ----------------------------------------------------------------------------------------------


class _WholeGRU(torch.autograd.Function):
    """`torch.gru` over whole sequences: one launch forward, one backward, and the gates kept in between."""

    @staticmethod
    def forward(ctx, x: Card, hidden: Card, *weights: Card):
        total.launches += 1
        with torch.inference_mode(False), torch.enable_grad():
            inner = [_inside(t).detach().clone().requires_grad_() for t in (x, hidden, *weights)]
            out, last = torch.gru(inner[0], inner[1], inner[2:], True, 1, 0.0, True, False, False)
        ctx.graph = inner, out, last
        ctx.reserve = Block(SAVED_GATES * out.nbytes)
        return Card(out.detach()), Card(last.detach())

    @staticmethod
    def backward(ctx, grad: Card, grad_last: Card):
        total.launches += 1
        inner, out, last = ctx.graph
        grads = torch.autograd.grad([out, last], inner, [_inside(grad), _inside(grad_last)])
        return tuple(Card(g) for g in grads)


def _gru(x, hidden, weights, has_biases, layers, dropout, train, bidirectional, batch_first):
    if not has_biases or layers != 1 or dropout or bidirectional or batch_first:
        raise NotImplementedError("the double has one form of GRU: one layer, one direction, time first")
    _check_places("gru", [x, hidden, *weights])
    return _WholeGRU.apply(x, hidden, *weights)


def _cell(gates_x, gates_h, hidden, bias_x=None, bias_h=None):
    gates_x = gates_x if bias_x is None else gates_x + bias_x
    gates_h = gates_h if bias_h is None else gates_h + bias_h
    (reset_x, update_x, new_x), (reset_h, update_h, new_h) = gates_x.chunk(3, 1), gates_h.chunk(3, 1)
    reset, update = (reset_x + reset_h).sigmoid(), (update_x + update_h).sigmoid()
    new = (new_x + reset * new_h).tanh()
    return new + update * (hidden - new), torch.cat([reset, update, new, hidden, new_h], 1)


def _cell_back(grad, saved, has_bias):
    reset, update, new, hidden, new_h = saved.chunk(5, 1)
    update_grad = grad * (hidden - new) * update * (1 - update)
    new_grad = grad * (1 - update) * (1 - new * new)
    reset_grad = new_grad * new_h * reset * (1 - reset)
    gates_x = torch.cat([reset_grad, update_grad, new_grad], 1)
    gates_h = torch.cat([reset_grad, update_grad, new_grad * reset], 1)
    biases = (gates_x.sum(0), gates_h.sum(0)) if has_bias else (None, None)
    return gates_x, gates_h, grad * update, *biases


CELLS = {"_thnn_fused_gru_cell": _cell, "_thnn_fused_gru_cell_backward": _cell_back}
"""Operators that only CUDA has: one step of a GRU, by PyTorch's definition."""


# --- opening it ------------------------------------------------------------------------------------------------------


class _Generator:
    """`torch.Generator`, also for the card, whose numbers the host's generator draws: a Python backend has none."""

    real = torch.Generator

    def __new__(cls, device: object = "cpu") -> torch.Generator:
        return cls.real("cpu" if torch.device(device).type == NAME else device)


@functools.cache
def open_card() -> torch.device:
    """Make the device known to torch, for the whole process, and return it. Only before the first `backward` in this
    process: then torch starts a thread for each device that it knows, and none later.
    """
    backend = backend_registration._DummyBackendModule()
    type(backend).synchronize = lambda self, device=None: None
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=backend)
    libraries = open_card.libraries = [torch.library.Library("_", "IMPL")]  # torch forgets what nobody holds
    libraries[0].fallback(lambda op, *args, **kwargs: _run(op, args, kwargs), "PrivateUse1")
    aten = torch.library.Library("aten", "IMPL")
    libraries.append(aten)
    for name in MADE:
        base, _, overload = name.partition(".")
        operator = getattr(getattr(torch.ops.aten, base), overload or "default")
        aten.impl(name, functools.partial(_made, operator), "PrivateUse1")
    aten.impl("gru.input", _gru, "AutogradPrivateUse1")
    for module in ("torch.optim.optimizer", "torch.utils._foreach_utils"):  # as on CUDA: one launch for many weights
        if hasattr(importlib.import_module(module), "_foreach_supported_types"):
            importlib.import_module(module)._foreach_supported_types.append(Card)
    return torch.device(NAME, 0)


@contextmanager
def as_gpu() -> Iterator[torch.device]:
    """Use the double as the GPU inside: runs with device="cuda" go there."""
    device, resolve = open_card(), training.resolve_device

    def resolved(name: str) -> torch.device:
        return device if name.startswith("cuda") else resolve(name)

    with (
        patch.object(torch, "tensor", functools.partial(_tensor, torch.tensor)),
        patch.object(torch, "Generator", _Generator),
        patch.object(episodes, "page_locked", lambda size, device: pinned(size)),
        patch.object(training, "resolve_device", resolved),
        patch.object(folder, "resolve_device", resolved),
    ):
        yield device


def _tensor(real, data, *, device=None, **how) -> Tensor:
    """`torch.tensor`, also for the card."""
    made = real(data, **how)
    return made if device is None else made.to(device)


def _made(operator, *args, **kwargs) -> Card:
    total.launches += 1
    return Card(operator(*args, **{**kwargs, "device": "cpu"}))
