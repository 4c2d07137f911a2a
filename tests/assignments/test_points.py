"""Every criterion: at least five wrong answers that lose it, and right answers in several styles that keep it."""

import importlib

import pytest

from tests.helpers.answers import strange
from tests.helpers.variants import points, task_of, with_body

TABLES = {name: importlib.import_module(f"tests.helpers.answers.{name}") for name in ("a1", "a2", "a3", "a4")}
TASKS = [task for table in TABLES.values() for task in table.WRONG]


@pytest.fixture(scope="module")
def references(solved):
    """references("a1-rows") -> the reference solution's answer cells, by grade_id."""
    made = {name: {cell.id: cell.source for cell in solved(name).cells if cell.cell_type == "code"} for name in TABLES}
    return lambda answer: made[answer[:2]]


@pytest.mark.slow
@pytest.mark.parametrize("answer", TASKS)
def test_each_answer_has_exactly_the_points_that_are_due(answer, references):
    table = TABLES[answer[:2]]
    most = "".join(str(criterion.points) for criterion in task_of(f"{answer}-test").criteria)
    right = [*table.RIGHT[answer], *strange.RIGHT.get(answer, ())]
    due = {"r": most} | dict.fromkeys(right, most) | table.WRONG[answer] | strange.WRONG.get(answer, {})
    given = points(f"{answer}-test", with_body(answer, references(answer), list(due)))
    assert dict(zip(due, given, strict=True)) == due


@pytest.mark.parametrize("answer", TASKS)
def test_each_criterion_is_lost_by_five_wrong_answers_and_kept_by_right_ones(answer):
    table = TABLES[answer[:2]]
    for place, _ in enumerate(task_of(f"{answer}-test").criteria):
        assert sum(due[place] == "0" for due in table.WRONG[answer].values()) >= 5
    assert len(table.RIGHT[answer]) >= 2


def test_no_answer_was_forgotten():
    from omg_lib.lessons.assignments.cells import FUNCTIONS

    assert sorted(TASKS) == sorted(FUNCTIONS)
