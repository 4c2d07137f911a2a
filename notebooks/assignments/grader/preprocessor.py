"""Connect nbgrader to the grader: ignore what a submission claims about its cells, and run it in no kernel.

`GradeAnswers` replaces the step in which nbgrader would run the notebook. So no submitted cell runs in a process that
nbgrader trusts, and the notebook's outputs decide nothing: this module writes the output of every test cell, from
answers that come from a separate process.
"""

from __future__ import annotations

import importlib
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook, Notebook, SourceCell
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Integer, List, Unicode

from grader.records import note_seed
from grader.submissions import Submission
from omg_lib.lessons.assignments.cells import answer_text
from omg_lib.words import speaking


class ReleasedCells(NbGraderPreprocessor):
    """Gives every released cell nbgrader's own metadata, and removes all other claims.

    Points, kinds and checksums come from the gradebook. Cells with the same id become one, in order, because splitting
    a cell gives both halves its id. Graded cells that a student deleted come back at the end as released: an answer
    counts without them.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(names["notebook"], names["assignment"])
            missing = {cell.name: cell for cell in notebook.source_cells}
            about = {name: released_as(notebook, cell) for name, cell in missing.items()}
            nb.cells = joined(nb.cells, about)
            for cell in nb.cells:
                if "nbgrader" in cell.metadata:
                    del missing[cell.metadata["nbgrader"]["grade_id"]]
            for name, cell in missing.items():
                if about[name]["grade"]:
                    make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
                    nb.cells.append(make(cell.source, metadata={"nbgrader": about[name]}))
        return nb, resources


def joined(cells: Sequence[NotebookNode], about: dict[str, dict]) -> list[NotebookNode]:
    """Return the cells, with those of the same known id joined at the place of the first. `about` is metadata by id.

    If any cell of an id has the released kind, only those count.
    """
    kept, named = [], {}
    for cell in cells:
        name = claimed_id(cell)
        if name not in named:
            kept.append(cell if name not in about else name)
        if name in about:
            named.setdefault(name, []).append(cell)
    for name, same in named.items():
        kind = about[name]["cell_type"]
        one = _as_one([cell for cell in same if cell.cell_type == kind] or same)
        one.metadata["nbgrader"] = about[name]
        kept[kept.index(name)] = one
    return kept


def claimed_id(cell: NotebookNode) -> str | None:
    """Remove a cell's nbgrader metadata and return the id that it claimed."""
    claimed = cell.metadata.pop("nbgrader", None)
    name = claimed.get("grade_id") if isinstance(claimed, dict) else None
    return name if isinstance(name, str) else None


def _as_one(same: Sequence[NotebookNode]) -> NotebookNode:
    """Return the first of these cells with the contents of all of them."""
    first, *more = same
    if more:
        sources = [cell.source for cell in same]
        first.source = answer_text(sources) if first.cell_type == "code" else "\n\n".join(sources)
    for cell in more:
        if "outputs" in first and "outputs" in cell:
            first.outputs += cell.outputs
        if "attachments" in cell:
            first.attachments = first.get("attachments", {}) | cell.attachments
    return first


def released_as(notebook: Notebook, cell: SourceCell) -> dict:
    """Return nbgrader's metadata of a cell from the gradebook."""
    points = {graded.name: graded.max_score for graded in notebook.grade_cells}
    return {
        "grade_id": cell.name,
        "grade": cell.name in points,
        "solution": cell.name in {solution.name for solution in notebook.solution_cells},
        "locked": cell.locked,
        "task": False,
        "checksum": cell.checksum,
        "cell_type": cell.cell_type,
        "schema_version": 3,
    } | ({"points": points[cell.name]} if cell.name in points else {})


class GradeAnswers(NbGraderPreprocessor):
    """Writes the points of every test cell, and the reasons, as its output: in the notebook's own language."""

    python = List(
        Unicode(), [sys.executable], help="The command that starts Python for submitted code, with torch and einops."
    ).tag(config=True)
    seconds = Integer(10, help="Computing time of one task; three times as much may pass on the wall.").tag(config=True)
    unsafe = Bool(False, help="Grade also where nothing keeps submitted code from your files.").tag(config=True)
    seed = Integer(
        None, allow_none=True, help="Seed of the hidden tests, to repeat a grading; each run draws a new one else."
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        assignment = resources["nbgrader"]["assignment"]
        seed = SEED if self.seed is None else self.seed
        sources = {
            cell.metadata.nbgrader.grade_id: answer_text([cell.source])
            for cell in nb.cells
            if cell.cell_type == "code" and is_solution(cell)
        }
        from grader.tasks import marks  # here, because it loads torch, and ReleasedCells does without

        with speaking(None if os.environ.get("OMG_LANG") else nb.metadata.get("omg_lang")):
            tasks = importlib.import_module(f"grader.{assignment}").tasks(Path(resources["metadata"]["path"]))
            found = marks(tasks, sources, seed, self.python, self.seconds, self.unsafe)
            for cell in nb.cells:
                if is_grade(cell) and not is_solution(cell):
                    cell.outputs = outputs(found[cell.metadata.nbgrader.grade_id])
        note_seed(Submission(resources["nbgrader"]["student"], assignment), seed)
        return nb, resources


SEED = secrets.randbits(32)
"""Seed of this process: all submissions of one run get the same tests, which cannot be known before."""


def outputs(given: Sequence[object]) -> list[NotebookNode]:
    """Return the outputs of a test cell: a line for each criterion, and the number that nbgrader reads."""
    text = "".join(f"{mark}\n" for mark in given)
    points = str(sum(mark.points for mark in given))
    return [new_output("stream", name="stdout", text=text), new_output("execute_result", {"text/plain": points})]
