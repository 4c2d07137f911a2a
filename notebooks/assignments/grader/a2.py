"""Hidden tests of assignment 2, the buffer: other capacities, scarce seats, many draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, islice
from pathlib import Path
from random import Random

import torch

from grader.process import Failed
from grader.tasks import Criterion, Task, equal, mixed
from omg_lib.lessons.assignments.cases import (
    Case,
    can_sample,
    counterexample,
    insert,
    max_t_filled,
    sample,
    seats_drawn,
    stack,
)
from omg_lib.words import _, listing

DRAWS = 500
"""Samples of each team, each with its own seed; a fair sampler fails by bad luck once in 10 ** 11 gradings."""
TWICE = 20
"""How many of them are drawn twice."""
HELD = {2: (4, 8), 3: (3, 4)}
"""Seats of these teams -> least and most episodes of a seat: so few that every combination is drawn some times."""


def numbered(random: Random, held: Sequence[int]) -> list[list[int]]:
    """Return rings of so many episodes, numbered in no order."""
    numbers = iter(random.sample(range(10**6), sum(held)))
    return [list(islice(numbers, count)) for count in held]


def insert_cases(random: Random) -> list[tuple[str, Case]]:
    """Make cases for the first place of a ring, its last, and some between; full rings go round once or more."""
    made = []
    for place in ("first", "last", "between", "between"):
        capacity = random.randint(3, 9)
        k = {"first": 0, "last": capacity - 1, "between": random.randint(1, capacity - 2)}[place]
        for rounds in (0, 1, random.randint(2, 4)):
            (episodes,) = numbered(random, [rounds * capacity + k + 1])
            made.append(("full" if rounds else "room", insert(capacity, episodes)))
    return made


def enough_cases(random: Random) -> list[tuple[str, Case]]:
    """Make cases with equal seats (just enough, one too few, one more), and with one seat that is scarce or not."""
    made, agents = [], random.randint(5, 7)
    for scarce in range(agents):
        groups = random.randint(2, 6)
        n, more = agents * groups, [groups + random.randint(1, 9) for __ in range(agents)]
        just = list(more)
        more[scarce], just[scarce] = groups - 1, groups
        made += [("even", can_sample([groups + k] * agents, n)) for k in (-1, 0, 1)]
        made += [("scarce", can_sample(more, n)), ("scarce", can_sample(just, n))]
    return made


def sample_cases(random: Random) -> list[tuple[str, Case]]:
    some = numbered(random, [random.randint(4, 8) for __ in range(random.randint(3, 6))])
    whole = numbered(random, [random.randint(2, 5)] * 4)
    drawn = []
    for seats, held in HELD.items():
        rings, groups = numbered(random, [random.randint(*held) for __ in range(seats)]), random.randint(2, 3)
        drawn += [sample(rings, groups, random.getrandbits(30)) for __ in range(DRAWS)]
    return [
        *(("seats", sample(some, random.randint(1, 4), random.getrandbits(30))) for __ in range(6)),
        *(("seats", sample(whole, len(whole[0]), random.getrandbits(30))) for __ in range(6)),
        *(("chance", case) for case in [*drawn, *reversed(drawn[:TWICE])]),
    ]


def right_seats(cases: Sequence[Case], answers: Sequence[object]) -> str:
    """Require that row k holds an episode of seat k % A, even if another row holds it too."""
    for ((rings, n, __), __), answer in zip(cases, answers, strict=True):
        if isinstance(answer, Failed):
            return answer.why
        if wrong := seats_drawn(answer, rings, n):
            return wrong.rstrip(".。")
    return ""


def by_chance(cases: Sequence[Case], answers: Sequence[object]) -> str:
    """Require that every sample is right, that a seed always gives the same one, and that no choice is preferred over
    many seeds: no episode in a row, no pair of one seat, and no combination of several seats.
    """
    wrong = equal(cases, answers)
    if wrong:
        return wrong
    told: dict[int, dict[int, object]] = {seats: {} for seats in HELD}
    for ((rings, __, seed), __), answer in zip(cases, answers, strict=True):
        if told[len(rings)].setdefault(seed, answer) != answer:
            return _("the same seed gave another sample, so not all randomness comes from it")
    for rings, n in {len(rings): (rings, n) for (rings, n, __), __ in cases}.values():
        drawn, seats = told[len(rings)].values(), len(rings)
        for rows in [*combinations(range(n), 2), *(range(g, g + seats) for g in range(0, n, seats))]:
            places = Counter(row % seats for row in rows)
            kinds = math.prod(math.perm(len(rings[seat]), count) for seat, count in places.items())
            if uneven(Counter(tuple(answer[row] for row in rows) for answer in drawn), kinds, len(drawn)):
                said = _(
                    "in {n} samples with as many seeds, rows {rows} hold some episodes together more often than others"
                )
                return said.format(n=len(drawn), rows=listing(rows))
    return ""


def uneven(drawn: Counter, kinds: int, draws: int) -> bool:
    """Whether `kinds` equally likely results would hardly ever look like this: chi squared beyond 7.5 standard
    deviations of a normal variable, once in 10 ** 13, by Wilson and Hilferty's approximation.
    """
    due, free = draws / kinds, kinds - 1
    distance = sum((count - due) ** 2 for count in drawn.values()) / due + (kinds - len(drawn)) * due
    most = free * (1 - 2 / (9 * free) + 7.5 * math.sqrt(2 / (9 * free))) ** 3
    return distance > most


def length_cases(random: Random) -> list[tuple[str, Case]]:
    """Make cases where the longest episode is the only one, the last, the first, or between; once it fills all rows."""
    made = []
    for episodes, longest in ((1, 0), (3, 2), (5, 0), (8, random.randint(1, 6))):
        rows = random.randint(10, 30)
        most = rows if episodes == 5 else random.randint(6, rows - 1)
        lengths = torch.tensor([random.randint(2, most - 1) for __ in range(episodes)])
        lengths[longest] = most
        made.append(("", max_t_filled((torch.arange(rows) < lengths.unsqueeze(1)).unsqueeze(2))))
    return made


def stack_cases(random: Random) -> list[tuple[str, Case]]:
    made = []
    for episodes in (1, 2, 4, 6):
        rows = random.randint(6, 12)
        lengths = [random.randint(2, rows) for __ in range(episodes)]
        if episodes > 1:
            lengths[random.randrange(episodes)] = 1
        played = mixed(random, sum(lengths), random.randint(1, 5)).split(lengths)
        for one in (one for one in played if len(one) > 1):
            one[random.randrange(len(one))] = 0.0  # so the numbers do not tell what was played
        made.append(("", stack(played, rows)))
    return made


def chance_cases(random: Random) -> list[tuple[str, Case]]:
    made = []
    for __ in range(5):
        agents, held = random.randint(2, 8), random.randint(2, 30)
        made.append(("", ((agents, held), held**agents / math.comb(agents * held, agents))))
    return made


def naive_cases(random: Random) -> list[tuple[str, Case]]:
    sizes = [(random.randint(2, 6), random.randint(2, 8)) for __ in range(4)]
    return [("", counterexample(agents, agents * groups)) for agents, groups in [*sizes, (2, 2), (5, 2)]]


def tasks(folder: Path) -> list[Task]:
    """The tests; what else a submission holds plays no part."""
    return [
        Task("a2-insert-test", "a2-insert", insert_cases, [
            Criterion(_("while there is room"), 1, equal, "room"),
            Criterion(_("a full ring: the oldest goes, the others keep their places"), 3, equal, "full"),
        ]),
        Task("a2-can-sample-test", "a2-can-sample", enough_cases, [
            Criterion(_("all seats hold equally many"), 1, equal, "even"),
            Criterion(_("one seat holds fewer"), 2, equal, "scarce"),
        ]),
        Task("a2-sample-test", "a2-sample", sample_cases, [
            Criterion(_("every row has its own seat"), 2, right_seats, "seats"),
            Criterion(_("without replacement"), 1, equal, "seats"),
            Criterion(_("every choice equally likely, with all randomness from the seed"), 2, by_chance, "chance"),
        ]),
        Task("a2-max-t-test", "a2-max-t", length_cases, [Criterion(_("the longest episode"), 2, equal)]),
        Task("a2-stack-test", "a2-stack", stack_cases, [Criterion(_("numbers, zeros and mask"), 2, equal)]),
        Task("a2-counterexample-test", "a2-counterexample", naive_cases,
             [Criterion(_("the naive buffer samples, and no draw can be regrouped"), 2, equal)]),
        Task("a2-luck-test", "a2-luck",
             chance_cases, [Criterion(_("the probability"), 2, equal)]),
    ]  # fmt: skip
