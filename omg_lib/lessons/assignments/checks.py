"""Instant checks of the assignments: compare an answer with the library at visible sizes.

The points come from hidden tests at other sizes and with fresh seeds: a hard-coded answer passes here and fails there.
"""

from __future__ import annotations

import builtins
import copy
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from omg_lib.checks import Verdict
from omg_lib.config import ConfigError
from omg_lib.lessons.assignments.cases import VISIBLE
from omg_lib.lessons.assignments.cells import HELPERS, answer_text, cells_of, follow
from omg_lib.lessons.assignments.data import plain
from omg_lib.lessons.experiment import read_plan, read_results
from omg_lib.words import _, plural

NAMES = {"np": np, "torch": torch, "rearrange": rearrange, "repeat": repeat}
"""The names that an answer cell can use, besides Python's own."""
TOLERANCE = 1e-6
"""Relative and absolute, for floats."""


class NotYet(Exception):  # noqa: N818 -- shown to a student, for whom nothing went wrong
    """A verdict that is not right, raised because nbgrader's Validate looks for errors and numbers."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.said)
        self.verdict = verdict

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows instead of a traceback."""
        return repr(self.verdict).splitlines()


def check_answer(task: str, function: object, *helpers: object) -> Verdict:
    """Compare a task's function with the library at the visible sizes.

    The answer's cells run again by themselves, as in the grader, without names from other cells and without omg_lib.
    `helpers` are the functions of the HELPERS that this task may use. Under nbgrader's Validate, raise NotYet for a
    verdict that is not right.
    """
    return _shown(_verdict(task, function, helpers))


def check_results(path: str | Path, plan: Callable) -> Verdict:
    """Check that a file, saved by the panel of assignment 4, holds the finished runs of a plan."""
    try:
        wanted = read_plan(plain(run_alone("a4-plan", plan)()))
        read_results(path, wanted)
    except NotImplementedError:
        return _shown(Verdict("open", _("Not answered yet: write the plan first.")))
    except ConfigError as error:
        return _shown(Verdict("wrong", _("Not yet: {error}.").format(error=error)))
    except (Exception, SystemExit) as error:  # whatever a student's code does is told, not thrown
        return _shown(_stopped(error))
    return _shown(
        Verdict("right", _("Right: {seeds} seeds of each arm are finished and saved.").format(seeds=len(wanted.seeds)))
    )


def _shown(verdict: Verdict) -> Verdict:
    if not verdict.ok and os.environ.get("NBGRADER_EXECUTION") == "validate":
        raise NotYet(verdict)
    return verdict


def remember_cells() -> None:
    """Record from now on which cells belong to which answer, even if one was split; in JupyterLab only."""
    if shell := _shell():
        follow(shell)


def _shell() -> Any:
    """Return the notebook's IPython shell, or None."""
    return getattr(builtins, "get_ipython", lambda: None)()


def _verdict(task: str, function: object, helpers: Sequence[object]) -> Verdict:
    if not callable(function):
        return Verdict("open", _("Not answered yet: write the function in the cell above, and run both cells again."))
    try:
        own = run_alone(task, function, helpers)
        for args, truth in VISIBLE[task]():
            said, *lines = difference(plain(own(*copy.deepcopy(args))), truth) or [""]
            if said:
                return Verdict("wrong", _("Not yet: {said}").format(said=said), tuple(lines))
    except NotImplementedError:
        return Verdict("open", _("Not answered yet: put your code in the cell above, and run both cells again."))
    except (Exception, SystemExit) as error:  # whatever a student's code does is told, not thrown
        return _stopped(error)
    return Verdict("right", _("Right at these sizes. Your points come from tests at other sizes."))


def _stopped(error: BaseException) -> Verdict:
    alone = _("an answer cell runs by itself, without omg_lib: put its imports and helpers inside it")
    lines = (alone,) if isinstance(error, (NameError, ImportError)) else ()
    return Verdict(
        "wrong", _("Not yet: it stops with {name}: {error}").format(name=type(error).__name__, error=error), lines
    )


def run_alone(task: str, function: Callable, helpers: Sequence[Callable] = ()) -> Callable:
    """Rebuild the function from the text of the answer's cells alone (after those of the helpers), as the grader does.
    Raise what kept it from being built.
    """
    shell = _shell()
    if shell is None and function.__module__ != "__main__":  # from a module: it has no cell
        return function
    kept = {name: one for name, one in vars(builtins).items() if name not in ("get_ipython", "display")}
    own: dict[str, Any] = {"__name__": "answer", "__builtins__": kept | {"__import__": _guarded}} | NAMES
    name, failed = "", None
    for answer, one in zip((*HELPERS.get(task, ())[: len(helpers)], task), (*helpers, function), strict=True):
        name, cells = cells_of(answer, one, shell)
        if not cells:
            failed = NameError(
                _("no cell that ran here defines {name}: run the answer cell again").format(name=name or _("it"))
            )
        try:
            exec(compile(answer_text(cells), "<answer>", "exec", dont_inherit=True), own)
        except (Exception, SystemExit) as error:  # a cell that fails in its last line has still run the lines before
            failed = error
    if not callable(own.get(name)):
        raise failed or NameError(_("there is no function {name}").format(name=name))
    return own[name]


def _guarded(name: str, *rest: Any, **named: Any) -> Any:
    if name.split(".")[0] == "omg_lib":
        raise ImportError(_("an answer must be your own code: omg_lib is not available during grading"))
    return builtins.__import__(name, *rest, **named)


# --- is it the same? -------------------------------------------------------------------------------------------------


def difference(answer: object, truth: object) -> list[str]:
    """Return [] if the answer is right, else a sentence and, for some answers, a line for each wrong part.

    `truth` is plain data, a tensor, or a function that judges an answer in the same way. Floats may differ by
    TOLERANCE. Shapes may be tuples, lists or torch.Size; a number may be a tensor without axes. Never raises.
    """
    if callable(truth):
        return truth(answer)
    if answer is None and truth is not None:
        return [_("it returns nothing (a value that is printed is not returned).")]
    if isinstance(truth, Tensor) and truth.ndim:
        return _tensors(answer, truth)
    if isinstance(truth, Mapping):
        return _mappings(answer, truth)
    if isinstance(truth, (list, tuple)):
        same = isinstance(answer, (list, tuple)) and len(answer) == len(truth)
        same = same and not any(difference(one, other) for one, other in zip(answer, truth, strict=True))
    else:
        same = _scalars(answer, truth)
    return (
        []
        if same
        else [_("it returns {answer}; it should return {truth}.").format(answer=_show(answer), truth=_show(truth))]
    )


def _scalars(answer: object, truth: object) -> bool:
    if isinstance(answer, (Tensor, np.generic, np.ndarray)) and answer.ndim == 0:
        answer = answer.item()
    truth = truth.item() if isinstance(truth, Tensor) else truth
    if isinstance(truth, float):
        number = isinstance(answer, (int, float)) and not isinstance(answer, bool)
        return number and math.isclose(answer, truth, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(answer) is type(truth) and answer == truth


def _tensors(answer: object, truth: Tensor) -> list[str]:
    if isinstance(answer, np.ndarray):
        answer = torch.from_numpy(answer)
    if not isinstance(answer, Tensor):
        return [_("it returns {answer}; it should return a tensor.").format(answer=_show(answer))]
    if answer.shape != truth.shape:
        return [
            _("the shape is {shape}; it should be {right}.").format(shape=list(answer.shape), right=list(truth.shape))
        ]
    if _kind(answer) != _kind(truth):
        return [_("the numbers are {dtype}; they should be {wanted}.").format(dtype=answer.dtype, wanted=truth.dtype)]
    if truth.is_floating_point():
        same = torch.isclose(answer.double(), truth.double(), rtol=TOLERANCE, atol=TOLERANCE)
    else:
        same = answer == truth
    right = int(same.sum())
    if right == truth.numel():
        return []
    return [
        _("the shape is right, but not the content: {right} of {all} places are right.").format(
            right=right, all=truth.numel()
        )
    ]


def _kind(x: Tensor) -> str:
    return "fraction" if x.is_floating_point() else "bool" if x.dtype == torch.bool else "whole"


def _mappings(answer: object, truth: Mapping) -> list[str]:
    if not isinstance(answer, Mapping):
        return [_("it returns {answer}; it should return a dict.").format(answer=_show(answer))]
    lines = []
    for key, value in truth.items():
        if key not in answer:
            lines.append(_("{key}: missing").format(key=key))
        elif difference(answer[key], value):
            lines.append(
                _("{key}: yours is {answer}; it should be {value}").format(
                    key=key, answer=_show(answer[key]), value=_show(value)
                )
            )
    if not lines:
        return []
    said = plural("{n} of {all} entries is wrong.", "{n} of {all} entries are wrong.", len(lines))
    return [said.format(n=len(lines), all=len(truth)), *lines]


def _show(x: object) -> str:
    text = (
        _("a tensor {shape}").format(shape=list(x.shape))
        if isinstance(x, Tensor)
        else repr(list(x) if isinstance(x, tuple) else x)
    )
    return text if len(text) <= 80 else text[:77] + "..."
