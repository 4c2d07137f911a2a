"""Mutation testing of the reference solutions: a mutant that keeps all points reveals a missing test."""

import pytest

from omg_lib.lessons.assignments.cells import FUNCTIONS
from tests.helpers.mutants import mutants
from tests.helpers.variants import points, task_of

SAME: dict[str, list[str]] = {
    "a2-stack": ["0 -> -1"],  # the last episode is as wide as the first
    "a2-counterexample": ["0 -> 1"],  # a different seat
    "a3-regroup": ["0 -> -1", "0 -> -1"],  # the seat at the last step, on an axis of length 1
    "a3-windows": ["torch.minimum(ahead, last.unsqueeze(1)) -> torch.minimum(last.unsqueeze(1), ahead)"],
    "a3-choose": ["1 -> 2", "1 -> 2"],  # twice the values, or minus twice
    "a3-mean": ["max(len(kept), 1) -> max(1, len(kept))"],
    "a4-plan": ["1 -> 2", "2 -> 3", "5 -> 4", "5 -> 6", "[0, 1, 2] -> [2, 1, 0]"],  # other plans
    "a4-band": ["values.std(dim=0, correction=1) -> values.std(dim=0)"],  # torch's default
}
"""Changes that keep a solution right, by answer: no test is missing."""


@pytest.mark.slow
@pytest.mark.parametrize("answer", FUNCTIONS)
def test_every_changed_solution_loses_points_or_is_known_to_be_right(answer, solved):
    cells = {cell.id: cell.source for cell in solved(answer[:2]).cells if cell.cell_type == "code"}
    what, changed = zip(*mutants(cells[answer]), strict=True)
    task = task_of(f"{answer}-test")
    most = "".join(str(criterion.points) for criterion in task.criteria)
    given = points(task.grade_id, [cells | {answer: source} for source in changed])
    assert len(given) >= 2 and any(one != most for one in given)
    assert sorted(one for one, got in zip(what, given, strict=True) if got == most) == SAME.get(answer, [])
