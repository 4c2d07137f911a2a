"""Hidden tests of assignment 4, an experiment: the plan, the runs, the interval. Plot and text are marked by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from grader.process import Failed
from grader.tasks import Criterion, Task, equal, generator
from omg_lib.config import ConfigError
from omg_lib.lessons.assignments.cases import interval, planned
from omg_lib.lessons.assignments.data import Case
from omg_lib.lessons.assignments.loss_cases import normal
from omg_lib.lessons.experiment import (
    ARMS,
    SEEDS,
    again,
    one_difference,
    read_plan,
    read_results,
    seeds_of,
    settings,
)
from omg_lib.words import _


def told(judge: Callable[[object], object]) -> Callable[[Sequence[Case], Sequence[object]], str]:
    """Turn a check of the one answer, which raises ConfigError or returns what is wrong, into a judge."""

    def told_of(cases: Sequence[Case], answers: Sequence[object]) -> str:
        if isinstance(answers[0], Failed):
            return answers[0].why
        try:
            return judge(answers[0]) or ""
        except ConfigError as error:
            return f"{error.name}: {error.allowed}"  # not the value, which the submission chose

    return told_of


def legal(plan: dict) -> None:
    for arm in ARMS:
        settings(plan[arm])


def differs(plan: dict) -> None:
    one_difference(*(settings(plan[arm]) for arm in ARMS))


def seeds(plan: dict) -> None:
    seeds_of(plan["seeds"])


def tasks(folder: Path) -> list[Task]:
    """The tests; `folder` is the submission's, with the file that the panel saved."""

    def finished(plan: object) -> None:
        read_results(folder / "results.json", read_plan(plan))

    def real(plan: object, random: Random) -> str:
        wanted = read_plan(plan)
        results = read_results(folder / "results.json", wanted)
        arm, seed = random.choice(ARMS), random.choice(wanted.seeds)
        same = again(results, wanted, arm, seed)
        said = _("{arm}, seed {seed}, gives another result when it runs again").format(arm=arm, seed=seed)
        return "" if same else said

    def bands(random: Random) -> list[tuple[str, Case]]:
        shapes = [(seeds, updates) for seeds in SEEDS for updates in (1, random.randint(2, 20))]
        return [("", interval(normal(generator(random), *shape))) for shape in shapes]

    def means(cases: Sequence[Case], answers: Sequence[object]) -> str:
        rows = [answer if isinstance(answer, Failed) else answer[1] for answer in answers]
        return equal([(args, args[0].mean(dim=0)) for args, __ in cases], rows)

    one_plan = lambda random: [("", planned())]  # noqa: E731 -- three times the same
    chance = Random()
    return [
        Task("a4-plan-test", "a4-plan", one_plan, [
            Criterion(_("both arms have settings that are allowed"), 1, told(legal)),
            Criterion(_("they differ in one setting"), 1, told(differs)),
            Criterion(_("at least three seeds"), 1, told(seeds)),
        ]),
        Task("a4-results-test", "a4-plan", one_plan, [
            Criterion(_("every seed of both arms is finished"), 1, told(finished)),
            Criterion(_("a run that is trained again comes out the same"), 2, told(lambda plan: real(plan, chance))),
        ]),
        Task("a4-band-test", "a4-band", bands, [
            Criterion(_("the mean"), 1, means),
            Criterion(_("the interval, for any number of seeds"), 3, equal),
        ]),
    ]  # fmt: skip
