"""Valid answers: plain data and tensors, in one form for the instant check and for the grade."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from omg_lib.words import _

Case = tuple[tuple, object]
"""Arguments for an answer, and the truth; see `cases`."""


def plain(x: object) -> object:
    """Return an answer in the form in which it is judged, in any process: numpy arrays become tensors, a tensor or
    array without axes a number, a tuple a list, keys strings, integers int64, and floats narrower than float32 become
    float32. Raise TypeError for anything else.
    """
    if isinstance(x, (np.ndarray, np.generic)):
        x = torch.from_numpy(np.array(x))
    if isinstance(x, Tensor):
        if x.is_complex():
            said = _("a tensor of {dtype} is not a valid answer")
            raise TypeError(said.format(dtype=str(x.dtype).removeprefix("torch.")))
        x = x.detach().cpu()
        if x.dtype not in (torch.float32, torch.float64, torch.bool):
            x = x.float() if x.is_floating_point() else x.long()
        return x if x.ndim else x.item()
    if isinstance(x, dict):
        return {str(key): plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(part) for part in x]
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    raise TypeError(_("a {name} is not a valid answer").format(name=type(x).__name__))
