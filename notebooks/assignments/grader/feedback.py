"""Feedback on an answer, in the grader's own words only.

A wrong submission could reveal its inputs in an exception, a name or a number, and the next one would know the hidden
tests. So feedback repeats nothing that submitted code made up: for an exception it shows Python's own type and the
student's line, for an answer its kind, and which axis or entry is wrong.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from grader.names import shown
from omg_lib.lessons.assignments.checks import difference
from omg_lib.words import N_, _, listing

SILENT = N_("it did not answer")
PLAIN = (
    N_("not answered"),
    N_("the answers are too large"),
    N_("the process ended before it had answered"),
    N_("stopped: it made a system call that no answer needs, such as to start a process or use the network"),
    SILENT,
)
"""The child's own messages, except those with a name or a number of seconds."""
VALUES = re.compile(r"\[[^\]]*\]|-?\d+(\.\d+)?(e-?\d+)?")
KINDS = (
    (bool, N_("True or False")), (int, N_("an integer")), (float, N_("a float")), (str, N_("a string")),
    (list, N_("a list")), (tuple, N_("a list")), (dict, N_("a dict")), (Tensor, N_("a tensor")),
    (object, N_("something else")),
)  # fmt: skip


def failure(told: object, sources: Sequence[str], function: str, seconds: int) -> str:
    """Return why there is no answer. `told` comes from the submission's process, so all of it may be forged."""
    if isinstance(told, str):
        return _childs(function, seconds).get(told, _(SILENT))
    try:
        kind, cell, number = told["kind"], told["cell"], told["line"]
        error = getattr(builtins, kind)
        if not issubclass(error, BaseException) or error.__name__ != kind:
            return _(SILENT)
        if cell is None:
            return _("the answer cannot be sent: allowed are numbers, strings, lists, dicts and ordinary tensors")
        line = sources[cell].splitlines()[number - 1].strip() if cell >= 0 and number > 0 else ""
    except (KeyError, TypeError, AttributeError, IndexError):
        return _(SILENT)
    said = _("{name} in your line: {line}").format(name=kind, line=shown(line))
    if issubclass(error, ImportError) and "omg_lib" in line:
        said += _(" (omg_lib is not available during grading)")
    return said


def _childs(function: str, seconds: int) -> dict[str, str]:
    """Return what the child may say, which is English, and what to say to a student instead."""
    counted = {
        f"stopped after {seconds} seconds of computing": _("stopped after {n} seconds of computing").format(n=seconds),
        f"stopped after {3 * seconds} seconds": _("stopped after {n} seconds").format(n=3 * seconds),
        f"there is no function {function}": _("there is no function {name}").format(name=function),
    }
    return {message: _(message) for message in PLAIN} | counted


def mismatch(answer: object, truth: object) -> str:
    """Return how an answer differs from the truth, "" if it does not, without a value of either."""
    said = difference(answer, truth)
    if not said:
        return ""
    if callable(truth):
        return VALUES.sub("N", said[0]).rstrip(".。")
    if answer is None:
        return said[0].rstrip(".。")
    if isinstance(truth, Tensor) and truth.ndim:
        return _tensors(answer, truth)
    answer, truth = (x.item() if isinstance(x, Tensor) and x.numel() == 1 else x for x in (answer, truth))
    if kind_of(answer) != kind_of(truth) and (type(answer), type(truth)) != (int, float):
        return _other_kind(answer, kind_of(truth))
    if isinstance(truth, Mapping):
        wrong = [key for key, value in truth.items() if key not in answer or difference(answer[key], value)]
        return _("wrong or missing: {names}").format(names=listing(wrong))
    if isinstance(truth, (list, tuple)) and len(answer) != len(truth):
        return _("the list is too short") if len(answer) < len(truth) else _("the list is too long")
    return _("it returns the wrong value")


def _other_kind(answer: object, wanted: str) -> str:
    return _("it returns {answer}; it should return {wanted}").format(answer=kind_of(answer), wanted=wanted)


def _tensors(answer: object, truth: Tensor) -> str:
    if not isinstance(answer, Tensor):
        return _other_kind(answer, _("a tensor"))
    if answer.ndim != truth.ndim:
        return _("the tensor has too few axes") if answer.ndim < truth.ndim else _("the tensor has too many axes")
    axes = [k for k, (one, other) in enumerate(zip(answer.shape, truth.shape, strict=True)) if one != other]
    if axes:
        return _("the tensor has the wrong size on axis {axes}").format(axes=listing(axes))
    if answer.is_floating_point() != truth.is_floating_point():
        return _("the numbers should be {dtype}").format(dtype=truth.dtype)
    return _("the shape is right, but not the content")


def kind_of(x: object) -> str:
    """Return the kind of a value in words, such as "an integer"."""
    return _(next(words for kind, words in KINDS if isinstance(x, kind)))
