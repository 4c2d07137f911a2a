"""What tests/helpers/shapes.py checks in every test: each signature that names a shape, and no other."""

import dataclasses
import inspect

import jaxtyping
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from omg_lib import contract, networks, subgoals
from omg_lib.experiment import gridworld
from tests.helpers.shapes import CHECKS, begin, names_a_shape

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


def test_the_first_calls_are_checked_in_each_test():
    good, bad = torch.zeros(2, 3), torch.zeros(2, 4)

    silent = []
    for _ in range(CHECKS // 2):
        subgoals.gaussian_kl(good, good, good, good)
        silent.append(subgoals.gaussian_kl.__wrapped__.__no_type_check__)
    assert silent == [False] * (CHECKS // 2 - 1) + [True]
    begin()
    with pytest.raises(jaxtyping.TypeCheckError):
        subgoals.gaussian_kl(good, good, good, bad)


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
