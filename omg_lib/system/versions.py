"""What a run was computed with: the versions, the threads and the processor or card, for its config.json."""

from __future__ import annotations

import platform
from contextlib import suppress
from pathlib import Path

import torch

import omg_lib


def versions(device: torch.device) -> dict[str, str | int]:
    """Return the versions of omg_lib, Python and torch, torch's threads, and the names of the CPU and of the card."""
    found: dict[str, str | int] = {
        "omg": omg_lib.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu": processor(),
    }
    if device.type == "cuda":
        found["card"] = torch.cuda.get_device_name(device)
    return found


def processor() -> str:
    """Return the name of this machine's processor; of its kind where the system tells no more."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
