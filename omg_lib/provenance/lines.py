"""Lines: the number of the line of followed code that is running; lines of torch and other libraries do not count."""

from __future__ import annotations

import contextlib
import importlib.util
import linecache
import sys
from pathlib import Path

import torch

Line = tuple[str, int]
LIBRARIES = ("einops", "tensordict")
CHECKERS = ("jaxtyping", "beartype")


def _folders(names: tuple[str, ...]) -> list[str]:
    specs = [importlib.util.find_spec(name) for name in names]
    return [str(Path(spec.origin).parent) for spec in specs if spec is not None and spec.origin]


class Lines:
    """Numbers lines, from 1; 0 means no line. A line in a function gets a separate number for each line that calls it.
    """

    def __init__(self) -> None:
        self.known: list[Line] = [("", 0)]
        self.callers: list[Line | None] = [None]
        self.numbers: dict[tuple[Line, Line | None], int] = {}
        self.skip, self.torch = (*_folders(LIBRARIES), "<frozen"), str(Path(torch.__file__).parent)
        # they sort sequences by length, and back: moves that change no meaning
        self.packing = {torch.nn.utils.rnn.__file__, torch.nn.modules.rnn.__file__}
        # torch wraps a mode's methods with the first two; type checkers wrap any function
        wrappers = [str(Path(self.torch) / name) for name in ("_compile.py", "_dynamo")]
        self.here = (str(Path(__file__).parent), contextlib.__file__, *wrappers, *_folders(CHECKERS), "<@beartype")
        self.skipped: dict[str, str] = {}

    def now(self) -> tuple[int, bool, bool]:
        """Return the innermost line outside libraries, whether torch's own code is running below it, and whether that
        packs sequences.
        """
        frame, inside, sorting, line = sys._getframe(1), None, False, None
        while frame is not None:
            name = frame.f_code.co_filename
            if name not in self.skipped:
                self.skipped[name] = self._owner(name)
            owner = self.skipped[name]
            if owner != "here" and inside is None:
                inside, sorting = owner == "torch", name in self.packing
            if not owner:
                if line is not None:
                    return self.number(line, (name, frame.f_lineno)), bool(inside), sorting
                line = name, frame.f_lineno
                if frame.f_code.co_name == "<module>":
                    break
            frame = frame.f_back
        return (0, True, False) if line is None else (self.number(line, None), bool(inside), sorting)

    def _owner(self, name: str) -> str:
        if name.startswith(self.here):
            return "here"
        if name.startswith(self.torch):
            return "torch"
        return "library" if name.startswith(self.skip) else ""

    def number(self, line: Line, caller: Line | None) -> int:
        key = line, caller
        if key not in self.numbers:
            self.numbers[key] = len(self.known)
            self.known.append(line)
            self.callers.append(caller)
        return self.numbers[key]


def code(line: Line) -> str:
    """Return a line's source code."""
    return linecache.getline(*line).strip()


def where(line: Line) -> str:
    """file.py:12"""
    return f"{Path(line[0]).name}:{line[1]}"
