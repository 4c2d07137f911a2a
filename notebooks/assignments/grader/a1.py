"""Hidden tests of assignment 1, shapes: sizes that the notebook does not show."""

from __future__ import annotations

from pathlib import Path
from random import Random

from grader.tasks import Criterion, Task, entries, equal, mixed, sizes
from omg_lib.config import OMGConfig
from omg_lib.lessons.assignments.cases import (
    REGROUPED,
    SUBGOALS,
    Case,
    acting,
    arithmetic,
    learning,
    own_seat,
    sampling,
    to_rows,
    to_slots,
)
from omg_lib.lessons.regroup_answers import labelled
from omg_lib.words import _

PER_SEAT = ("obs", "actions", "avail_actions")
AFTER = ("truncate obs", "truncate reward", "to_device obs", "to_device reward")
PER_EPISODE = ("state", "reward", "terminated", "filled", "seat")


def config(random: Random, learner: str = "omg", runner: str = "between") -> OMGConfig:
    """Return any team size but the notebook's eight; the runner steps one episode, a group, or some in between."""
    agents = random.choice([4, 6, 9, 10, 12, 14, 15, 16])
    between = random.choice([r for r in range(2, agents) if agents % r == 0])
    width = {"one": 1, "between": between, "all": agents}[runner]
    return OMGConfig(
        n_agents=agents, batch_size=random.randint(5, 30), batch_size_run=width, learner=learner,
        t_max=random.randint(1000, 9999), horizon=random.randint(2, 9), subgoal_dim=random.randint(10, 50),
    )  # fmt: skip


def of_configs(case, random: Random, *more: int, learner: str = "omg", **game: int) -> list[tuple[str, Case]]:
    runners = ("one", "between", "between", "all")
    return [(learner, case(config(random, learner, runner), *more, **game)) for runner in runners]


def in_game(case, random: Random, *more: int) -> list[tuple[str, Case]]:
    """Make cases in a game of which no size follows from the others, unlike in the course's."""
    sizes = dict(zip("LOSC", random.sample(range(20, 400), 4), strict=True))
    return of_configs(case, random, *more, **sizes)


def row_cases(random: Random) -> list[tuple[str, Case]]:
    return [("", to_rows(mixed(random, *shape))) for shape in sizes(random, (1, 7), (1, 7), (2, 7), (1, 7))]


def slot_cases(random: Random) -> list[tuple[str, Case]]:
    return [("", to_slots(mixed(random, groups), agents)) for groups, agents in sizes(random, (1, 9), (2, 7))]


def seat_cases(random: Random) -> list[tuple[str, Case]]:
    """Make samples without labels, so that no answer can read its rows' seats in them."""
    made = []
    for *shape, width in [*sizes(random, (1, 5), (2, 5), (1, 5), (1, 4)), (4, 4, 4, 4)]:
        sample = labelled(*shape)
        sample["obs"] = mixed(random, *sample["obs"].shape[:3], width).long()
        made.append(("", own_seat(sample)))
    return made


def tasks(folder: Path) -> list[Task]:
    """The tests; what else a submission holds plays no part."""
    return [
        Task(
            "a1-arithmetic-test", "a1-arithmetic",
            lambda random: of_configs(arithmetic, random) + of_configs(arithmetic, random, learner="iql"),
            [
                Criterion(_("sample_size with teammates"), 1, entries("sample_size"), "omg"),
                Criterion(_("runs_per_update with teammates"), 1, entries("runs_per_update"), "omg"),
                Criterion(_("t_max_total with teammates"), 1, entries("t_max_total"), "omg"),
                Criterion(_("network_rows with teammates"), 1, entries("network_rows"), "omg"),
                Criterion(_("all four numbers without teammates"), 2, equal, "iql"),
            ],
        ),
        Task(
            "a1-acting-test", "a1-acting",
            lambda random: in_game(acting, random),
            [
                Criterion(_("fields of every seat"), 1, entries(*PER_SEAT)),
                Criterion(_("fields of the whole episode"), 1, entries(*PER_EPISODE)),
            ],
        ),
        Task(
            "a1-sampling-test", "a1-sampling",
            lambda random: in_game(sampling, random, random.randint(9, 20)),
            [
                Criterion(_("the sample"), 1, entries("sample obs", "sample reward")),
                Criterion(_("truncated, and on the device"), 1, entries(*AFTER)),
            ],
        ),
        Task(
            "a1-learning-test", "a1-learning",
            lambda random: in_game(learning, random, random.randint(9, 20)),
            [
                Criterion(_("regrouped"), 1, entries(*REGROUPED)),
                Criterion(_("the OMG loss"), 2, entries(*SUBGOALS)),
                Criterion(_("hidden state, values and loss"), 1, entries("hidden", "q", "loss")),
            ],
        ),
        Task("a1-rows-test", "a1-rows", row_cases,
             [Criterion(_("every row is one slot's own sequence"), 2, equal)]),
        Task("a1-slots-test", "a1-slots", slot_cases,
             [Criterion(_("every row has its own group's number"), 2, equal)]),
        Task("a1-seat-test", "a1-seat", seat_cases,
             [Criterion(_("every slot holds its own seat's data"), 2, equal)]),
    ]  # fmt: skip
