"""What numba compiles ahead, beside the code, and the file that marks it as done. Nothing here imports numba.

`python -m omg_lib compile` does it, once, at installation; until then numpy and torch compute the same.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module, metadata
from pathlib import Path

import numpy as np

PACKAGE = Path(__file__).parents[1]
SOURCES = ("envs/kernels", "envs/rules", "envs/styles", "gates")
"""What is compiled, and the constants that are compiled in."""


def installed() -> bool:
    """Whether numba is installed."""
    try:
        metadata.version("numba")
    except metadata.PackageNotFoundError:
        return False
    return True


def ready() -> bool:
    """Whether the kernels have been compiled for this code, numba and processor."""
    return installed() and mark().is_file()


def mark() -> Path:
    """Return the file that marks this, in the folder of numba's cache."""
    sources = [(PACKAGE / f"{name}.py").read_bytes() for name in SOURCES]
    parts = [*sources, metadata.version("numba").encode(), np.__version__.encode(), processor().encode()]
    digest = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]
    return PACKAGE / "__pycache__" / f"kernels-{digest}.ready"


def renew(compile_all: Callable[[], None]) -> None:
    """Compile, and mark it as done. OSError if the folder cannot be written."""
    if installed():
        mark().unlink(missing_ok=True)
    compile_all()
    mark().touch()


def forget(folder: Path) -> None:
    """Remove the battle's cache: numba looks only at kernels.py for changes, but constants of other files are in it."""
    for file in folder.glob("kernels.*.nb?"):
        file.unlink(missing_ok=True)


@cache
def loadable() -> bool:
    """Whether this process can use the kernels: they are ready, and numba imports."""
    if not ready():
        return False
    try:
        import_module("omg_lib.gates")
    except Exception:  # a broken numba can raise anything; torch computes the same
        return False
    return True


def processor() -> str:
    """Return the name of this machine's processor; of its kind where the system tells no more."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
