"""From answers to points: a task makes several calls; each criterion must hold in all calls that it looks at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from random import Random

import torch
from torch import Tensor

from grader.feedback import mismatch
from grader.process import Failed, Question, ask
from omg_lib.lessons.assignments.cases import Case
from omg_lib.lessons.assignments.cells import FUNCTIONS, HELPERS
from omg_lib.lessons.assignments.data import plain
from omg_lib.words import _

Judge = Callable[[Sequence[Case], Sequence[object]], str]
"""Cases and their answers -> what is wrong, "" if nothing is."""


@dataclass(frozen=True)
class Criterion:
    """What earns a number of points. `about` selects the cases that it looks at, by their kind."""

    says: str
    points: int
    judge: Judge
    about: str = ""


@dataclass(frozen=True)
class Task:
    """One graded cell: its grade_id, the answer that it tests, and the hidden tests.

    `cases(random)` makes (kind, case) pairs at several sizes, with fresh numbers and expected values from the library.
    """

    grade_id: str
    answer: str
    cases: Callable[[Random], list[tuple[str, Case]]]
    criteria: Sequence[Criterion]

    @property
    def points(self) -> int:
        return sum(criterion.points for criterion in self.criteria)


@dataclass(frozen=True)
class Mark:
    """The result of one criterion: points, and why not more."""

    says: str
    points: int
    most: int
    why: str = ""

    def __str__(self) -> str:
        said = _("{points} of {most}: {says}").format(points=self.points, most=self.most, says=self.says)
        return said + (_(" ({why})").format(why=self.why) if self.why else "")


def equal(cases: Sequence[Case], answers: Sequence[object]) -> str:
    """Require that every answer equals the library's."""
    for (__, truth), answer in zip(cases, answers, strict=True):
        wrong = answer.why if isinstance(answer, Failed) else mismatch(answer, truth)
        if wrong:
            return wrong
    return ""


def entries(*keys: str) -> Judge:
    """Return a judge that requires these entries of a dict to equal the library's."""

    def judge(cases: Sequence[Case], answers: Sequence[object]) -> str:
        parts = [(args, {key: truth[key] for key in keys}) for args, truth in cases]
        return equal(parts, answers)

    return judge


def marks(
    tasks: Sequence[Task],
    sources: dict[str, str],
    seed: int,
    python: Sequence[str],
    seconds: int,
    unsafe: bool = False,
) -> dict[str, list[Mark]]:
    """Return the marks of every task, by grade_id. `sources` are a notebook's answer cells, by grade_id. Nothing that a
    submission does raises here.
    """
    made = [task.cases(Random(f"{seed} {task.grade_id}")) for task in tasks]
    asked = [question(task, cases, sources) for task, cases in zip(tasks, made, strict=True)]
    given = ask(asked, python, seconds, unsafe)
    return {
        task.grade_id: judged(task, cases, answers)
        for task, cases, answers in zip(tasks, made, given, strict=True)
    }


def question(task: Task, cases: Sequence[tuple[str, Case]], sources: dict[str, str]) -> Question:
    """Return the question to ask a submission whose answer cells are `sources`."""
    cells = [*HELPERS.get(task.answer, ()), task.answer]
    return Question(
        [sources[cell] for cell in cells if cell in sources], FUNCTIONS[task.answer], [args for __, (args, __) in cases]
    )


def judged(task: Task, cases: Sequence[tuple[str, Case]], answers: Sequence[object]) -> list[Mark]:
    """Return the marks of one task, from the answers to all its cases."""
    answers = [answer if isinstance(answer, Failed) else plain(answer) for answer in answers]
    return [_mark(criterion, cases, answers) for criterion in task.criteria]


def _mark(criterion: Criterion, cases: Sequence[tuple[str, Case]], answers: Sequence[object]) -> Mark:
    about = [criterion.about in ("", kind) for kind, __ in cases]
    try:
        why = criterion.judge([case for __, case in compress(cases, about)], list(compress(answers, about)))
    except Exception as error:  # a strange answer is a wrong answer
        why = _("the answer cannot be judged: {name}").format(name=type(error).__name__)
    return Mark(criterion.says, 0 if why else criterion.points, criterion.points, why)


def generator(random: Random) -> torch.Generator:
    return torch.Generator().manual_seed(random.getrandbits(32))


def mixed(random: Random, *shape: int) -> Tensor:
    """Return different numbers of both signs, float32, in an order that no answer can know without reading them."""
    numbers = torch.randperm(1000 + math.prod(shape), generator=generator(random))
    return numbers[: math.prod(shape)].float().sub(500).reshape(shape)


def some(random: Random, *ranges: tuple[int, int]) -> list[int]:
    return [random.randint(low, high) for low, high in ranges]


def sizes(random: Random, *ranges: tuple[int, int]) -> list[list[int]]:
    """Draw sizes four times, and once more for each axis, with the least size on it: most often 1."""
    made = [some(random, *ranges) for __ in range(len(ranges) + 4)]
    for axis, (least, __) in enumerate(ranges):
        made[axis][axis] = least
    return made
