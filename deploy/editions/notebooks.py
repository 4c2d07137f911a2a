"""Make an edition's notebooks: the English cells with the edition's texts, at the same ids."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config, PyFileConfigLoader

from deploy.editions.texts import NOTEBOOKS, Edition, Section, read

ASSIGNMENTS = NOTEBOOKS / "assignments"
RELATIVE = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s]+)(?=\))|(?<=src=\")(?!\w+:|/)([^\"]+)")
UP = re.compile(r"(?<=[\"'])(?=\.\./)")


def sources() -> list[Path]:
    """Return the notebooks of the course, then the assignments, where teachers write them."""
    return [*course(), *sorted(ASSIGNMENTS.glob("source/*/*.ipynb"))]


def course() -> list[Path]:
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def english(path: Path) -> NotebookNode:
    """Return a notebook as a reader gets it: an assignment without its solutions."""
    found = nbformat.read(path, as_version=4)
    return _without_solutions(found) if ASSIGNMENTS / "source" in path.parents else found


def _without_solutions(notebook: NotebookNode) -> NotebookNode:
    """Return what nbgrader releases of an assignment."""
    from nbgrader.preprocessors import ClearSolutions  # here, because only teachers have it

    return ClearSolutions(config=_nbgrader_config()).preprocess(notebook, {})[0]


@cache
def _nbgrader_config() -> Config:
    return PyFileConfigLoader("nbgrader_config.py", path=str(ASSIGNMENTS)).load_config()


def translated(notebook: NotebookNode, sections: dict[str, Section], edition: Edition) -> str:
    """Return the edition's notebook as text. A cell without a section stays English."""
    for cell in notebook.cells:
        if cell.id in sections:
            cell.source = sections[cell.id].text
        if cell.cell_type == "markdown":
            cell.source = RELATIVE.sub(lambda found: deeper(found.group(), edition), cell.source)
        else:
            cell.source = UP.sub("../", cell.source)
    return nbformat.writes(notebook) + "\n"


def deeper(target: str, edition: Edition) -> str:
    """Return a link of a notebook as seen from one folder below. Links between notebooks stay in the edition, and the
    link that leads to the edition leads back.
    """
    if re.fullmatch(r"\d\d_\w+\.ipynb(#.*)?", target):
        return target
    return "../" + target.removeprefix(f"{edition.folder}/")


def make(edition: Edition, texts: dict[str, dict[str, Section]]) -> dict[Path, str]:
    """Return the edition's notebooks of the course by path."""
    return {edition.notebooks / path.name: translated(english(path), texts[path.stem], edition) for path in course()}


def release(edition: Edition, course: Path) -> None:
    """Write an edition's assignments beside those that nbgrader has released in a course folder: in release-zh/, for
    example. They tell the grader their language.
    """
    for path in sorted(course.glob("release/*/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata["omg_lang"] = edition.language
        target = course / f"release-{edition.folder}" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(translated(notebook, read(edition.texts / f"{path.stem}.md"), edition), encoding="utf-8")
