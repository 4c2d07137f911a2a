"""What a run was computed with: the versions, the threads and the processor or card, for its config.json."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import torch

import omg_lib
from omg_lib.system import compiling
from omg_lib.words import _, listing

ROUNDS = ("torch", "cpu", "gru", "card")
"""What decides how numbers are rounded."""


def versions(device: torch.device) -> dict[str, str | int]:
    """Return the versions of omg_lib, Python and torch, torch's threads, the names of the CPU and of the card, and who
    computes the gates of a GRU on a CPU.
    """
    found: dict[str, str | int] = {
        "omg": omg_lib.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu": compiling.processor(),
    }
    if device.type == "cpu":
        found["gru"] = "numba" if compiling.loadable() else "torch"
    if device.type == "cuda":
        found["card"] = torch.cuda.get_device_name(device)
    return found


def differing(before: Any, now: Mapping[str, Any]) -> str:
    """Return one sentence if what rounds differently has changed since a run began, "" if not. `before` is as read from
    a file.
    """
    before = before if isinstance(before, dict) else {}
    changed = [
        f"{name} {str(before[name])[:60]} -> {now[name]}"
        for name in ROUNDS
        if name in before and name in now and before[name] != now[name]
    ]
    said = _("Since the run began this has changed: {changed}. From here on, results may differ in the last digits.")
    return said.format(changed=listing(changed)) if changed else ""
