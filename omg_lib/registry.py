"""Learners by name: the library's, those that you register, and those that installed packages offer.

Nothing here needs torch. A learner's class says in plain attributes what a configuration has to know about it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.metadata import entry_points
from typing import Any

Scalar = bool | int | float | str
LEARNERS = ("iql", "vdn", "qmix", "omg", "naive_om", "liam", "iql_actions", "oracle")
"""The library's own."""
GROUP = "omg_lib.learners"
"""Entry points of this group offer a package's learners: name = "module:Class"."""
OWN: dict[str, Any] = {}
"""Registered classes by name."""


class Extra(dict[str, Scalar]):
    """A registered learner's own settings by name. It cannot change, so a configuration has a hash."""

    def __setitem__(self, name: str, value: object) -> None:
        raise TypeError("a configuration is frozen: use dataclasses.replace(config, extra={...})")

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple:  # pickle would set one item after another
        return type(self), (dict(self),)


def add(name: Any, cls: Any, taken: Collection[str]) -> None:
    """Register a class; `taken` are names that its settings must not have. ValueError says what is not allowed."""
    if name in LEARNERS:
        raise ValueError("the library uses this name; allowed is another one")
    if not isinstance(name, str) or not name.replace("-", "_").isidentifier():
        raise ValueError("allowed is a name of letters, digits, _ and -")
    if not isinstance(cls, type) or getattr(cls, "base", None) not in LEARNERS:
        raise ValueError(f"{cls!r}: allowed is a subclass of omg_lib.learners.QLearner, its base one of the library's")
    settings: Mapping[str, object] = cls.settings  # type: ignore[attr-defined]
    for key, default in settings.items():
        if not key.isidentifier() or key in taken:
            raise ValueError(f"its setting {key!r} is a field of OMGConfig, or no name: allowed is another name")
        if not isinstance(default, Scalar):
            raise ValueError(f"its setting {key}={default!r}: allowed is a default of type bool, int, float or str")
    OWN[name] = cls


def own_learner(name: object, taken: Collection[str]) -> Any | None:
    """Return the class registered under a name, or offered by an installed package; None if there is none.

    ValueError if the package does not load, or offers something else.
    """
    if not isinstance(name, str) or name in LEARNERS:
        return None
    if name not in OWN:
        for offered in entry_points(group=GROUP, name=name):
            try:
                cls = offered.load()
            except Exception as error:  # a package can raise anything
                said = " ".join(f"{type(error).__name__}: {error}".split())
                raise ValueError(f"the package that offers it does not load ({said[:120]})") from error
            add(name, cls, taken)
    return OWN.get(name)


def learner_names() -> tuple[str, ...]:
    """Return every learner that this process knows: the library's, registered ones, and those of packages."""
    return tuple(dict.fromkeys((*LEARNERS, *OWN, *(offered.name for offered in entry_points(group=GROUP)))))
