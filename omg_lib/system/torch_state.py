"""Check torch's global settings, which a notebook or another package may have changed."""

from __future__ import annotations

import torch

from omg_lib.config import ConfigError


def check_torch() -> None:
    """Raise ConfigError unless torch creates float32 tensors on the CPU by default."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    if dtype != torch.float32:
        allowed = "it was changed; allowed is float32: torch.set_default_dtype(torch.float32)"
        raise ConfigError("default dtype of torch", str(dtype), allowed)
    if device.type != "cpu":
        allowed = "it was changed; allowed is cpu: torch.set_default_device(None). Set a run's own device with `device`"
        raise ConfigError("default device of torch", str(device), allowed)


def check_learning() -> None:
    """Run `check_torch`, and raise ConfigError in inference mode, which computes no gradients."""
    check_torch()
    if torch.is_inference_mode_enabled():
        raise ConfigError("inference mode of torch", True, "it computes no gradients; allowed is to train outside it")
