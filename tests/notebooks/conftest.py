"""Each notebook is run once, for all tests (tests/conftest.py: `executed`)."""

import pytest

from tests.helpers.running import shown


@pytest.fixture
def run(executed):
    """run(name) -> the notebook, run from top to bottom in a copy of its folder, once per replacement."""
    return executed


@pytest.fixture
def cell(run):
    """cell(name, id) -> what this cell printed and showed."""
    return lambda name, id, *replaced: next(shown(cell) for cell in run(name, *replaced).cells if cell.id == id)
