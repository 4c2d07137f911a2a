"""A student's answers survive a restart of the kernel, and a wrong one is answered by a ladder of hints.

Beside a notebook lies a small file, `.answers/NAME.jsonl`: a line of JSON for each answer that was tried. Lines are
only ever added, so two kernels can write at the same time and nothing is lost.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from omg_lib.checks import Verdict
from omg_lib.config import ConfigError
from omg_lib.plots.tables import Table

FOLDER = ".answers"
MOST = 500
"""Most characters that are stored of an answer that is no text, should it be something strange."""


class Answers:
    """The answers that were given in one notebook.

        answers = Answers("01_three_batch_sizes")
        answers.keep("seat of episode 10", check_values(guess, {"the seat": 2}))
        answers.progress()

    `keep` returns the verdict to show. The first wrong answer gets the first hint, the second one the next, from the
    third on everything is said; what is not even among the allowed answers is no try. A question that is not answered
    in its cell, but was answered right before, says so. Trouble with the file is told once, in one sentence below the
    next verdict; without a file answers last as long as the kernel.
    """

    def __init__(self, notebook: str, folder: str | Path = ".") -> None:
        if not re.fullmatch(r"\w[\w.-]*", notebook):
            raise ConfigError("notebook", notebook, "allowed is a name of letters, digits, '_', '-' and '.'")
        self.file = Path(folder) / FOLDER / f"{notebook.removesuffix('.ipynb')}.jsonl"
        self.tried: list[dict[str, str]] = []
        """What this kernel knows, oldest first: question, answer, state."""
        self.trouble = ""
        self._read()

    def keep(self, question: str, verdict: Verdict) -> Verdict:
        """Store an answer with its verdict; returns what a student should see after so many tries."""
        said = verdict
        if verdict.state == "open":
            right = self._latest(question, "right")
            if right:
                said = Verdict("right", f"Answered before: {right}, and that was right.")
        elif verdict.state != "not allowed":
            self._add({"question": question, "answer": _text(verdict.guess), "state": verdict.state})
            if not verdict.ok:
                said = verdict.after(self.wrong(question))
        if self.trouble:
            said, self.trouble = replace(said, axes=(*said.axes, self.trouble)), ""
        return said

    def wrong(self, question: str) -> int:
        """How many different wrong answers this question got since its last right one; the same one again is no try."""
        found: list[str] = []
        for one in self.tried:
            if one["question"] == question:
                found = [] if one["state"] == "right" else [*found, one["answer"]]
        return len(set(found))

    def progress(self) -> Table:
        """Every question that was tried, its latest answer, and whether it was ever answered right."""
        rows, strong = [], set()
        for question in dict.fromkeys(one["question"] for one in self.tried):
            right, latest = self._latest(question, "right"), self._latest(question)
            if not right:
                strong.add((len(rows), 1))
            rows.append((question, "right" if right else "not yet", right or latest))
        done = len(rows) - len(strong)
        caption = f"{done} right, {len(strong)} not yet, of the questions that you have tried. {self.trouble}".strip()
        self.trouble = ""
        rows = rows or [("none yet", "", "")]
        return Table(("question", "", "your answer"), tuple(rows), frozenset(strong), caption)

    def _latest(self, question: str, state: str | None = None) -> str:
        found = [one["answer"] for one in self.tried if one["question"] == question and state in (None, one["state"])]
        return found[-1] if found else ""

    # --- the file ----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = self.file.read_bytes() if self.file.exists() else b""
        except OSError as error:
            self.trouble = f"Earlier answers cannot be read ({error.strerror or error})."
            return
        lines = data.splitlines()
        self.tried = [one for one in map(_record, lines) if one]
        if len(self.tried) < len(lines) or not data.endswith(b"\n") and data:
            self._set_aside()

    def _set_aside(self) -> None:
        """Keep a file with lines that nobody can read under another name, and go on with those that can be read."""
        number = 1
        while (aside := self.file.with_suffix(f".broken-{number}")).exists():
            number += 1
        try:
            self.file.rename(aside)
            self.file.write_text("".join(map(_line, self.tried)), encoding="utf-8")
            self.trouble = f"Some stored answers could not be read; the file is kept as {FOLDER}/{aside.name}."
        except OSError as error:
            self.trouble = f"Some stored answers could not be read, and the file stays ({error.strerror or error})."

    def _add(self, one: dict[str, str]) -> None:
        if [old for old in self.tried if old["question"] == one["question"]][-1:] == [one]:
            return  # the same cell, run again
        self.tried.append(one)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("ab") as out:
                out.write(_line(one).encode())  # one write at the end of the file: lines of two kernels do not mix
        except OSError as error:
            self.trouble = f"Answers are not stored ({error.strerror or error}); they last as long as this kernel."


def _text(guess: object) -> str:
    if isinstance(guess, tuple) and len(guess) == 1:
        (guess,) = guess
    said = guess if isinstance(guess, str) else repr(guess)
    return said if isinstance(guess, str) or len(said) <= MOST else f"{said[:MOST]}... ({len(said):,} characters)"


def _line(one: dict[str, str]) -> str:
    return json.dumps(one) + "\n"


def _record(line: bytes) -> dict[str, str] | None:
    """What one line of the file says; None if it is no answer."""
    try:
        one = json.loads(line)
        return {name: str(one[name]) for name in ("question", "answer", "state")}
    except (ValueError, KeyError, TypeError):
        return None
