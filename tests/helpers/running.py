"""The notebooks as committed, and one of them run in a kernel, with the right answers after its last cell."""

import os
import re
import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.helpers.right_answers import RIGHT
from tests.helpers.warm import warm_kernels

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))
SECONDS = 60
"""CPU seconds for a whole notebook after its imports: the wall clock would also count the machine's other work."""
PATIENCE = 240
"""Seconds for one cell on a busy machine."""
OTHER_SIZES = {
    "01_three_batch_sizes.ipynb": ("n_agents=8, batch_size=32", "n_agents=3, batch_size=4"),
    "04_regroup.ipynb": ("n_agents=8, batch_size=32", "n_agents=3, batch_size=4"),
}
"""Notebooks that take every size from one cell: its content, and what a student may put there instead."""

FAST = ("10_beyond_one_machine.ipynb",)
"""Run here with OMG_FAST: starting Ray takes too long on a busy machine. The browser test runs it with Ray."""


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / name, as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: nbformat.NotebookNode) -> str:
    """Return what a cell printed and showed, as text."""
    return "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)


def execute(name: str, replaced: tuple[str, str] | None, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in `folder/notebooks`, a copy, with recorded data beside it, which some notebooks need.

    Answers stored in the checkout are not copied. Answered questions come after the last cell.
    """
    place = folder / "notebooks"
    shutil.copytree(FOLDER, place, ignore=shutil.ignore_patterns(".*"))
    (folder / "data").symlink_to(ROOT / "data", target_is_directory=True)
    notebook = read(name)
    notebook.cells += [answered(notebook, id, answer) for (which, id), answer in RIGHT.items() if which == name]
    if replaced:
        (cell,) = [cell for cell in code_cells(notebook) if replaced[0] in cell.source]
        cell.source = cell.source.replace(*replaced)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "IPYTHONDIR": str(folder / "ipython")}
    if name in FAST:
        environment["OMG_FAST"] = "1"
    resources = {"metadata": {"path": str(place)}}
    notebook.cells.append(nbformat.v4.new_code_cell("import time; print(time.process_time())"))
    with warm_kernels():
        NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3", resources=resources).execute(env=environment)
    notebook.metadata["cpu_seconds"] = float(shown(notebook.cells.pop()))
    notebook.metadata["folder"] = str(place)
    return notebook


def answered(notebook: nbformat.NotebookNode, id: str, answer: object) -> nbformat.NotebookNode:
    """Return a copy of a question's cell with this answer instead of the dots; its id ends in `-answered`."""
    (asked,) = [cell for cell in notebook.cells if cell.id == id]
    source, count = re.subn(r"guess = (\((?:\.\.\.,? ?)+\)|\.\.\.)", f"guess = {answer!r}", asked.source)
    assert count == 1, id
    copied = nbformat.v4.new_code_cell(source)
    copied["id"] = f"{id}-answered"
    return copied
