"""Checks the shapes in the signatures of the library, and nothing else.

jaxtyping's import hook alone wraps every function, also those that name no shape and those that are defined anew in
each call of another, and checks every call: training took more than twice the time. Here a function that names a shape
checks a call unless one like it has passed: whether shapes agree depends on nothing but the shapes.
"""

import functools
import inspect
import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable
from pathlib import Path

import jaxtyping
import numpy as np
from torch import Tensor

LIBRARY = Path(__file__).parents[2] / "omg_lib"
UNCHECKED = "config"
"""Its fields accept anything and reject it with their own messages."""


def install() -> None:
    """Check the shapes of what is imported from the library from now on."""
    rooms = [room.name for room in pkgutil.iter_modules([str(LIBRARY)])]
    jaxtyping.jaxtyped = where_shapes_are(jaxtyping.jaxtyped)
    names = [f"omg_lib.{room}" for room in rooms if room != UNCHECKED]
    jaxtyping.install_import_hook(names, "beartype.beartype")


def where_shapes_are(jaxtyped: Callable) -> Callable:
    """Return a decorator like jaxtyping's that leaves alone what names no shape, and checks each kind of call once."""

    def decorator(*, typechecker: Callable) -> Callable:
        check = jaxtyped(typechecker=typechecker)

        def decorated(what: Callable | type) -> Callable | type:
            if not names_a_shape(what):
                return what
            return check(what) if inspect.isclass(what) else each_kind_once(what, check)

        return decorated

    return decorator


def each_kind_once(function: Callable, check: Callable) -> Callable:
    """Return this function, checked unless a call with the same kinds of arguments and of result has passed."""
    strict = check(function)
    passed: defaultdict[Hashable, set[Hashable]] = defaultdict(set)

    @functools.wraps(function)
    def called(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        given = kind(args), kind(kwargs)
        if given not in passed:
            result = strict(*args, **kwargs)
        else:
            result = function(*args, **kwargs)
            if kind(result) not in passed[given]:
                check(functools.wraps(function)(lambda *_, **__: result))(*args, **kwargs)
        passed[given].add(kind(result))
        return result

    # To whoever looks for a line outside libraries on the stack, as omg_lib.provenance does, a check is jaxtyping's.
    called.__code__ = called.__code__.replace(co_filename=jaxtyping.__file__)
    return called


def kind(value: object) -> Hashable:
    """All that a check can see of a value: its type and, down to each array in it, dtype and shape."""
    of = type(value)
    if isinstance(value, Tensor | np.ndarray):
        return of, value.dtype, value.shape
    if of is tuple or of is list:
        return of, *map(kind, value)
    if of is dict:
        return of, *((name, kind(one)) for name, one in value.items())
    return of


def names_a_shape(what: object) -> bool:
    """Whether a function's signature or a class's fields name a type of jaxtyping's, or an alias of one."""
    for one in inspect.getmro(what) if inspect.isclass(what) else [inspect.unwrap(what)]:
        words = re.findall(r"\w+", " ".join(map(str, inspect.get_annotations(one).values())))
        known = getattr(sys.modules.get(one.__module__), "__dict__", {})
        if any(getattr(known.get(word), "__module__", "").startswith("jaxtyping") for word in words):
            return True
    return False
