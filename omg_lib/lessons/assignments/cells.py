"""The text of an answer, read in the same way by the instant check and the grader.

An answer is the text of its cells, in order, without the lines that are for the notebook instead of for Python.
"""

from __future__ import annotations

import linecache
import re
import symtable
from collections.abc import Callable, Sequence
from typing import Any

FUNCTIONS = {
    "a1-arithmetic": "arithmetic", "a1-acting": "acting", "a1-sampling": "sampling", "a1-learning": "learning",
    "a1-rows": "to_rows", "a1-slots": "to_slots", "a1-seat": "own_seat",
    "a2-insert": "insert", "a2-can-sample": "can_sample", "a2-sample": "sample", "a2-max-t": "max_t_filled",
    "a2-stack": "stack", "a2-counterexample": "counterexample", "a2-luck": "luck",
    "a3-regroup": "regroup", "a3-living": "last_living", "a3-windows": "windows", "a3-value": "value",
    "a3-choose": "choose", "a3-kl": "kl", "a3-mean": "masked_mean", "a3-loss": "omg_loss",
    "a4-plan": "plan", "a4-band": "band",
}  # fmt: skip
"""Answer -> the function that it defines. An answer is named by the grade_id of its cell."""
HELPERS = {"a3-loss": ("a3-kl", "a3-mean")}
"""Answer -> other answers that it may use. Their cells run first."""


# --- the text --------------------------------------------------------------------------------------------------------

CELL_MAGIC = re.compile(r"\s*+%%([a-zA-Z]\w*)(?!\S)[^\n]*\n?")
RUN_HERE = ("time", "capture", "prun")
"""Cell magics that run the cell as Python in the notebook. Others pass it to something else, or change it."""
COMMAND = re.compile(r"([ \t]*+)(?:[%!?,;/]|([^=#'\"\n]++(?<![!<>])=[ \t]*+)[%!](?=\S))(?:\\\n|[^\n])*+")
"""%magic, !shell, ?help and `x = %magic` at the start of a line, which are not Python."""
TOKEN = re.compile(
    r"(?P<long>\"{3}|'{3})|\"(?:\\[\s\S]|[^\"\\\n])*\"?|'(?:\\[\s\S]|[^'\\\n])*'?|#[^\n]*|\\\n"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<help>\?[ \t]*+(?:#[^\n]*+)?(?=\n|\Z))|(?P<end>\n)"
)
"""Tokens that decide where a statement ends."""
LONG = {quote: re.compile(rf"(?:[^\\]|\\[\s\S])*?{quote}") for quote in ('"""', "'''")}


def answer_text(cells: Sequence[str]) -> str:
    """Return the Python of an answer's cells, joined in order. Magics, shell commands and questions (%x, !x, x?) do
    nothing. A cell that begins with %%time, %%capture or %%prun counts without that line; one with another %%magic does
    not count. Takes linear time, because the text is untrusted. Text that is not Python stays unchanged.
    """
    return _without_commands("\n".join(_without_cell_magic(cell.replace("\r\n", "\n")) for cell in cells))


def _without_cell_magic(cell: str) -> str:
    start = 0
    while found := CELL_MAGIC.match(cell, start):
        if found[1] not in RUN_HERE:
            return ""
        start = found.end()
    return cell[start:]


def _without_commands(text: str) -> str:
    kept, start = [], 0
    while start < len(text):
        if command := COMMAND.match(text, start):
            end, indent, target = command.end(), command[1], command[2]
            kept.append(f"{indent}{target}None" if target else _nothing(indent))
        else:
            end, question = _statement(text, start)
            line = text[start:end]
            kept.append(_nothing(line[: len(line) - len(line.lstrip(" \t"))]) if question else line)
        kept.append(text[end : end + 1])  # the end of the line
        start = end + 1
    return "".join(kept)


def _nothing(indent: str) -> str:
    """Return a replacement for a removed line that keeps its block valid."""
    return f"{indent}pass" if indent else ""


def _statement(text: str, start: int) -> tuple[int, bool]:
    """Return the end of the line in which the statement at `start` ends, and whether it is a question, `x?`."""
    depth = 0
    while token := TOKEN.search(text, start):
        start, kind = token.end(), token.lastgroup
        if kind == "long":
            closed = LONG[token["long"]].match(text, start)
            start = closed.end() if closed else len(text)
        elif kind in ("open", "close"):
            depth = max(0, depth + (1 if kind == "open" else -1))
        elif depth == 0 and kind == "help":
            return start, True
        elif depth == 0 and kind == "end":
            return token.start(), False
    return len(text), False


# --- the cells -------------------------------------------------------------------------------------------------------


class CellsRun:
    """The cells that a student ran for each answer: (grade_id, cell) -> source, the latest last. JupyterLab sends the
    kernel each cell's metadata; with other programs, which do not, this stays empty.
    """

    def __init__(self, shell: Any) -> None:
        self.shell, self.cells = shell, {}

    def __call__(self, info: Any) -> None:
        parent = self.shell.kernel.get_parent("shell") if hasattr(self.shell, "kernel") else {}
        claimed = parent.get("metadata", {}).get("nbgrader")
        if isinstance(claimed, dict) and "grade_id" in claimed:
            place = claimed["grade_id"], info.cell_id
            self.cells.pop(place, None)
            self.cells[place] = info.raw_cell

    def of(self, answer: str) -> list[str]:
        return [source for (name, _), source in self.cells.items() if name == answer]


def follow(shell: Any) -> None:
    """Register a CellsRun for every cell from now on, unless there is one already."""
    if _followed(shell) is None:
        shell.events.register("pre_run_cell", CellsRun(shell))


def _followed(shell: Any) -> CellsRun | None:
    return next((one for one in shell.events.callbacks["pre_run_cell"] if isinstance(one, CellsRun)), None)


def cells_of(answer: str, function: Callable, shell: Any = None) -> tuple[str, list[str]]:
    """Return a function's name and the sources of its cells, [] if there are none. In a notebook these are the answer's
    cells as they ran or, if those are unknown, the latest cell that defines the function. Without a notebook it is the
    file of the function's code.
    """
    name, own = getattr(function, "__name__", ""), FUNCTIONS[answer]
    if shell is None:
        return name, ["".join(linecache.getlines(function.__code__.co_filename))]
    if shell.user_ns.get(own) is function:
        name, followed = own, _followed(shell)
        if followed and followed.cells:
            return name, followed.of(answer)
    ran = reversed(shell.history_manager.input_hist_raw)
    return name, next(([source] for source in ran if defines(answer_text([source]), name)), [])


def defines(text: str, name: str) -> bool:
    """Whether a cell assigns the name or, if the cell is not valid Python, contains it."""
    try:
        found = symtable.symtable(text, "<answer>", "exec").lookup(name)
    except KeyError:
        return False
    except (SyntaxError, ValueError):
        return name in text
    return found.is_assigned() or found.is_imported()
