"""Instant checks: a guess is held against the real thing, and the answer names the axis that is wrong, and why.

A check called alone says everything at once. Kept by `lessons.answers.Answers`, it says more with every wrong try:
which axis is wrong, then what that axis counts, then its size.

Every verdict shows as HTML in a notebook and prints as text elsewhere. No Jupyter is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from torch import Tensor

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.predict import predict

WHY = {
    "R": "the episodes that the runner steps at once (batch_size_run)",
    "L+1": "an episode has at most L steps, and one row more for what is seen after the last step",
    "T": "the rows of the longest episode in the sample, L + 1 at most",
    "T-1": "one less than T: the last row has nothing after it",
    "G*A": "the episodes of one sample: G groups of A episodes, one for each seat",
    "G": "the groups of one update, or its episodes where all seats learn (batch_size)",
    "A": "the seats of a team (n_agents)",
    "O": "the numbers that one seat observes",
    "S": "the numbers of the state",
    "C": "the actions that a seat can choose from",
    "H": "the future steps that are candidate subgoals (horizon)",
    "Z": "the numbers of one subgoal (subgoal_dim)",
    "1": "one number for each place, and still an axis of its own",
    "rows": "the sequences that the network steps side by side: one for each slot of each group",
}
"""What an axis counts, for feedback on a guess."""


@dataclass(frozen=True)
class Verdict:
    """What a check says about a guess: one sentence, and one more for each axis that is wrong.

    `state` is open (not answered), right, wrong, or not allowed (no answer to this question). `hints` are
    the lines after a first wrong try, a second and a third.
    """

    state: str
    said: str
    axes: tuple[str, ...] = ()
    hints: tuple[tuple[str, ...], ...] = ()
    guess: object = None

    @property
    def ok(self) -> bool:
        return self.state == "right"

    def after(self, tries: int) -> Verdict:
        """What to say after so many wrong tries; a verdict without hints says the same each time."""
        if not self.hints:
            return self
        return replace(self, axes=self.hints[min(tries, len(self.hints)) - 1], hints=())

    def __repr__(self) -> str:
        return "\n".join([self.said, *(f"  - {line}" for line in self.axes)])

    def _repr_html_(self) -> str:
        colour = {"right": "#1f9a68", "wrong": "#e0484d"}.get(self.state, "#888888")
        lines = "".join(f"<li>{escape(line)}</li>" for line in self.axes)
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 2px 10px"><b>{escape(self.said)}</b>'
            + (f"<ul>{lines}</ul>" if lines else "")
            + "</div>"
        )


def check_shape(guess: object, tensor: Tensor | Sequence[int], axes: str | Sequence[str]) -> Verdict:
    """Hold a guessed shape against a tensor (or a shape) whose axes have names; it says which axis is wrong, and why.

    An unanswered guess contains `...`. A wrong guess never raises.

    >>> check_shape((32, 8, 80), (32, 8, 14), "G A C")
    Not yet: 1 of 3 numbers is wrong.
      - axis 2 (C): you said 80, it is 14: the actions that a seat can choose from
    >>> check_shape((...,), (32, 8, 14), "G A C")
    Not answered yet: put one number for each axis in place of the dots, and run this cell again.
    """
    shape = tuple(getattr(tensor, "shape", tensor))
    names = tuple(axes.split() if isinstance(axes, str) else axes)
    labels = [f"axis {i}" + ("" if name.isdigit() else f" ({name})") for i, name in enumerate(names)]
    guess = _numbers(guess)
    if ... not in guess and len(guess) != len(shape):
        named = f"{len(guess)} {'axis' if len(guess) == 1 else 'axes'}"
        lines = tuple(_line(label, name, n) for label, name, n in zip(labels, names, shape, strict=True))
        counted = tuple(f"{label}: {_why(name) or 'a number'}" for label, name in zip(labels, names, strict=True))
        said = f"Not yet: you named {named}, it has {len(shape)}: {_shape(names)}."
        return Verdict("wrong", said, lines, ((), counted, lines), guess)
    return _check(guess, shape, names, labels, "one number for each axis")


def check_numbers(guess: object, config: OMGConfig) -> Verdict:
    """Hold four guessed numbers against `four_numbers` of a configuration; it says which one is wrong, and why.

    >>> check_numbers((1, 32, 32, 256), OMGConfig(n_agents=8, batch_size=32))
    Not yet: 1 of 4 numbers is wrong.
      - the sample: you said 32, it is 256: the episodes of one sample: G groups of A episodes, one for each seat
    """
    sample = "G*A" if config.has_teammates else "G"
    who = ("the runner", "the sample", "the learner", "the network")
    return _check(_numbers(guess), four_numbers(config), ("R", sample, "G", "rows"), who, "your four numbers")


def check_values(guess: object, truth: Mapping[str, int]) -> Verdict:
    """Hold guessed whole numbers against what each of them should be, by name; it says which one is wrong.

    >>> check_values((6, 8), {"t+1": 6, "t+2": 7})
    Not yet: 1 of 2 numbers is wrong.
      - t+2: you said 8, it is 7
    """
    names = tuple(truth)
    return _check(_numbers(guess), tuple(truth.values()), names, names, f"{len(names)} number{'s' * (len(names) > 1)}")


def check_choice(guess: object, right: str, facts: Mapping[str, object]) -> Verdict:
    """Hold one of several allowed answers against the right one, then show the facts that decide between them.

    `facts` maps each allowed answer to what is known of it: best something that was just measured, so that the cell
    gives nothing away. ConfigError if `right` is not among them.

    >>> check_choice("red", "blue", {"red": "3 nm", "blue": "5 nm"})
    Not yet: it is not "red".
      - red: 3 nm
      - blue: 5 nm
    >>> check_choice("green", "blue", {"red": "3 nm", "blue": "5 nm"})
    Not yet: allowed are "red", "blue".
    """
    if right not in facts:
        raise ConfigError("right", right, f"allowed are {', '.join(facts)}")
    allowed = ", ".join(f'"{name}"' for name in facts)
    if guess is ... or ... in _numbers(guess):
        said = f"Not answered yet: put one of {allowed} in place of the dots, and run this cell again."
        return Verdict("open", said)
    if guess not in tuple(facts):
        return Verdict("not allowed", f"Not yet: allowed are {allowed}.", guess=guess)
    if len(set(map(str, facts.values()))) == 1:  # one measurement decides: it is told once
        lines = (str(facts[right]),)
        first = lines
    else:
        lines = tuple(f"{name}: {fact}" for name, fact in facts.items())
        first = (lines[list(facts).index(guess)],)
    if guess == right:
        return Verdict("right", f"Right: {right}.", lines, guess=guess)
    hints = first, lines, (*lines, f'so it is "{right}"')
    return Verdict("wrong", f'Not yet: it is not "{guess}".', lines, hints, guess)


def _numbers(guess: object) -> tuple[object, ...]:
    return tuple(guess) if isinstance(guess, Sequence) and not isinstance(guess, str) else (guess,)


def _check(
    guess: tuple[object, ...], truth: tuple[int, ...], names: Sequence[str], labels: Sequence[str], wanted: str
) -> Verdict:
    if ... in guess:
        return Verdict("open", f"Not answered yet: put {wanted} in place of the dots, and run this cell again.")
    if guess == truth:
        return Verdict("right", f"Right: {_shape(truth)}, that is {_shape(names)}.", guess=guess)
    if len(guess) != len(truth):
        said = f"Not yet: {len(truth)} numbers are asked for, you gave {len(guess)}."
        return Verdict("wrong", said, hints=((), (f"asked for: {', '.join(labels)}",)), guess=guess)
    wrong = [i for i, n in enumerate(truth) if guess[i] != n]
    said = f"Not yet: {len(wrong)} of {len(truth)} numbers {'is' if len(wrong) == 1 else 'are'} wrong."
    if all(isinstance(n, int) for n in guess) and sorted(guess) == sorted(truth):
        said = "Not yet: the numbers are right, their order is not."
    named = tuple(f"{labels[i]}: you said {guess[i]}" for i in wrong)
    counted = tuple(
        f"{line}: {_why(names[i]) or _direction(guess[i], truth[i])}" for line, i in zip(named, wrong, strict=True)
    )
    lines = tuple(_line(labels[i], names[i], truth[i], guess[i]) for i in wrong)
    return Verdict("wrong", said, lines, (named, counted, lines), guess)


def _line(label: str, name: str, size: int, guessed: object = None) -> str:
    yours = "" if guessed is None else f"you said {guessed}, "
    why = _why(name)
    return f"{label}: {yours}it is {size}" + (f": {why}" if why else "")


def _why(name: str) -> str:
    return WHY.get(name, "a fixed width of the network" if name.isdigit() else "")


def _direction(guessed: object, size: int) -> str:
    if not isinstance(guessed, int | float):
        return "a whole number is asked for"
    return "that is too small" if guessed < size else "that is too large"


def _shape(parts: Sequence[object]) -> str:
    return "[" + ", ".join(map(str, parts)) + "]"


def four_numbers(config: OMGConfig) -> tuple[int, int, int, int]:
    """Predicted: what the runner steps at once, what a sample holds, what the learner and what the network see.

    >>> four_numbers(OMGConfig(n_agents=8, batch_size=32))
    (1, 256, 32, 256)
    """
    plan = predict(config)
    groups, seats = plan["controller.init_hidden"].fields["hidden"].shape[:2]
    return plan["runner.run"].leading, plan["buffer.sample"].leading, groups, groups * seats
