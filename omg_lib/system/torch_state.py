"""Check torch's global settings, which a notebook or another package may have changed; and hold what a run sets for the
whole process while it is open.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import torch
from torch.backends import cudnn

from omg_lib.config import ConfigError
from omg_lib.words import _


def check_torch() -> None:
    """Raise ConfigError unless torch creates float32 tensors on the CPU by default."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    if dtype != torch.float32:
        allowed = _("it was changed; allowed is float32: torch.set_default_dtype(torch.float32)")
        raise ConfigError(_("default dtype of torch"), str(dtype), allowed)
    if device.type != "cpu":
        allowed = _(
            "it was changed; allowed is cpu: torch.set_default_device(None). Set a run's own device with `device`"
        )
        raise ConfigError(_("default device of torch"), str(device), allowed)


def check_learning() -> None:
    """Run `check_torch`, and raise ConfigError in inference mode, which computes no gradients."""
    check_torch()
    if torch.is_inference_mode_enabled():
        raise ConfigError(
            _("inference mode of torch"), True, _("it computes no gradients; allowed is to train outside it")
        )


class ProcessSetting:
    """A process-wide setting for which runs need a certain value.

    The first run that holds it changes it. When the last one releases it, the previous value returns, unless other code
    changed it in the meantime. A run that was garbage-collected without a release does not count.
    """

    def __init__(self, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self._get, self._put = get, put
        self._holders: WeakSet[Any] = WeakSet()
        self._lock = threading.Lock()
        self._before: Any = None

    def hold(self, holder: object, value: object) -> None:
        """Set it for a holder, until `release`."""
        with self._lock:
            if not self._holders:
                self._before = self._get()
            self._put(value)
            self._holders.add(holder)

    def release(self, holder: object, value: object) -> None:
        """Release the setting; the last holder restores the previous value."""
        with self._lock:
            if holder not in self._holders:
                return
            self._holders.discard(holder)
            if not self._holders and self._get() == value != self._before:
                self._put(self._before)


def _cudnn_precision() -> tuple[str, str]:
    return cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision


def _set_cudnn_precision(value: tuple[str, str]) -> None:
    """Use `allow_tf32` if that is enough: torch refuses to read it after any other way of setting it."""
    cudnn.allow_tf32 = value == ("tf32", "tf32")
    if _cudnn_precision() != value:
        cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = value


def _set_workspace(value: str | None) -> None:
    if value is None:
        os.environ.pop(WORKSPACE, None)
    else:
        os.environ[WORKSPACE] = value


WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
FIXED_WORKSPACE = ":4096:8"
"""The setting that cuBLAS needs before its first use to give the same results each time."""
THREADS = ProcessSetting(torch.get_num_threads, torch.set_num_threads)
PRECISION = ProcessSetting(_cudnn_precision, _set_cudnn_precision)
DETERMINISM = ProcessSetting(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode)
CUBLAS = ProcessSetting(lambda: os.environ.get(WORKSPACE), _set_workspace)


def hold_settings(holder: object, on_cpu: bool, deterministic: bool) -> Callable[[], None]:
    """Set what a run needs for the whole process; return the call that restores it.

    float32 on a GPU means float32, so that both forms of the GRU agree. On a CPU a run uses one thread,
    unless OMP_NUM_THREADS is set: a second thread gains little here and costs far more on a busy machine.
    """
    wanted: list[tuple[ProcessSetting, Any]] = [(PRECISION, ("none", "none"))]
    if on_cpu and "OMP_NUM_THREADS" not in os.environ:
        wanted.append((THREADS, 1))
    if deterministic:
        wanted.append((DETERMINISM, 2))  # raises an error if there is no such algorithm
        if os.environ.get(WORKSPACE, FIXED_WORKSPACE) == FIXED_WORKSPACE:
            wanted.append((CUBLAS, FIXED_WORKSPACE))
    for setting, value in wanted:
        setting.hold(holder, value)

    def release() -> None:
        for setting, value in wanted:
            setting.release(holder, value)

    return release
