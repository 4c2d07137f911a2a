"""For the whole session: one thread per process, and every shape in a signature of omg_lib is checked."""

import gc
import importlib
import os
from importlib import metadata
from pathlib import Path

import pytest

from tests.helpers import order

# Set before torch and numpy load; notebooks and commands started by tests inherit it. The tests run two at
# a time, and small tensors gain nothing from more threads.
os.environ["OMP_NUM_THREADS"] = "1"
# Tests read the English words, on a machine in any language.
os.environ["OMG_LANG"] = "en"

# No Python that a test starts builds jsonschema's grammar of addresses, which takes seconds. Nor does this one.
HERE = Path(__file__).parent
LIGHT = HERE / "helpers" / "light"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(LIGHT), os.environ.get("PYTHONPATH")]))
importlib.import_module("tests.helpers.light.sitecustomize")

importlib.import_module("tests.helpers.shapes").install()
gc.disable()  # until all tests are collected


def pytest_collection_finish() -> None:
    """Leave the millions of objects of modules and tests out of every later search for garbage."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, then others with slow tests: no process is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("notebook")}
    place = {HERE / name: number for number, name in enumerate(order.FIRST)}
    items.sort(key=lambda item: (place.get(item.path, len(place)), item.path not in slow))


@pytest.fixture
def double():
    """Double precision: two ways to compute the same value differ only by rounding."""
    import torch  # here, after the lines above

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def installed(monkeypatch):
    """Package versions shown to omg_lib; None for a package that is not installed."""
    versions = {}
    real = metadata.version

    def version(name: str) -> str:
        told = versions[name] if name in versions else real(name)
        if told is None:
            raise metadata.PackageNotFoundError(name)
        return told

    monkeypatch.setattr(metadata, "version", version)
    return versions
