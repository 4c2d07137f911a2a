"""Instant checks: compare a guess with the real thing; the verdict names the axis that is wrong, and why.

A check on its own shows everything at once. Kept by `lessons.answers.Answers`, it shows more with every wrong try:
which axis is wrong, then what that axis counts, then its size.

A verdict shows as HTML in a notebook and prints as text elsewhere. It does not need Jupyter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from torch import Tensor

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.predict import predict
from omg_lib.words import N_, _, labelled, listing, plural

WHY = {
    "R": N_("the episodes that the runner steps at once (batch_size_run)"),
    "L+1": N_("an episode has at most L steps, plus one row for what is seen after the last step"),
    "T": N_("the rows of the longest episode in the sample, at most L + 1"),
    "T-1": N_("one less than T: nothing follows the last row"),
    "G*A": N_("the episodes of one sample: G groups of A episodes, one for each seat"),
    "G": N_("the groups of one update, or its episodes if all seats learn (batch_size)"),
    "A": N_("the seats of a team (n_agents)"),
    "O": N_("the numbers that one seat observes"),
    "S": N_("the numbers of the state"),
    "C": N_("the actions that a seat can choose from"),
    "H": N_("the future steps that are candidate subgoals (horizon)"),
    "Z": N_("the numbers of one subgoal (subgoal_dim)"),
    "1": N_("a single number in each place, but still an axis"),
    "rows": N_("the sequences that the network steps side by side: one per slot of each group"),
}
"""Axis -> what it counts, for feedback on a guess."""


@dataclass(frozen=True)
class Verdict:
    """The result of a check: one sentence, and one line for each axis that is wrong.

    `state` is open (not answered), right, wrong, or not allowed (not an answer to this question). `hints` holds
    the lines to show after the first, second and third wrong try.
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
        """Return the verdict to show after this many wrong tries; without hints it is always the same."""
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
    """Compare a guessed shape with a tensor (or a shape) with named axes; show which axis is wrong, and why.

    An unanswered guess contains `...`. A wrong guess never raises.

    >>> check_shape((32, 8, 80), (32, 8, 14), "G A C")
    Not yet: 1 of 3 numbers is wrong.
      - axis 2 (C): you answered 80, but it is 14: the actions that a seat can choose from
    >>> check_shape((...,), (32, 8, 14), "G A C")
    Not answered yet: replace the dots with one number for each axis, and run this cell again.
    """
    shape = tuple(getattr(tensor, "shape", tensor))
    names = tuple(axes.split() if isinstance(axes, str) else axes)
    labels = [_("axis {i}").format(i=i) + ("" if name.isdigit() else f" ({name})") for i, name in enumerate(names)]
    guess = _numbers(guess)
    if ... not in guess and len(guess) != len(shape):
        lines = tuple(_line(label, name, n) for label, name, n in zip(labels, names, shape, strict=True))
        number = _("a number")
        counted = tuple(labelled(label, _why(name) or number) for label, name in zip(labels, names, strict=True))
        said = plural(
            "Not yet: you gave {n} axis, but it has {size}: {axes}.",
            "Not yet: you gave {n} axes, but it has {size}: {axes}.",
            len(guess),
        ).format(n=len(guess), size=len(shape), axes=_shape(names))
        return Verdict("wrong", said, lines, ((), counted, lines), guess)
    return _check(guess, shape, names, labels, _("one number for each axis"))


def check_numbers(guess: object, config: OMGConfig) -> Verdict:
    """Compare four guessed numbers with `four_numbers` of a configuration; show which one is wrong, and why.

    >>> check_numbers((8, 256, 32, 256), OMGConfig(n_agents=8, batch_size=32))
    Not yet: 1 of 4 numbers is wrong.
      - the runner: you answered 8, but it is 1: the episodes that the runner steps at once (batch_size_run)
    """
    sample = "G*A" if config.has_teammates else "G"
    who = (_("the runner"), _("the sample"), _("the learner"), _("the network"))
    return _check(_numbers(guess), four_numbers(config), ("R", sample, "G", "rows"), who, _("your four numbers"))


def check_values(guess: object, truth: Mapping[str, int]) -> Verdict:
    """Compare guessed whole numbers with the right ones, by name; show which one is wrong.

    >>> check_values((6, 8), {"t+1": 6, "t+2": 7})
    Not yet: 1 of 2 numbers is wrong.
      - t+2: you answered 8, but it is 7
    """
    names = tuple(truth)
    wanted = plural("{n} number", "{n} numbers", len(names)).format(n=len(names))
    return _check(_numbers(guess), tuple(truth.values()), names, [_(name) for name in names], wanted)


def check_choice(guess: object, right: str, facts: Mapping[str, object]) -> Verdict:
    """Compare one of several allowed answers with the right one, then show the facts that decide between them.

    `facts` maps each allowed answer to a fact about it, ideally one that was just measured, because the cell must not
    give the answer away. ConfigError if `right` is not among them.

    >>> check_choice("red", "blue", {"red": "3 nm", "blue": "5 nm"})
    Not yet: it is not "red".
      - red: 3 nm
      - blue: 5 nm
    >>> check_choice("green", "blue", {"red": "3 nm", "blue": "5 nm"})
    Not yet: allowed are "red", "blue".
    """
    if right not in facts:
        raise ConfigError("right", right, _("allowed are {names}").format(names=listing(facts)))
    allowed = listing(f'"{name}"' for name in facts)
    if guess is ... or ... in _numbers(guess):
        said = _("Not answered yet: replace the dots with one of {allowed}, and run this cell again.")
        return Verdict("open", said.format(allowed=allowed))
    if guess not in tuple(facts):
        return Verdict("not allowed", _("Not yet: allowed are {allowed}.").format(allowed=allowed), guess=guess)
    if len(set(map(str, facts.values()))) == 1:  # one measurement decides: show it once
        lines: tuple[str, ...] = (_(str(facts[right])),)
        first = lines
    else:
        lines = tuple(labelled(name, _(str(fact))) for name, fact in facts.items())
        first = (lines[list(facts).index(guess)],)
    if guess == right:
        return Verdict("right", _("Right: {right}.").format(right=right), lines, guess=guess)
    hints = first, lines, (*lines, _('so the answer is "{right}"').format(right=right))
    return Verdict("wrong", _('Not yet: it is not "{guess}".').format(guess=guess), lines, hints, guess)


def _numbers(guess: object) -> tuple[object, ...]:
    return tuple(guess) if isinstance(guess, Sequence) and not isinstance(guess, str) else (guess,)


def _check(
    guess: tuple[object, ...], truth: tuple[int, ...], names: Sequence[str], labels: Sequence[str], wanted: str
) -> Verdict:
    if ... in guess:
        said = _("Not answered yet: replace the dots with {wanted}, and run this cell again.")
        return Verdict("open", said.format(wanted=wanted))
    if guess == truth:
        return Verdict(
            "right",
            _("Right: {numbers}, that is {names}.").format(
                numbers=_shape(truth), names=_shape([_(name) for name in names])
            ),
            guess=guess,
        )
    if len(guess) != len(truth):
        said = _("Not yet: the question asks for {asked} numbers, but you gave {given}.")
        order = _("in this order: {labels}").format(labels=listing(labels))
        said = said.format(asked=len(truth), given=len(guess))
        return Verdict("wrong", said, hints=((), (order,)), guess=guess)
    wrong = [i for i, n in enumerate(truth) if guess[i] != n]
    said = plural(
        "Not yet: {n} of {all} numbers is wrong.", "Not yet: {n} of {all} numbers are wrong.", len(wrong)
    ).format(n=len(wrong), all=len(truth))
    if all(isinstance(n, int) for n in guess) and sorted(guess) == sorted(truth):
        said = _("Not yet: the numbers are right, but their order is not.")
    named = tuple(_("{label}: you answered {guess}").format(label=labels[i], guess=guess[i]) for i in wrong)
    counted = tuple(
        labelled(line, _why(names[i]) or _direction(guess[i], truth[i])) for line, i in zip(named, wrong, strict=True)
    )
    lines = tuple(_line(labels[i], names[i], truth[i], guess[i]) for i in wrong)
    return Verdict("wrong", said, lines, (named, counted, lines), guess)


def _line(label: str, name: str, size: int, guessed: object = None) -> str:
    said = _("{label}: it is {size}") if guessed is None else _("{label}: you answered {guess}, but it is {size}")
    why = _why(name)
    return said.format(label=label, guess=guessed, size=size) + (_(": {why}").format(why=why) if why else "")


def _why(name: str) -> str:
    return _(WHY.get(name, N_("a fixed width of the network") if name.isdigit() else ""))


def _direction(guessed: object, size: int) -> str:
    if not isinstance(guessed, int | float):
        return _("it must be a whole number")
    return _("that is too small") if guessed < size else _("that is too large")


def _shape(parts: Sequence[object]) -> str:
    return "[" + ", ".join(map(str, parts)) + "]"


def four_numbers(config: OMGConfig) -> tuple[int, int, int, int]:
    """Predict the batch size of the runner, the sample, the learner and the network.

    >>> four_numbers(OMGConfig(n_agents=8, batch_size=32))
    (1, 256, 32, 256)
    """
    plan = predict(config)
    groups, seats = plan["controller.init_hidden"].fields["hidden"].shape[:2]
    return plan["runner.run"].leading, plan["buffer.sample"].leading, groups, groups * seats
