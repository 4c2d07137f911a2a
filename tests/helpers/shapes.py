"""Checks the shapes in the signatures of the library, and nothing else.

jaxtyping's import hook alone wraps every function, also those that name no shape and those that are defined anew in
each call of another, and checks every call: training took more than twice the time. Here each test checks the first
calls of each function that names a shape.
"""

import functools
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

import jaxtyping

LIBRARY = Path(__file__).parents[2] / "omg_lib"
UNCHECKED = "config"
"""Its fields accept anything and reject it with their own messages."""

CHECKS = 200
"""Checks of one function in one test: two a call, of what it takes and of what it returns."""
made: WeakKeyDictionary[Callable, int] = WeakKeyDictionary()
"""Function -> its checks in this test."""


def begin() -> None:
    """A test begins."""
    for function in made:
        function.__no_type_check__ = False
    made.clear()


def install() -> None:
    """Check the shapes of what is imported from the library from now on."""
    rooms = [room.name for room in pkgutil.iter_modules([str(LIBRARY)])]
    jaxtyping.jaxtyped = where_shapes_are(jaxtyping.jaxtyped)
    names = [f"omg_lib.{room}" for room in rooms if room != UNCHECKED]
    jaxtyping.install_import_hook(names, "beartype.beartype")


def where_shapes_are(jaxtyped: Callable) -> Callable:
    """Return a decorator like jaxtyping's that leaves alone what names no shape or was checked often enough."""

    def decorator(*, typechecker: Callable) -> Callable:
        def decorated(what: Callable | type) -> Callable | type:
            if not names_a_shape(what):
                return what
            return jaxtyped(what, typechecker=typechecker if inspect.isclass(what) else at_first(typechecker, what))

        return decorated

    return decorator


def at_first(typechecker: Callable, function: Callable) -> Callable:
    """Return a type checker for this function that silences itself, as jaxtyping allows, after enough checks."""

    def check(one: Callable) -> Callable:
        strict = typechecker(one)

        @functools.wraps(one)
        def counted(*args: object, **kwargs: object) -> object:
            made[function] = made.get(function, 0) + 1
            function.__no_type_check__ = made[function] >= CHECKS
            return strict(*args, **kwargs)

        return counted

    return check


def names_a_shape(what: object) -> bool:
    """Whether a function's signature or a class's fields name a type of jaxtyping's, or an alias of one."""
    for one in inspect.getmro(what) if inspect.isclass(what) else [inspect.unwrap(what)]:
        words = re.findall(r"\w+", " ".join(map(str, inspect.get_annotations(one).values())))
        known = getattr(sys.modules.get(one.__module__), "__dict__", {})
        if any(getattr(known.get(word), "__module__", "").startswith("jaxtyping") for word in words):
            return True
    return False
