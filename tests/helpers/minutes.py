"""How long a notebook takes: its words and actions, at the pace of a second-language reader.

The paces are fitted to the times that one engaged second-language reader needed for four notebooks (TIMED). They are
not a law: other readers are faster or slower.
"""

import re
from dataclasses import dataclass

from tests.helpers.running import code_cells, read

WORDS, LINES = 140, 20
"""Words of prose and lines of code per minute: read, not studied."""
ANSWER, PANEL, RUN, FOLDED = 0.6, 5.0, 0.15, 1.0
"""Minutes for each question answered (thought about, typed, perhaps repeated), panel tried out and waited for, cell run
with its output read, and folded answer opened and compared.
"""


@dataclass(frozen=True)
class Load:
    """What there is to do in a notebook."""

    words: int
    lines: int
    answers: int
    panels: int
    runs: int
    folded: int

    @property
    def minutes(self) -> float:
        acts = ANSWER * self.answers + PANEL * self.panels + RUN * self.runs + FOLDED * self.folded
        return self.words / WORDS + self.lines / LINES + acts


def load(name: str) -> Load:
    """Return the words and actions of a notebook, as committed."""
    notebook = read(name)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    cells = code_cells(notebook)
    code = "\n".join(cell.source for cell in cells)
    return Load(
        words=len(re.findall(r"\w[\w'-]*", re.sub(r"\]\([^)]*\)|<[^>]+>", " ", prose))),
        lines=sum(bool(line.strip()) for line in code.splitlines()),
        answers=code.count("answers.keep("),
        panels=len(re.findall(r"\b\w+(?:Panel|Meter|Puzzle)\(", code)),
        runs=len(cells),
        folded=prose.count("<details>"),
    )


TIMED = [
    (Load(words=1173, lines=28, answers=3, panels=1, runs=9, folded=1), 17),
    (Load(words=3354, lines=156, answers=9, panels=1, runs=49, folded=0), 48),
    (Load(words=1512, lines=83, answers=6, panels=1, runs=25, folded=4), 33),
    (Load(words=1837, lines=138, answers=21, panels=0, runs=47, folded=0), 40),
]
"""Notebooks 00, 01, 04 and 12 as they were when read, and the minutes it took."""
