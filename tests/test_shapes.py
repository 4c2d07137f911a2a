"""What tests/helpers/shapes.py checks in every test: each signature that names a shape, and no other."""

import dataclasses
import inspect
import re
from pathlib import Path

import beartype
import jaxtyping
import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from omg_lib import contract, networks, subgoals
from omg_lib.experiment import gridworld
from tests.helpers.shapes import LIBRARY, each_kind_once, kind, names_a_shape

Alias = Float[Tensor, " rows"]


def plain(x: int) -> "Tensor": ...
def shaped(x: "Float[Tensor, 'rows columns'] | None") -> None: ...
def aliased() -> "list[Alias]": ...


@dataclasses.dataclass
class Held:
    x: Float[Tensor, " rows"]


class Inherits(Held):
    pass


@pytest.mark.parametrize(("what", "found"), [(plain, False), (shaped, True), (aliased, True), (Held, True),
                                             (Inherits, True), (object, False)])  # fmt: skip
def test_a_shape_is_found_where_one_is_named(what, found):
    assert names_a_shape(what) == found


def test_a_wrong_shape_in_the_library_is_an_error():
    good = torch.zeros(2, 3)
    with pytest.raises(jaxtyping.TypeCheckError):
        subgoals.gaussian_kl(good, good, good, torch.zeros(2, 4))


def norm(x: Float[Tensor, "rows columns"], *, twice: bool = False, result: object = None) -> Float[Tensor, " rows"]:
    return x.norm(dim=1) if result is None else result


def test_a_call_is_checked_unless_one_like_it_has_passed():
    checked = []

    def check(function):
        return lambda *args, **kwargs: checked.append(args) or function(*args, **kwargs)

    once = each_kind_once(norm, check)
    for rows in (2, 2, 3, 2, 3):
        assert once(torch.ones(rows, 4)).shape == (rows,)
    assert [len(x) for (x,) in checked] == [2, 3]


def test_a_wrong_call_is_an_error_whatever_has_passed_and_each_time():
    once = jaxtyping.jaxtyped(typechecker=beartype.beartype)(norm)
    x, right = torch.ones(2, 4), torch.ones(2)
    once(x), once(x, result=right)
    for wrong in (torch.ones(2, 4, dtype=torch.int64), torch.ones(2), torch.ones(2, 4, 1), None):
        for _ in range(2):
            with pytest.raises(jaxtyping.TypeCheckError):
                once(wrong)
    for wrong in (torch.ones(3), torch.ones(2, dtype=torch.int64)):
        for _ in range(2):
            with pytest.raises(jaxtyping.TypeCheckError):
                once(x, result=wrong)


def test_what_is_returned_is_checked_also_where_the_arguments_tell_nothing():
    given = [torch.ones(2), torch.ones(2), torch.ones(3)]

    def pop(x: Float[Tensor, "rows columns"]) -> Float[Tensor, " rows"]:
        return given.pop(0)

    once = jaxtyping.jaxtyped(typechecker=beartype.beartype)(pop)
    once(torch.ones(2, 4)), once(torch.ones(2, 4))
    with pytest.raises(jaxtyping.TypeCheckError):
        once(torch.ones(2, 4))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (torch.ones(2), torch.zeros(2), True),
        (torch.ones(2), torch.ones(3), False),
        (torch.ones(2), torch.ones(2).double(), False),
        (torch.ones(2), np.ones(2, np.float32), False),
        (torch.ones(2), torch.nn.Parameter(torch.ones(2)), False),
        ((1, [torch.ones(2)]), (2, [torch.ones(2)]), True),
        ((1, [torch.ones(2)]), (1, (torch.ones(2),)), False),
        ({"x": torch.ones(2)}, {"x": torch.ones(3)}, False),
        ({"x": torch.ones(2)}, {"y": torch.ones(2)}, False),
        (1, 1.0, False),
        (None, 1, False),
    ],
    ids=range(11),
)  # fmt: skip
def test_calls_are_alike_where_no_check_can_tell_them_apart(one, other, alike):
    assert (kind(one) == kind(other)) == alike


def test_no_shape_is_computed_from_values():
    """Or what a call may be told from another by is more than its shapes."""
    sources = {path.name: path.read_text() for path in LIBRARY.rglob("*.py")}
    found = re.compile(r"\b(?:Float|Int|Bool|Shaped)\[[\w.]+, f?\"[^\"]*\{")
    assert [name for name, text in sources.items() if found.search(text)] == []
    assert found.search('Float[Tensor, "{self.rows} columns"]')


def test_a_check_is_jaxtypings_to_who_looks_at_the_stack():
    """tests/provenance/test_faults.py needs it: lines of followed code are those outside libraries."""
    assert Path(subgoals.gaussian_kl.__code__.co_filename).parent == Path(jaxtyping.__file__).parent


@pytest.mark.parametrize("module", [networks, subgoals, gridworld])
def test_exactly_the_signatures_with_shapes_are_wrapped(module):
    own = [one for _, one in inspect.getmembers(module, inspect.isfunction) if one.__module__ == module.__name__]
    assert (
        {one.__name__ for one in own if hasattr(one, "__wrapped__")}
        == ({one.__name__ for one in own if names_a_shape(one)})
        != set()
    )


def test_a_module_without_shapes_is_left_alone():
    assert not any(hasattr(one, "__wrapped__") for _, one in inspect.getmembers(contract, inspect.isfunction))
