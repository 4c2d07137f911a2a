"""The few places where numpy and torch differ, to run the same physics on both.

numpy is several times faster for one row on a CPU; a GPU needs torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.words import _

Array = Any
"""A numpy array or a torch tensor, depending on the backend."""

BACKENDS = ("numpy", "numba", "torch")


class Arrays:
    """One backend: `xp` is the library; the methods cover what the two libraries name differently.

    `numba` keeps its data in numpy; each environment decides whether it has compiled loops.
    """

    def __init__(self, device: str | torch.device, backend: str | None = None, on_cpu: str = "numpy") -> None:
        """`on_cpu` is the backend that a CPU has by default."""
        try:
            self.device = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise ConfigError("device", device, _("allowed are 'cpu', 'cuda' and 'cuda:i'")) from error
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device", str(device), _("this machine has no CUDA device; allowed here is 'cpu'"))
        host = self.device.type == "cpu"
        backend = backend or (on_cpu if host else "torch")
        if backend not in BACKENDS or (backend != "torch" and not host):
            raise ConfigError("backend", backend, _("allowed are 'torch', and on the CPU 'numpy' and 'numba'"))
        self.numpy, self.compiled = backend != "torch", backend == "numba"
        self.xp: Any = np if self.numpy else torch

    def put(self, values: Any) -> Array:
        """Convert host data to an array of the backend; floats become float32."""
        array = np.asarray(values)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        return array if self.numpy else torch.as_tensor(array, device=self.device)

    def whole(self, name: str, values: Tensor | np.ndarray, shape: tuple[int, ...]) -> Array:
        """Convert a caller's values to the backend's int64; ValueError unless they are whole numbers of this shape."""
        if tuple(values.shape) != shape:
            raise ValueError(
                _("{name} have shape {shape}, allowed is {wanted}").format(
                    name=name, shape=list(values.shape), wanted=list(shape)
                )
            )
        if self.numpy:
            array = values.numpy(force=True) if isinstance(values, Tensor) else values
            if array.dtype.kind not in "iu":
                raise ValueError(
                    _("{name} are {dtype}, allowed are whole numbers").format(name=name, dtype=array.dtype)
                )
            return array.astype(np.int64)
        tensor = torch.as_tensor(values, device=self.device)
        if tensor.dtype == torch.bool or tensor.is_floating_point():
            raise ValueError(_("{name} are {dtype}, allowed are whole numbers").format(name=name, dtype=tensor.dtype))
        return tensor.long()

    def give_out(self, array: Array) -> Tensor:
        """Convert an array of the backend to a tensor; on the CPU it shares memory."""
        return torch.from_numpy(array) if self.numpy else array

    def floats(self, mask: Array) -> Array:
        return mask.astype(np.float32) if self.numpy else mask.float()

    def above(self, array: Array, low: float) -> Array:
        """Raise values below `low` to `low`."""
        return np.maximum(array, low) if self.numpy else array.clamp(min=low)

    def swapped(self, array: Array, axis: int) -> Array:
        """Reverse the array along one axis, such as that of the teams."""
        if not self.numpy:
            return array.flip(axis)
        return array[(slice(None),) * axis + (slice(None, None, -1),)]  # np.flip takes ten times as long

    def host(self, array: Array) -> np.ndarray:
        return array if self.numpy else array.cpu().numpy()
