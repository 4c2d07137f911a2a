"""Make an edition's notebooks: the English cells with the edition's texts, at the same ids."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from deploy.editions.texts import NOTEBOOKS, Edition, Section

RELATIVE = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s]+)(?=\))|(?<=src=\")(?!\w+:|/)([^\"]+)")
UP = re.compile(r"(?<=[\"'])(?=\.\./)")


def english(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def sources() -> list[Path]:
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


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
    """Return the edition's notebooks by path."""
    return {edition.notebooks / path.name: translated(english(path), texts[path.stem], edition) for path in sources()}
