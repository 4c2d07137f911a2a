"""What a torch mode cannot see: other threads, and values that leave torch as numbers and come back.

If they reach a loss, both are reported as "too mixed to tell".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from omg_lib.provenance.labels import Shadow, kind_of
from omg_lib.words import _

LEAVE = {"numpy", "__array__", "tolist", "item", "__float__", "__int__"}
ENTER = {"tensor", "as_tensor", "asarray", "from_numpy"}


class Stranger(TorchDispatchMode):
    """Watches another thread: what it computes from followed tensors loses its origin."""

    def __init__(self, shadow: Shadow, lost: Callable) -> None:
        super().__init__()
        self.shadow, self.lost = shadow, lost

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if any(isinstance(x, Tensor) and self.shadow.knows(x) for x in tree_leaves((args, kwargs))):
            name = threading.current_thread().name
            self.lost(
                _("another thread"),
                _("thread {name} computes here; put `follow` into the thread that works").format(name=name),
                out,
            )
        return out


@contextmanager
def threads_seen(shadow: Shadow, lost: Callable) -> Iterator[None]:
    """Watch threads that are started meanwhile, and work that is given to a pool meanwhile."""
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def watched(function: Callable) -> Callable:
        def run(*args, **kwargs):
            with Stranger(shadow, lost):
                return function(*args, **kwargs)

        return run

    def starting(thread: threading.Thread) -> None:
        thread.run = watched(thread.run)
        start(thread)

    def submitting(pool: ThreadPoolExecutor, function: Callable, /, *args, **kwargs):
        return submit(pool, watched(function), *args, **kwargs)

    threading.Thread.start, ThreadPoolExecutor.submit = starting, submitting
    try:
        yield
    finally:
        threading.Thread.start, ThreadPoolExecutor.submit = start, submit


class Numbers(TorchFunctionMode):
    """Notes where followed values leave torch, and distrusts what comes back later. Single numbers count as constants.
    """

    def __init__(self, shadow: Shadow, lost: Callable) -> None:
        super().__init__()
        self.shadow, self.lost, self.left = shadow, lost, False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        out = func(*args, **kwargs)
        if name in LEAVE and args and isinstance(args[0], Tensor):
            self.left = self.left or self._origin(args[0])
        elif name in ENTER and self.left and out.numel() > 1:
            given = args[0] if args else kwargs.get("data", kwargs.get("obj"))
            if not isinstance(given, Tensor):
                self.came_back(out)
        return out

    def came_back(self, out: Tensor) -> None:
        self.lost(_("numbers from outside torch"), _("followed values left torch as numbers, and come back here"), out)

    def _origin(self, x: Tensor) -> bool:
        label = self.shadow.read(x)
        return label is not None and bool((kind_of(label) > 0).any())


@contextmanager
def numbers_seen(shadow: Shadow, lost: Callable) -> Iterator[None]:
    """Watch what leaves torch and comes back, because no mode sees `torch.from_numpy`."""
    numbers, from_numpy = Numbers(shadow, lost), torch.from_numpy

    def entering(array) -> Tensor:
        out = from_numpy(array)
        if numbers.left and out.numel() > 1:
            numbers.came_back(out)
        return out

    torch.from_numpy = entering
    try:
        with numbers:
            yield
    finally:
        torch.from_numpy = from_numpy
