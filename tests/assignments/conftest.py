"""The grader's package, which is not part of the library, and the notebooks that it grades."""

import copy
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from tests.helpers.places import COURSE, copy_course

sys.path.insert(0, str(COURSE))

MARKERS = re.compile(r"^ *### (BEGIN|END) SOLUTION\n", flags=re.M)


@pytest.fixture(scope="session")
def solved():
    """solved("a1") -> the source notebook as a student would submit it: answered, without the teacher's markers."""

    def notebook(name: str) -> nbformat.NotebookNode:
        made = nbformat.read(COURSE / "source" / name / f"{name}.ipynb", as_version=4)
        for cell in made.cells:
            cell.source = MARKERS.sub("", cell.source + "\n").rstrip("\n")
        return made

    return notebook


@pytest.fixture(scope="session")
def changed():
    """changed(notebook, {id: source}) -> a copy with new sources in some cells."""

    def copy_of(notebook: nbformat.NotebookNode, sources: dict[str, str]) -> nbformat.NotebookNode:
        made = copy.deepcopy(notebook)
        for cell in made.cells:
            cell.source = sources.get(cell.id, cell.source)
        assert set(sources) <= {cell.id for cell in made.cells}
        return made

    return copy_of


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """A course folder with the teacher's files and nothing else."""
    return copy_course(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def a1_course(tmp_path_factory) -> Path:
    """A course folder with one assignment, in a path full of glob patterns."""
    folder = tmp_path_factory.mktemp("a1") / "course [2026]? *" / "notebooks" / "assignments"
    strange = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("grader", "source/a1"):
        shutil.copytree(COURSE / name, folder / name, ignore=strange)
    shutil.copy(COURSE / "nbgrader_config.py", folder)
    return folder
