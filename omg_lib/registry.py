"""Games and learners by name: the library's, those that you register, and those that installed packages offer.

Nothing here needs torch. A learner's class states in plain attributes what a configuration must know about it; for a
game, only its team sizes matter here.
"""

from __future__ import annotations

import re
import site
import sys
import sysconfig
from collections.abc import Collection, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omg_lib.errors import ConfigError, did_you_mean
from omg_lib.words import _, listing

ENVIRONMENTS = {
    "skirmish": range(2, 17),
    "skirmish:partners": range(2, 17),
    "foraging": range(2, 9),
    "predator_prey": range(2, 17),
    "smacv2": range(2, 21),
    "smacv2:10gen_terran": range(2, 21),
    "smacv2:10gen_protoss": range(2, 21),
    "smacv2:10gen_zerg": range(2, 21),
}
"""Name of a game -> the team sizes it can play: the library's games and registered ones."""
PETTINGZOO = "pettingzoo:"
"""Prefix of names that continue with a module, whose team sizes are known once it is loaded."""
SMACV2 = "smacv2:"
"""Prefix of names that continue with one of SMACv2's own maps."""
LEARNERS = ("iql", "vdn", "qmix", "omg", "naive_om", "liam", "iql_actions", "oracle")
"""The library's own."""
VARIANTS = {"omg_released": ("omg_lib.learners.released", "ReleasedOMG")}
"""The library's variants of them, written like a learner of yours and loaded when named."""
OWN: dict[str, Any] = {}
"""Registered classes of learners by name."""
ENV_POINTS, LEARNER_POINTS = "omg_lib.envs", "omg_lib.learners"
"""Groups of entry points by which an installed package offers games and learners: name = "module:Class"."""

YOURS = "--import yours"
"""What else is allowed where games and learners are named."""
Scalar = bool | int | float | str


class Extra(dict[str, Scalar]):
    """A registered learner's own settings by name. It is immutable, so a configuration can be hashed."""

    def __setitem__(self, name: str, value: object) -> None:
        raise TypeError(_("a configuration is frozen: use dataclasses.replace(config, extra={...})"))

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple:  # otherwise pickle would set the items one by one
        return type(self), (dict(self),)


def offered(group: str, what: str, name: str) -> Any | None:
    """Load what an installed package offers under a name; None if none does. ConfigError if it does not load."""
    for point in entry_points(group=group, name=name):
        try:
            return point.load()
        except Exception as error:  # a package can raise anything
            said = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            raise ConfigError(
                what,
                name,
                _("{value}, which offers it, cannot be loaded ({said})").format(value=point.value, said=said),
            ) from error
    return None


# --- games -----------------------------------------------------------------------------------------------------------


def team_sizes(env: object) -> range:
    """Return the team sizes an environment can play, from its name. ConfigError for a name that is not allowed."""
    if isinstance(env, str) and re.fullmatch(re.escape(PETTINGZOO) + r"\w+(\.\w+)*(,.+)?", env):
        return range(2, 129)
    if isinstance(env, str) and env in ENVIRONMENTS:
        return ENVIRONMENTS[env]
    own_maps = [name for name in ENVIRONMENTS if name.startswith(SMACV2)]
    if isinstance(env, str) and env.startswith(SMACV2):
        never = _("on other maps the second episode never begins; for 8m's battle use env=smacv2 with n_agents=8")
        raise ConfigError(
            "env", env, _("{never}; allowed are smacv2, {own_maps}").format(never=never, own_maps=listing(own_maps))
        )
    if isinstance(env, str) and (found := offered(ENV_POINTS, "env", env)) is not None:
        return found.sizes
    known = [*ENVIRONMENTS, *entry_points(group=ENV_POINTS).names]
    names = listing([*env_names(), YOURS])
    raise ConfigError("env", env, _("{meant}allowed are {names}").format(meant=did_you_mean(env, known), names=names))


def env_names() -> tuple[str, ...]:
    """Return the games that this process knows: the library's, registered ones, and those of packages."""
    names = [name for name in ENVIRONMENTS if not name.startswith("smacv2")]
    packaged = sorted(entry_points(group=ENV_POINTS).names)
    return tuple(dict.fromkeys((*names, *packaged, "smacv2[:MAP]", f"{PETTINGZOO}MODULE")))


def check_named_in_file(env: object) -> None:
    """Refuse a game's module that a file names, unless it belongs to an installed package or is already imported.

    Files can come from strangers, and importing a module runs its code. ConfigError for a module that you did not
    choose.
    """
    if not (isinstance(env, str) and env.startswith(PETTINGZOO)):
        return
    module = env.removeprefix(PETTINGZOO).partition(",")[0]
    if module in sys.modules or _is_installed(module.partition(".")[0]):
        return
    allowed = _("a file names a module that is no installed package's; if you trust it, allowed is --import {module}")
    raise ConfigError("env", env, allowed.format(module=module))


def _is_installed(package: str) -> bool:
    try:
        origin = getattr(find_spec(package), "origin", None)
    except (ImportError, ValueError):
        origin = None
    kept = [*(sysconfig.get_path(name) for name in ("purelib", "platlib")), site.getusersitepackages()]
    return origin is not None and any(Path(origin).is_relative_to(folder) for folder in kept)


# --- learners --------------------------------------------------------------------------------------------------------


def add_learner(name: Any, cls: Any, taken: Collection[str]) -> None:
    """Register a class. Its settings must not use a name in `taken`. ConfigError for anything that is not allowed."""
    if name in LEARNERS:
        raise ConfigError("learner", name, _("the library uses this name; allowed is another one"))
    if not isinstance(name, str) or not name.replace("-", "_").isidentifier():
        raise ConfigError("learner", name, _("allowed is a name of letters, digits, _ and -"))
    if not isinstance(cls, type) or getattr(cls, "base", None) not in LEARNERS:
        allowed = _(
            "{cls!r}: allowed is a subclass of omg_lib.learners.QLearner, its base one of the library's"
        ).format(cls=cls)
        raise ConfigError("learner", name, allowed)
    if name in VARIANTS and (cls.__module__, cls.__name__) != VARIANTS[name]:
        raise ConfigError("learner", name, _("the library uses this name; allowed is another one"))
    settings: Mapping[str, object] = cls.settings  # type: ignore[attr-defined]
    for key, default in settings.items():
        if not key.isidentifier() or key in taken:
            allowed = _("its setting {key!r} is a field of OMGConfig, or no name: allowed is another name").format(
                key=key
            )
            raise ConfigError("learner", name, allowed)
        if not isinstance(default, Scalar):
            allowed = _("its setting {key}={default!r}: allowed is a default of type bool, int, float or str").format(
                key=key, default=default
            )
            raise ConfigError("learner", name, allowed)
    OWN[name] = cls


def own_learner(name: object, taken: Collection[str]) -> Any | None:
    """Return the class registered under a name, or offered by an installed package; None if there is none.

    ConfigError if the package does not load, or offers something else.
    """
    if not isinstance(name, str) or name in LEARNERS:
        return None
    if name in VARIANTS and name not in OWN:
        module, variant = VARIANTS[name]
        add_learner(name, getattr(import_module(module), variant), taken)
    if name not in OWN and (cls := offered(LEARNER_POINTS, "learner", name)) is not None:
        add_learner(name, cls, taken)
    return OWN.get(name)


def learner_names() -> tuple[str, ...]:
    """Return the learners that this process knows: the library's, registered ones, and those of packages."""
    return tuple(dict.fromkeys((*LEARNERS, *VARIANTS, *OWN, *sorted(entry_points(group=LEARNER_POINTS).names))))
