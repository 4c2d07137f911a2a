"""What a notebook or a package may have set about torch before, and that everything here counts on."""

from __future__ import annotations

import torch

from omg_lib.config import ConfigError


def check_torch() -> None:
    """ConfigError unless torch makes float32 tensors on the CPU where nothing else is asked for."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    if dtype != torch.float32:
        allowed = "something has set it; allowed is float32: torch.set_default_dtype(torch.float32)"
        raise ConfigError("default dtype of torch", str(dtype), allowed)
    if device.type != "cpu":
        allowed = "something has set it; allowed is cpu: torch.set_default_device(None). A run's own device is `device`"
        raise ConfigError("default device of torch", str(device), allowed)


def check_learning() -> None:
    """`check_torch`, and ConfigError in inference mode, whose tensors no gradient can use."""
    check_torch()
    if torch.is_inference_mode_enabled():
        raise ConfigError("inference mode of torch", True, "nothing can be learnt in it; allowed is to train outside")
