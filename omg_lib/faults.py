"""Find where NaN or infinity first appeared in an update, before it reaches the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from tensordict import TensorDictBase
from torch import Tensor

from omg_lib.config import RunError
from omg_lib.trace import Recorder
from omg_lib.words import _


class NotFiniteError(RunError):
    """NaN or infinity in a field of a stage. Raised before the optimiser step: the weights are unchanged."""

    def __init__(self, stage: str, field: str, when: str = "") -> None:
        said = _("NaN or infinity, first in {field} of {stage}; nothing was learnt from it")
        super().__init__(when + said.format(field=field, stage=stage))
        self.stage, self.field = stage, field

    def __reduce__(self) -> tuple:
        return type(self), (self.stage, self.field)


def finite_numbers(
    stage: str, field: str, checked: Mapping[str, Tensor], others: Mapping[str, Tensor]
) -> dict[str, float]:
    """Return scalars as numbers; NotFiniteError if one of `checked` is not finite.

    Scalars on a GPU are read in one download, because each read waits for the GPU. They are stacked there, so torch
    promotes them to one dtype.
    """
    scalars = {name: scalar.detach() for name, scalar in {**checked, **others}.items()}
    there = [name for name, scalar in scalars.items() if scalar.device.type != "cpu"]
    read = dict(zip(there, torch.stack([scalars[name] for name in there]).tolist(), strict=True)) if there else {}
    numbers = {name: float(read[name] if name in read else scalar) for name, scalar in scalars.items()}
    if not all(math.isfinite(numbers[name]) for name in checked):
        raise NotFiniteError(stage, field)
    return numbers


class Finder(Recorder):
    """Look for the first field that is not finite in the stages of an update, instead of recording them."""

    found: tuple[str, str] | None = None

    def call(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        result = function(*args, **kwargs)
        last = result[-1] if isinstance(result, tuple) else result
        if self.found is None and isinstance(last, TensorDictBase):
            for key, x in last.items():
                if isinstance(x, torch.Tensor) and not torch.isfinite(x).all():
                    self.found = (name, key)
                    break
        return result


def first_fault(update: Callable[[], object], error: NotFiniteError, device: torch.device) -> tuple[str, str]:
    """Repeat the update that raised this error, and return the first (stage, field) that is not finite."""
    finder = Finder(device)
    with finder.recording():
        try:
            update()
        except NotFiniteError as again:
            error = again
    return finder.found or (error.stage, error.field)
