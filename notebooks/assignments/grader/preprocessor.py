"""nbgrader's door to the grader: in `nbgrader autograde` this stands where a kernel would run the notebook.

So no submitted cell runs in a process that nbgrader trusts, and what a notebook shows decides nothing: the output of
every test cell is written here, after the answers were asked from a fresh process.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Integer, List, Unicode

from grader.tasks import Mark, fresh_seed, marks


class GradeAnswers(NbGraderPreprocessor):
    """Puts the points of every test cell, and what they were given for, where its output belongs."""

    python = List(
        Unicode(), [sys.executable], help="The command that starts Python for submitted code, with torch and einops."
    ).tag(config=True)
    seconds = Integer(10, help="Computing time of one task; three times as much may pass on the wall.").tag(config=True)
    seed = Integer(
        None, allow_none=True, help="Seed of the hidden tests, to repeat a grading; each run draws a new one else."
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        assignment = resources["nbgrader"]["assignment"]
        restore(nb, assignment, resources["nbgrader"])
        seed = SEED if self.seed is None else self.seed
        sources = {
            cell.metadata.nbgrader.grade_id: cell.source
            for cell in nb.cells
            if cell.cell_type == "code" and is_solution(cell)
        }
        tasks = importlib.import_module(f"grader.{assignment}").tasks(Path(resources["metadata"]["path"]))
        found = marks(tasks, sources, seed, self.python, self.seconds)
        for cell in nb.cells:
            if is_grade(cell) and not is_solution(cell):
                cell.outputs = outputs(found[cell.metadata.nbgrader.grade_id], seed)
        return nb, resources


SEED = fresh_seed()
"""Of this process: all submissions of one run meet the same tests."""


def outputs(given: list[Mark], seed: int) -> list[NotebookNode]:
    """What a test cell shows: a line for each criterion, and the number that nbgrader reads."""
    text = "".join(f"{mark}\n" for mark in given) + f"(tests drawn with seed {seed})\n"
    points = str(sum(mark.points for mark in given))
    return [new_output("stream", name="stdout", text=text), new_output("execute_result", {"text/plain": points})]


def restore(nb: NotebookNode, assignment: str, names: dict) -> None:
    """Put graded cells that a student deleted back at the end, as they were released: an answer counts without them."""
    present = {cell.metadata.nbgrader.grade_id for cell in nb.cells if is_grade(cell)}
    with Gradebook(names["db_url"]) as gradebook:
        notebook = gradebook.find_notebook(names["notebook"], assignment)
        released = {cell.name: cell for cell in notebook.source_cells}
        solutions = {cell.name for cell in notebook.solution_cells}
        for graded in notebook.grade_cells:
            if graded.name in present:
                continue
            cell = released[graded.name]
            make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
            again = make(cell.source, id=re.sub(r"[^\w-]", "-", f"{cell.name}-restored"))
            again.metadata["nbgrader"] = {
                "grade": True, "solution": cell.name in solutions, "locked": cell.locked, "task": False,
                "grade_id": cell.name, "points": graded.max_score, "checksum": cell.checksum,
                "cell_type": cell.cell_type, "schema_version": 3,
            }  # fmt: skip
            nb.cells.append(again)
