"""A replay: the lines of the followed code in order, each with its result.

It is one piece of HTML with a slider, and needs no kernel and no network. Without scripts it is a list.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from torch import Tensor

from omg_lib.provenance.journal import Journal
from omg_lib.provenance.labels import Shadow, kind_of
from omg_lib.provenance.lines import Line, code, where
from omg_lib.provenance.picture import Picture, cropped
from omg_lib.words import _, listing

MOST, AGAIN = 150, 2
"""At most this many steps are kept, and of one line in a loop at most this many."""


@dataclass(frozen=True)
class Step:
    """A line by its number, and its last result: a label as a picture needs it, and the shape."""

    line: int
    label: Tensor
    shape: tuple[int, ...]


class Recorder:
    """Keeps each line's last result while code is followed."""

    def __init__(self, shadow: Shadow) -> None:
        self.shadow, self.line, self.last = shadow, 0, None
        self.steps: list[Step] = []
        self.times: Counter[int] = Counter()
        self.more = 0

    def begin(self, line: int) -> None:
        """Note that an operation on this line begins."""
        if line != self.line:
            self.keep()
            self.line = line

    def made(self, x: Tensor) -> None:
        if x.ndim:
            self.last = x

    def keep(self) -> None:
        """Keep the line's result, because the line has ended."""
        x, self.last = self.last, None
        if x is None or not self.line:
            return
        self.times[self.line] += 1
        if self.times[self.line] > AGAIN or len(self.steps) == MOST:
            self.more += 1
            return
        label = self.shadow.read(x)
        if label is not None and bool((kind_of(label) > 0).any()):
            self.steps.append(Step(self.line, cropped(label), tuple(x.shape)))


class Replay:
    """Shows in a notebook and prints as text. `frames` holds what it shows: (line of code, words, picture)."""

    def __init__(self, frames: list[tuple[str, str, Picture]], more: int, start: int) -> None:
        self.frames, self.more, self.start = frames, more, start

    @property
    def html(self) -> str:
        """Return a self-contained piece of a page."""
        n, name = len(self.frames), f"omg-replay-{secrets.token_hex(4)}"
        shown = "".join(
            f'<li style="margin:6px 0"><pre style="margin:0;white-space:pre-wrap">{escape(line)}</pre>'
            f"<div>{escape(words)}</div>{picture.svg}</li>"
            for line, words, picture in self.frames
        )
        label = _("line")
        more = _("{n} more passes of these lines are not shown.").format(n=self.more) if self.more else ""
        return (
            f'<div id="{name}" class="omg-replay" style="color:var(--jp-content-font-color1, inherit)">'
            f'<div class="omg-replay-control" hidden><label>{label} <input type="range" min="1" max="{n}"'
            f' value="{self.start}" style="width:min(24em, 60%);vertical-align:middle"></label>'
            f' <output></output></div><ol aria-live="polite" style="padding-left:0;list-style:none">{shown}</ol>'
            f"<div>{more}</div><script>{_SCRIPT.replace('NAME', name)}</script></div>"
        )

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "\n".join(f"{i}. {line}\n   {words}" for i, (line, words, __) in enumerate(self.frames, 1))


_SCRIPT = """
(() => {
  const box = document.getElementById("NAME");
  const frames = box.querySelectorAll("li"), slider = box.querySelector("input"), said = box.querySelector("output");
  const show = () => {
    frames.forEach((frame, i) => { frame.hidden = i + 1 !== slider.valueAsNumber; });
    said.textContent = `${slider.value} of ${frames.length}`;
  };
  slider.addEventListener("input", show);
  box.querySelector(".omg-replay-control").hidden = false;
  show();
})();
"""


def frames_of(recorder: Recorder, journal: Journal, guilty: tuple[Line, ...], picture: Callable) -> Replay:
    """Return the replay of what was kept; `guilty` are the lines of the verdict, and `picture` draws a step."""
    lines, frames, start = journal.lines, [], 1
    met: dict[int, list[str]] = {}
    for (line, join), count in journal.joins.items():
        met.setdefault(line, []).append(f"{join} {count}")
    for step in recorder.steps:
        line, caller = lines.known[step.line], lines.callers[step.line]
        text = f"{where(line)}  {code(line)}"
        if caller and caller[0] != line[0]:
            text += "\n  " + _("called from {place}").format(place=f"{where(caller)}  {code(caller)}")
        words = _("what met: {met}").format(met=listing(met[step.line])) if step.line in met else _("nothing met")
        if line in guilty:
            why = _("the origins met here") if line == guilty[0] else _("named by the verdict")
            words = listing([why, words], "; ")
            start = len(frames) + 1 if line == guilty[0] else start
        frames.append((text, words, picture(step)))
    return Replay(frames, recorder.more, start)
