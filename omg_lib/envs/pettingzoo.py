"""Any PettingZoo parallel environment with discrete actions, by the name of its module (the extra `envs`).

`pettingzoo:mpe2.simple_spread_v3` is what `mpe2.simple_spread_v3.parallel_env()` returns;
`pettingzoo:mpe2.simple_spread_v3,N=5,max_cycles=50` passes it the arguments after the commas. Naming a module imports
it: its code runs, as with every import. `parallel` reads the game's output.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from omg_lib.config import PETTINGZOO, ConfigError
from omg_lib.envs.base import EnvInfo, whole_number
from omg_lib.envs.games import Game, Games, extra
from omg_lib.envs.parallel import Parallel, in_its_words, seen_space
from omg_lib.words import _

LIMIT = 200
"""Maximum steps of an episode if neither the game nor its name sets a limit."""
OWN_LIMITS = ("max_cycles", "max_steps", "max_episode_steps", "_max_episode_steps", "episode_limit")
"""Names that games use for their own limit."""
OURS = "episode_limit"
"""The argument in a name that sets the limit of any game."""


def unsaid() -> str:
    """Return the notice for a game that has no limit of its own."""
    return _("gives no episode limit: episodes are cut after {limit} steps").format(limit=LIMIT)


class PettingZoo(Games):
    """R copies of a PettingZoo environment; `spec` is the part of the name after `pettingzoo:`.

    | symbol | meaning here |
    |---|---|
    | A | `possible_agents`, in this order: seat i is agent i; no other n_agents is allowed |
    | O | the widest flattened observation; narrower ones are padded with zeros |
    | C | the largest number of actions of an agent; actions that an agent lacks are not available |
    | S | the flattened `state()` if there is one, else all seats' observations, A times O |
    | L | `episode_limit` in the name, else the game's own, else 200, with a notice; the game may end earlier |

    Action masks are read from the observation (a dictionary of `observation` and `action_mask`) or from the agent's
    info. An agent has ended once it is `terminated` or `truncated`, even if the game leaves it in `agents`. While
    others play on, its seat is not alive: it observes zeros and may only do 0, which has no effect. The same holds for
    a seat whose agent has not joined yet. When all have ended, the last row holds the final observations of those that
    ended last, and the game is over unless one of them was only `truncated`. Each seat gets its own reward: a
    general-sum game, even if all rewards are equal. There is no winner, and there are no scripts.

    Episode k starts with `reset(seed)`, whose seed is drawn from (seed, k). This fixes the episode if the game follows
    PettingZoo's rule that such a reset fixes all randomness. A game that draws from numpy's or Python's global
    generator, or remembers the previous episode, is not reproducible.
    """

    @classmethod
    def describe(cls, n_agents: int | Any, spec: str = "", **options: Any) -> EnvInfo:
        """Create the game once to read its sizes. ConfigError if that fails, and for another n_agents."""
        if options:
            name = next(iter(options))
            raise ConfigError(
                "option",
                name,
                _("allowed is an argument in the name: {pettingzoo}{spec},{name}=...").format(
                    pettingzoo=PETTINGZOO, spec=spec, name=name
                ),
            )
        found = _sizes(spec)
        n, allowed = whole_number("n_agents", n_agents, 2), found.n_agents
        if n != allowed:
            more = _(
                "the game has {allowed} agents, allowed is {allowed}; in many games ,N={n} in the name sets it"
            ).format(allowed=allowed, n=n)
            raise ConfigError("n_agents", n, f"{found.name}: {more}")
        return found

    def make_game(self, spec: str) -> Game:
        return Parallel(_made(spec), self.info)


@lru_cache
def _sizes(spec: str) -> EnvInfo:
    """Return the sizes of a game; warn if its limit is not known."""
    with warnings.catch_warnings(action="ignore"):  # the game will warn again when it is played
        found, limit = _measured(spec)
    if limit is None:
        warnings.warn(
            _("{name} {unsaid}; to change this, append ,{ours}=... to its name").format(
                name=found.name, unsaid=unsaid(), ours=OURS
            ),
            stacklevel=2,
        )
    return replace(found, episode_limit=limit or LIMIT)


def _measured(spec: str) -> tuple[EnvInfo, int | None]:
    """Create a game, reset it, play one step, close it, and return its sizes and limit."""
    name, arguments, package = PETTINGZOO + spec, _parsed(spec)[1], _made(spec)
    with in_its_words(name, _("it cannot be described")):
        info, limit = _described(name, package), arguments.get(OURS) or _own_limit(package, arguments)
    game = Parallel(package, info)
    try:
        first = game.begin(np.random.default_rng(0))
        if game.playing:
            game.step(np.argmax(first.available, axis=1).tolist())
        return replace(info, state_dim=len(first.state)), limit
    finally:
        game.close()


def _described(name: str, package: Any) -> EnvInfo:
    """Return the sizes that the game's spaces give."""
    from gymnasium.spaces import Discrete
    from gymnasium.spaces.utils import flatdim

    agents = list(package.possible_agents)
    for agent in agents:
        space = package.action_space(agent)
        if not isinstance(space, Discrete):
            raise ConfigError(
                "env",
                name,
                _("{agent} has the actions {space}; allowed are Discrete ones").format(agent=agent, space=space),
            )
    width = max(flatdim(seen_space(package, agent)) for agent in agents)
    count = max(int(package.action_space(agent).n) for agent in agents)
    return EnvInfo(name, len(agents), width, 0, count, LIMIT, has_winner=False, general_sum=True, deaths="told")


def _own_limit(package: Any, arguments: dict[str, Any]) -> int | None:
    """Return the limit of a game or of the game it wraps; else the one passed to it."""
    game = getattr(package, "unwrapped", package)
    held = [getattr(one, name, None) for one in (game, getattr(game, "env", None)) for name in OWN_LIMITS]
    for value in (*held, *map(arguments.get, OWN_LIMITS)):
        if isinstance(value, int | np.integer) and not isinstance(value, bool) and value > 0:
            return int(value)
    return None


def _made(spec: str) -> Any:
    """Create one environment; any error becomes a one-sentence ConfigError."""
    module, arguments = _parsed(spec)
    name = PETTINGZOO + spec
    with extra(name, "pettingzoo"):
        import pettingzoo  # noqa: F401 -- every module named here needs it
    try:
        loaded = import_module(module)
    except ImportError as error:
        needed = _('mpe2 and pettingzoo come with pip install -e ".[envs]"')
        raise ConfigError(
            "env",
            name,
            _("the module cannot be imported ({error}); {needed}").format(error=str(error)[:80], needed=needed),
        ) from error
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {str(error)[:80]}"
        raise ConfigError("env", name, _("the module cannot be imported ({said})").format(said=said)) from error
    make = getattr(loaded, "parallel_env", None)
    if make is None:
        enough = _("a file with the line `from MODULE import CLASS as parallel_env` is enough")
        raise ConfigError(
            "env", name, _("it has no parallel_env, allowed are modules with one; {enough}").format(enough=enough)
        )
    if OURS in arguments and not _takes(make, OURS):
        del arguments[OURS]
    with in_its_words(name, _("its parallel_env cannot be made")):
        return make(**arguments)


def _takes(make: Callable, name: str) -> bool:
    """Return whether a function or class names this argument in its signature."""
    try:
        return name in inspect.signature(make).parameters
    except (ValueError, TypeError):
        return False


def _parsed(spec: str) -> tuple[str, dict[str, Any]]:
    """Split a spec into the module before the first comma and the keyword arguments after it."""
    module, __, arguments = spec.partition(",")
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        if call.args or None in values:
            raise ValueError
    except (SyntaxError, ValueError, AttributeError):
        allowed = _("allowed are name=value pairs after the module, as in pettingzoo:mpe2.simple_spread_v3,N=5")
        raise ConfigError("env", PETTINGZOO + spec, allowed) from None
    if OURS in values:
        whole_number(OURS, values[OURS], 1)
    return module, values
