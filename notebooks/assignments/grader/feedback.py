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

from grader.child import NO_ANSWER_NEEDS
from grader.names import shown
from omg_lib.lessons.assignments.checks import difference

SILENT = "it did not answer"
PLAIN = (
    "not answered",
    "the answers are too large",
    "the process ended before it had answered",
    NO_ANSWER_NEEDS,
    SILENT,
)
"""The child's own messages, except those with a number of seconds."""
VALUES = re.compile(r"\[[^\]]*\]|-?\d+(\.\d+)?(e-?\d+)?")
KINDS = (
    (bool, "True or False"), (int, "an integer"), (float, "a float"), (str, "a string"),
    (list, "a list"), (tuple, "a list"), (dict, "a dict"), (Tensor, "a tensor"), (object, "something else"),
)  # fmt: skip


def failure(told: object, sources: Sequence[str], function: str, seconds: int) -> str:
    """Return why there is no answer. `told` comes from the submission's process, so all of it may be forged."""
    lasted = (f"stopped after {seconds} seconds of computing", f"stopped after {3 * seconds} seconds")
    if isinstance(told, str):
        return told if told in (*PLAIN, *lasted, f"there is no function {function}") else SILENT
    try:
        kind, cell, number = told["kind"], told["cell"], told["line"]
        error = getattr(builtins, kind)
        if not issubclass(error, BaseException) or error.__name__ != kind:
            return SILENT
        if cell is None:
            return "the answer cannot be sent: allowed are numbers, strings, lists, dicts and ordinary tensors"
        line = sources[cell].splitlines()[number - 1].strip() if cell >= 0 and number > 0 else ""
    except (KeyError, TypeError, AttributeError, IndexError):
        return SILENT
    said = f"{kind} in your line: {shown(line)}"
    if issubclass(error, ImportError) and "omg_lib" in line:
        said += " (omg_lib is not available during grading)"
    return said


def mismatch(answer: object, truth: object) -> str:
    """Return how an answer differs from the truth, "" if it does not, without a value of either."""
    said = difference(answer, truth)
    if not said:
        return ""
    if callable(truth):
        return VALUES.sub("N", said[0]).rstrip(".")
    if answer is None:
        return said[0].rstrip(".")
    if isinstance(truth, Tensor) and truth.ndim:
        return _tensors(answer, truth)
    answer, truth = (x.item() if isinstance(x, Tensor) and x.numel() == 1 else x for x in (answer, truth))
    if kind_of(answer) != kind_of(truth) and (type(answer), type(truth)) != (int, float):
        return f"it returns {kind_of(answer)}; it should return {kind_of(truth)}"
    if isinstance(truth, Mapping):
        wrong = [key for key, value in truth.items() if key not in answer or difference(answer[key], value)]
        return f"wrong or missing: {', '.join(wrong)}"
    if isinstance(truth, (list, tuple)) and len(answer) != len(truth):
        return f"the list is too {'short' if len(answer) < len(truth) else 'long'}"
    return "it returns the wrong value"


def _tensors(answer: object, truth: Tensor) -> str:
    if not isinstance(answer, Tensor):
        return f"it returns {kind_of(answer)}; it should return a tensor"
    if answer.ndim != truth.ndim:
        return f"the tensor has too {'few' if answer.ndim < truth.ndim else 'many'} axes"
    axes = [k for k, (one, other) in enumerate(zip(answer.shape, truth.shape, strict=True)) if one != other]
    if axes:
        return "the tensor has the wrong size on axis " + ", ".join(map(str, axes))
    if answer.is_floating_point() != truth.is_floating_point():
        return f"the numbers should be {truth.dtype}"
    return "the shape is right, but not the content"


def kind_of(x: object) -> str:
    """Return the kind of a value in words, such as "an integer"."""
    return next(words for kind, words in KINDS if isinstance(x, kind))
