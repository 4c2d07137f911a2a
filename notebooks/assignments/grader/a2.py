"""Hidden tests of assignment 2, the buffer: other capacities, scarce seats, many draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch

from grader.process import Failed
from grader.tasks import Criterion, Task, equal
from omg_lib.lessons.assignment_cases import (
    Case,
    can_sample,
    counterexample,
    insert,
    max_t_filled,
    sample,
    stack,
)

DRAWS = 60
"""Samples of half of each ring: that a fair sampler misses an episode in all of them has a chance of 1 in 2 ** 60."""


def insert_cases(random: Random) -> list[tuple[str, Case]]:
    capacities = [random.randint(3, 9) for _ in range(4)]
    room = [("room", insert(capacity, random.randint(0, capacity - 1))) for capacity in capacities]
    return room + [("full", insert(c, c * random.randint(1, 4) + random.randint(0, c - 1))) for c in capacities]


def enough_cases(random: Random) -> list[tuple[str, Case]]:
    """Seats that hold equally many, just enough and just too few; and one seat that is scarce, or not."""
    made = []
    for _ in range(4):
        agents, groups = random.randint(3, 7), random.randint(2, 6)
        n, more = agents * groups, [groups + random.randint(1, 9) for _ in range(agents)]
        scarce, just = random.randrange(agents), list(more)
        more[scarce], just[scarce] = groups - 1, groups
        made += [("even", can_sample([groups + k] * agents, n)) for k in (-1, 0, 1)]
        made += [("scarce", can_sample(more, n)), ("scarce", can_sample(just, n))]
    return made


def sample_cases(random: Random) -> list[tuple[str, Case]]:
    held = [random.randint(4, 8) for _ in range(random.randint(3, 6))]
    whole = [random.randint(2, 5)] * 4
    return [
        *(("seats", sample(held, random.randint(1, 4), random.getrandbits(30))) for _ in range(6)),
        *(("seats", sample(whole, whole[0], random.getrandbits(30))) for _ in range(6)),
        *(("chance", sample([4, 4, 4], 2, random.getrandbits(30))) for _ in range(DRAWS)),
    ]


def right_seats(cases: Sequence[Case], answers: Sequence[object]) -> str:
    """Row k holds an episode of seat k % A, whether or not another row holds it as well."""
    for ((rings, n, _), _), answer in zip(cases, answers, strict=True):
        if isinstance(answer, Failed):
            return answer.why
        if not isinstance(answer, list) or len(answer) != n:
            return f"a list of {n} episodes is asked for"
        if any(episode not in rings[row % len(rings)] for row, episode in enumerate(answer)):
            return "a row holds an episode of another seat"
    return ""


def by_chance(cases: Sequence[Case], answers: Sequence[object]) -> str:
    """Every sample is right, every episode comes in some of them, and in every row."""
    wrong = equal(cases, answers)
    if wrong:
        return wrong
    rings = cases[0][0][0]
    for row in range(len(answers[0])):
        if {answer[row] for answer in answers} != set(rings[row % len(rings)]):
            return f"in {DRAWS} samples with {DRAWS} seeds, row {row} never holds some of its seat's episodes"
    return ""


def length_cases(random: Random) -> list[tuple[str, Case]]:
    made = []
    for episodes in (1, 3, 5, 8):
        rows = random.randint(10, 30)
        lengths = torch.tensor([random.randint(2, rows) for _ in range(episodes)])
        made.append(("", max_t_filled((torch.arange(rows) < lengths.unsqueeze(1)).unsqueeze(2))))
    return made


def stack_cases(random: Random) -> list[tuple[str, Case]]:
    made = []
    for episodes in (1, 2, 4, 6):
        rows = random.randint(6, 12)
        lengths = [random.randint(2, rows) for _ in range(episodes)]
        made.append(("", stack(lengths, rows, random.randint(1, 5))))
    return made


def chance_cases(random: Random) -> list[tuple[str, Case]]:
    made = []
    for _ in range(5):
        agents, held = random.randint(2, 8), random.randint(2, 30)
        made.append(("", ((agents, held), held**agents / math.comb(agents * held, agents))))
    return made


def naive_cases(random: Random) -> list[tuple[str, Case]]:
    sizes = [(random.randint(2, 6), random.randint(2, 8)) for _ in range(4)]
    return [("", counterexample(agents, agents * groups)) for agents, groups in [*sizes, (2, 2), (5, 2)]]


def tasks(folder: Path) -> list[Task]:
    """The tests; what else a submission holds plays no part."""
    return [
        Task("a2-insert-test", "a2-insert", insert_cases, [
            Criterion("while there is room", 1, equal, "room"),
            Criterion("a full ring: the oldest goes, the others keep their places", 3, equal, "full"),
        ]),
        Task("a2-can-sample-test", "a2-can-sample", enough_cases, [
            Criterion("all seats hold equally many", 1, equal, "even"),
            Criterion("one seat holds fewer", 2, equal, "scarce"),
        ]),
        Task("a2-sample-test", "a2-sample", sample_cases, [
            Criterion("every row has its own seat", 2, right_seats, "seats"),
            Criterion("without replacement", 1, equal, "seats"),
            Criterion("every episode may come, in every row of its seat", 2, by_chance, "chance"),
        ]),
        Task("a2-max-t-test", "a2-max-t", length_cases, [Criterion("the longest episode", 2, equal)]),
        Task("a2-stack-test", "a2-stack", stack_cases, [Criterion("numbers, zeros and mask", 2, equal)]),
        Task("a2-counterexample-test", "a2-counterexample", naive_cases,
             [Criterion("the naive buffer samples, and no draw can be regrouped", 2, equal)]),
        Task("a2-luck-test", "a2-luck",
             chance_cases, [Criterion("the chance", 2, equal)]),
    ]  # fmt: skip
