"""StarCraft II's double instead of the game, for tests that need the package smacv2."""

import importlib.util

import pytest

from tests.helpers.sc2_double import install


@pytest.fixture
def double_at(request, monkeypatch, tmp_path):
    """double_at(**faults) puts the double where the game is looked for."""
    if importlib.util.find_spec("smacv2") is None:
        pytest.skip(f"{request.node.name}: the package smacv2 is not installed (make smacv2)")
    monkeypatch.setenv("SC2PATH", str(tmp_path))
    return lambda **faults: install(tmp_path, **faults)
