"""For the whole session: one thread for each process, and every shape in a signature of omg_lib checked."""

import os
import pkgutil
from importlib import metadata
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Before torch and numpy are loaded; notebooks and commands that tests start inherit it. The tests run two at
# a time, and small tensors gain nothing from more threads.
os.environ["OMP_NUM_THREADS"] = "1"

# All rooms but config, whose fields take anything and refuse it in their own words.
rooms = pkgutil.iter_modules([str(Path(__file__).parents[1] / "omg_lib")])
install_import_hook([f"omg_lib.{room.name}" for room in rooms if room.name != "config"], "beartype.beartype")


@pytest.fixture
def double():
    """Double precision, so that two ways to compute the same differ by rounding only."""
    import torch  # here, after the lines above

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def installed(monkeypatch):
    """Versions that omg_lib is told; None for a package that is not installed."""
    versions = {}
    real = metadata.version

    def version(name: str) -> str:
        told = versions[name] if name in versions else real(name)
        if told is None:
            raise metadata.PackageNotFoundError(name)
        return told

    monkeypatch.setattr(metadata, "version", version)
    return versions
