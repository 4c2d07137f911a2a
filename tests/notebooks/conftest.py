"""Each notebook is run once, for all tests in this folder."""

import os
from functools import cache
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from tests.helpers.running import execute, shown


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two files need all runs, often in two processes: one begins with the last notebook, so that neither waits."""
    places = [place for place, item in enumerate(items) if item.path.name == "test_stories.py"]
    stories = [items[place] for place in reversed(places)]
    for place, story in zip(places, stories, strict=True):
        items[place] = story


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """run(name) -> the notebook, run from top to bottom in a copy of its folder, once per replacement.

    Processes of pytest-xdist share each run: the second to ask waits for the first.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    @cache
    def run_one(name: str, replaced: tuple[str, str] | None = None) -> nbformat.NotebookNode:
        done = shared / f"{Path(name).stem}{'-replaced' if replaced else ''}.ipynb"
        with FileLock(f"{done}.lock"):
            if not done.exists():
                nbformat.write(execute(name, replaced, tmp_path_factory.mktemp("run")), done)
        return nbformat.read(done, as_version=4)

    return run_one


@pytest.fixture
def cell(run):
    """cell(name, id) -> what this cell printed and showed."""
    return lambda name, id, *replaced: next(shown(cell) for cell in run(name, *replaced).cells if cell.id == id)
