"""Labels: where an element comes from, in one int64, kept beside the storage that holds the element.

| bits | part | meaning |
|---|---|---|
| 46.. | episode + 1 | 0: none |
| 36..45 | seat + 1 | 0: none; TEAM: several seats' |
| 20..35 | step | the time that the kind's offsets count from |
| 0..19 | kind | number of a `Kind`; a label of 0 says nothing |

A view reads its labels with its own strides, so views and writes through them need no rule. A plane's length is that of
its storage divided by its grain: the features of one observation share one label.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.weak import WeakTensorKeyDictionary

KIND_BITS, STEP_BITS, SEAT_BITS = 20, 16, 10
STEP_AT = KIND_BITS
SEAT_AT = STEP_AT + STEP_BITS
EPISODE_AT = SEAT_AT + SEAT_BITS
MAX_EPISODES, MAX_STEPS, MAX_SEATS = 2**16, 2**STEP_BITS - 2, 2**SEAT_BITS - 2
KIND, STEP, SEAT = 2**KIND_BITS - 1, 2**STEP_BITS - 1, 2**SEAT_BITS - 1
TEAM = SEAT


def kind_of(label: Tensor) -> Tensor:
    return label & KIND


def step_of(label: Tensor) -> Tensor:
    return (label >> STEP_AT) & STEP


def seat_of(label: Tensor) -> Tensor:
    return (label >> SEAT_AT) & SEAT


def episode_of(label: Tensor) -> Tensor:
    return label >> EPISODE_AT


def pack(episode: Tensor, seat: Tensor, step: Tensor, kind: Tensor) -> Tensor:
    return (episode << EPISODE_AT) | (seat << SEAT_AT) | (step << STEP_AT) | kind


@dataclass(eq=False)
class Plane:
    """Labels of one storage: `cells[i]` is the label of elements i * grain to (i + 1) * grain - 1."""

    alive: StorageWeakRef
    cells: Tensor
    grain: int
    itemsize: int
    sums: frozenset[int] = frozenset()
    views: dict[tuple, tuple[int, ...]] = field(default_factory=dict)

    def refine(self) -> None:
        """Use one label for each element from now on."""
        self.cells = self.cells.repeat_interleave(self.grain)
        self.grain = 1

    def recast(self, itemsize: int) -> bool:
        """Convert to labels for elements of another size; False if one such element would have several labels."""
        if itemsize == self.itemsize:
            return True
        self.refine()
        if itemsize < self.itemsize:
            cells = self.cells.repeat_interleave(self.itemsize // itemsize)
        else:
            wide = self.cells[: len(self.cells) * self.itemsize // itemsize * itemsize // self.itemsize]
            wide = wide.reshape(-1, itemsize // self.itemsize)
            if bool((wide != wide[:, :1]).any()):
                return False
            cells = wide[:, 0].clone()
        self.cells, self.itemsize = cells, itemsize
        self.views.clear()
        return True

    def window(self, x: Tensor, whole: bool) -> Tensor | None:
        """Return the cells of a view, with size 1 along axes whose elements share a cell; None if the grain is too
        coarse.

        With `whole`, also None if the view covers a cell only in part.
        """
        offset, strides, sizes, covered = x.storage_offset(), [], [], 1
        inside = offset % self.grain
        for size, stride in zip(x.shape, x.stride(), strict=True):
            if size == 1 or stride == 0:
                size, stride = 1, 0
            elif stride % self.grain == 0:
                stride //= self.grain
            else:
                inside += (size - 1) * stride
                covered *= size
                size, stride = 1, 0
            sizes.append(size)
            strides.append(stride)
        if inside >= self.grain or (whole and covered != self.grain):
            return None
        return self.cells.as_strided(sizes, strides, offset // self.grain)


class Shadow:
    """The planes of all storages that hold elements with an origin."""

    def __init__(self) -> None:
        self.planes: dict[int, Plane] = {}
        self.hidden = WeakTensorKeyDictionary()  # made of what is followed, and without a storage to label
        self.bytes = self.peak = 0
        self._sweep_at = 256

    def plane(self, x: Tensor) -> Plane | None:
        """Return the plane of x; None also for sparse and nested tensors, which have no storage to label."""
        return self.planes.get(x.untyped_storage()._cdata) if has_storage(x) else None

    def knows(self, x: Tensor) -> bool:
        """Return whether x holds elements with an origin, or that lost it."""
        return self.plane(x) is not None or (not has_storage(x) and x in self.hidden)

    def sums(self, tensors: list[Tensor]) -> frozenset[int]:
        """Return the sums that these tensors are made of."""
        planes = [self.plane(x) for x in tensors]
        return frozenset().union(*(plane.sums for plane in planes if plane is not None))

    def forget(self, x: Tensor) -> None:
        if has_storage(x):
            self.planes.pop(x.untyped_storage()._cdata, None)

    def read(self, x: Tensor) -> Tensor | None:
        """Return the label of x, broadcastable to its shape; None if nothing is known about it."""
        plane = self.plane(x)
        if plane is None or x.numel() == 0 or not plane.recast(x.element_size()):
            return None
        label = plane.window(x, whole=False)
        if label is None:
            plane.refine()
            label = plane.window(x, whole=False)
        return label

    def write(self, x: Tensor, label: Tensor | None, sums: frozenset[int] = frozenset()) -> None:
        """Give x a label that broadcasts to its shape; None erases what was there."""
        if not has_storage(x):
            self.hidden[x] = True
            return
        plane = self.plane(x)
        if x.numel() == 0 or (label is None and plane is None and not sums):
            return
        if label is None:
            label = torch.zeros([1] * x.ndim, dtype=torch.int64, device=x.device)
        if plane is None or not plane.recast(x.element_size()):
            plane = self._new(x, label)
        plane.sums |= sums
        plane.views.pop(geometry(x), None)
        target = plane.window(x, whole=True)
        if target is None or any(have < want for have, want in zip(target.shape, label.shape, strict=True)):
            plane.refine()
            target = plane.window(x, whole=True)
        if target is not None:
            target.copy_(label)

    def _new(self, x: Tensor, label: Tensor) -> Plane:
        storage, grain = x.untyped_storage(), grain_of(x, label)
        cells = torch.zeros(storage.nbytes() // x.element_size() // grain, dtype=torch.int64, device=x.device)
        plane = Plane(StorageWeakRef(storage), cells, grain, x.element_size())
        self.planes[storage._cdata] = plane
        self.bytes += cells.nbytes
        self.peak = max(self.peak, self.bytes)
        if len(self.planes) > self._sweep_at:
            self._sweep()
        return plane

    def _sweep(self) -> None:
        """Forget storages that no longer exist. Until then no other storage can get their address."""
        self.planes = {key: plane for key, plane in self.planes.items() if not plane.alive.expired()}
        self.bytes = sum(plane.cells.nbytes for plane in self.planes.values())
        self._sweep_at = 2 * len(self.planes) + 256


def has_storage(x: Tensor) -> bool:
    try:
        x.untyped_storage()
        return x.layout == torch.strided and not x.is_nested
    except (NotImplementedError, RuntimeError):
        return False


def geometry(x: Tensor) -> tuple:
    """Return what distinguishes this view of a storage from others."""
    return x.shape, x.stride(), x.storage_offset()


def grain_of(x: Tensor, label: Tensor) -> int:
    """Return how many neighbours in memory share a label."""
    grain, others = 1, [x.untyped_storage().nbytes() // x.element_size(), x.storage_offset()]
    axes = sorted(zip(x.stride(), x.shape, label.shape, strict=True))
    for stride, size, labels in axes:
        if size == 1:
            continue
        if labels == 1 and stride == grain and len(others) == 2:
            grain *= size
        else:
            others.append(stride)
    return grain if all(n % grain == 0 for n in others) else 1
