"""Store a student's answers across restarts of the kernel, and give a new hint after each wrong one.

They are in a small file next to the notebook, `.answers/NAME.jsonl`: one line of JSON per answer. Lines are only ever
added, so two kernels can write at the same time and nothing is lost.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from omg_lib.checks import Verdict
from omg_lib.config import ConfigError
from omg_lib.lessons.table import Table
from omg_lib.system.files import parse_json, read_bytes, reason
from omg_lib.system.places import Place, append, make_folder, names, rename, replacing
from omg_lib.words import _

FOLDER = ".answers"
MOST = 500
"""Most characters to store of an answer that is not text, in case it is something strange."""
MOST_BYTES = 16 * 2**20
"""More than the answers of a whole course take."""


class Answers:
    """The answers given in one notebook.

        answers = Answers("01_three_batch_sizes")
        answers.keep("seat of episode 10", check_values(guess, {"the seat": 2}))
        answers.progress()

    `keep` returns the verdict to show. The first wrong answer gets the first hint, the second the next, and from the
    third on the verdict shows everything. Something that is not an allowed answer does not count as a try. If the cell
    is unanswered, but the question was answered right before, the verdict says so. A problem with the file is reported
    once, in one sentence below the next verdict; without a file, answers last as long as the kernel.
    """

    def __init__(self, notebook: str, folder: str | Path = ".") -> None:
        if not re.fullmatch(r"\w[\w.-]*", notebook):
            raise ConfigError("notebook", notebook, _("allowed is a name of letters, digits, '_', '-' and '.'"))
        self._place = Place(Path(folder)) / FOLDER / f"{notebook.removesuffix('.ipynb')}.jsonl"
        self.file = self._place.path
        self.tried: list[dict[str, str]] = []
        """All answers this kernel knows, oldest first: question, answer, state."""
        self.trouble = ""
        self._read()

    def keep(self, question: str, verdict: Verdict) -> Verdict:
        """Store an answer with its verdict; return the verdict that a student should see after this many tries."""
        said = verdict
        if verdict.state == "open":
            right = self._latest(question, "right")
            if right:
                said = Verdict("right", _("Right: you answered {right} before.").format(right=right))
        elif verdict.state != "not allowed":
            self._add({"question": question, "answer": _text(verdict.guess), "state": verdict.state})
            if not verdict.ok:
                said = verdict.after(self.wrong(question))
        if self.trouble:
            said, self.trouble = replace(said, axes=(*said.axes, self.trouble)), ""
        return said

    def wrong(self, question: str) -> int:
        """Count the different wrong answers to this question since its last right one."""
        found: list[str] = []
        for one in self.tried:
            if one["question"] == question:
                found = [] if one["state"] == "right" else [*found, one["answer"]]
        return len(set(found))

    def progress(self) -> Table:
        """Return a table of every question tried, its latest answer, and whether it was ever answered right."""
        rows, strong = [], set()
        for question in dict.fromkeys(one["question"] for one in self.tried):
            right, latest = self._latest(question, "right"), self._latest(question)
            if not right:
                strong.add((len(rows), 1))
            rows.append((_(question), _("right") if right else _("not yet"), right or latest))
        done = len(rows) - len(strong)
        caption = (
            _("{done} right, {strong} not yet, of the questions you have tried. {trouble}")
            .format(done=done, strong=len(strong), trouble=self.trouble)
            .strip()
        )
        self.trouble = ""
        rows = rows or [(_("none yet"), "", "")]
        return Table((_("question"), "", _("your answer")), tuple(rows), frozenset(strong), caption)

    def _latest(self, question: str, state: str | None = None) -> str:
        found = [one["answer"] for one in self.tried if one["question"] == question and state in (None, one["state"])]
        return found[-1] if found else ""

    # --- the file ----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = read_bytes(self._place, MOST_BYTES)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            self.trouble = _("Earlier answers cannot be read ({error}).").format(error=reason(error))
            return
        lines = data.splitlines()
        self.tried = [one for one in map(_record, lines) if one]
        if len(self.tried) < len(lines) or not data.endswith(b"\n") and data:
            self._set_aside()

    def _set_aside(self) -> None:
        """Keep a file with unreadable lines under another name, and continue with the readable ones."""
        name, number = self._place.name, 1
        try:
            there = names(self._place.folder)
            while (aside := name.removesuffix("jsonl") + f"broken-{number}") in there:
                number += 1
            with replacing(self._place) as draft:
                draft.write("".join(map(_line, self.tried)).encode())
                rename(self._place, aside)
            self.trouble = _(
                "Some stored answers could not be read; the old file was kept as {folder}/{aside}."
            ).format(folder=FOLDER, aside=aside)
        except OSError as error:
            self.trouble = _("Some stored answers could not be read, and the file stays as it is ({error}).").format(
                error=reason(error)
            )

    def _add(self, one: dict[str, str]) -> None:
        if [old for old in self.tried if old["question"] == one["question"]][-1:] == [one]:
            return  # the same cell was run again
        self.tried.append(one)
        try:
            self._place.root.mkdir(parents=True, exist_ok=True)
            make_folder(self._place.folder)
            append(self._place, _line(one).encode(), create=True)  # in one write: lines of two kernels do not mix
        except OSError as error:
            self.trouble = _("Answers are not stored ({error}); they last as long as this kernel.").format(
                error=reason(error)
            )


def _text(guess: object) -> str:
    if isinstance(guess, tuple) and len(guess) == 1:
        (guess,) = guess
    said = guess if isinstance(guess, str) else repr(guess)
    return said if isinstance(guess, str) or len(said) <= MOST else f"{said[:MOST]}... ({len(said):,} characters)"


def _line(one: dict[str, str]) -> str:
    return json.dumps(one) + "\n"


def _record(line: bytes) -> dict[str, str] | None:
    """Parse one line of the file; None if it is not an answer."""
    try:
        one = parse_json(line.decode())
        return {name: str(one[name]) for name in ("question", "answer", "state")}
    except (ValueError, KeyError, TypeError):
        return None
