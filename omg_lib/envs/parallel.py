"""One PettingZoo game with its agents in seats; its output is checked against its spaces and PettingZoo's rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from omg_lib.config import ConfigError, RunError
from omg_lib.envs.base import EnvInfo
from omg_lib.envs.games import Game, Moment, plain, shown
from omg_lib.words import N_, _

STEP = ("observations", "rewards", "terminations", "truncations", "infos")
RESET = ("observations", "infos")


class UnfitError(ValueError):
    """A game's output breaks PettingZoo's rules: which value, of which agent, and what is allowed."""


@contextmanager
def in_its_words(name: str, what: str, kind: type[Exception] = ConfigError) -> Iterator[None]:
    """Turn any exception of a game into one sentence that names the game."""
    try:
        yield
    except (ConfigError, RunError):
        raise
    except (Exception, SystemExit) as error:
        words = str(error)[:160] if isinstance(error, UnfitError) else f"{type(error).__name__}: {str(error)[:80]}"
        sentence = f"{what} ({words})"
        raise (ConfigError("env", name, sentence) if kind is ConfigError else kind(f"{name}: {sentence}")) from error


@dataclass
class Parallel(Game):
    """One PettingZoo game; from `info` it needs the name and the sizes.

    `playing` are the agents that have not ended. An error in its first episode is bad input, a later one a failed run.
    """

    package: Any
    info: EnvInfo
    playing: tuple[Any, ...] = ()
    ended: set[Any] = field(default_factory=set)
    episodes: int = 0

    def begin(self, chance: np.random.Generator) -> Moment:
        self.episodes += 1
        with self._watched(N_("begun")):
            given = self.package.reset(seed=int(chance.integers(2**31)))
            obs, infos = self._read(given, "reset", RESET)
            self.ended = set()
            self._see_who_plays()
            return self._moment(obs, infos, self.playing, self.playing)

    def step(self, actions: list[int]) -> Moment:
        with self._watched(N_("played")):
            package, acting = self.package, self.playing
            seats = zip(package.possible_agents, actions, strict=True)
            chosen = {a: action + int(package.action_space(a).start) for a, action in seats if a in package.agents}
            obs, rewards, terminated, truncated, infos = self._read(package.step(chosen), "step", STEP)
            died = {a for a in package.possible_agents if flag("termination", a, terminated.get(a, False))}
            cut = {a for a in package.possible_agents if flag("truncation", a, truncated.get(a, False))} - died
            self.ended = (self.ended | died | cut) & set(package.agents)
            self._see_who_plays()
            ended, was_cut = not self.playing, not cut.isdisjoint(acting)
            # When no agent plays on, the last row holds the final observations. An episode that was cut bootstraps from
            # it, except for agents that are terminated.
            free = self.playing or tuple(a for a in acting if not was_cut or a not in died)
            now = self._moment(obs, infos, self.playing or acting, free)
            paid = [number("reward", a, rewards.get(a, 0.0)) for a in package.possible_agents]
            return now._replace(rewards=paid, over=ended and not was_cut, cut=ended and was_cut)

    def _watched(self, what: str) -> Any:
        first = self.episodes == 1
        said = _("its first episode cannot be {what}") if first else _("its episode cannot be {what}")
        return in_its_words(self.info.name, said.format(what=_(what)), ConfigError if first else RunError)

    def _read(self, given: Any, method: str, names: tuple[str, ...]) -> tuple[Mapping[Any, Any], ...]:
        """Check what a method returned: dictionaries by agent."""
        rule = f"{len(names)} dictionaries: {', '.join(names)}"
        if not isinstance(given, tuple) or len(given) != len(names):
            count = f"{len(given)} values" if isinstance(given, tuple) else type(given).__name__
            raise UnfitError(
                _("{method}() returned {count}, allowed are {rule}").format(method=method, count=count, rule=rule)
            )
        for name, values in zip(names, given, strict=True):
            if not isinstance(values, Mapping):
                raise UnfitError(
                    _("the {name} of {method}() are {values}, allowed is a dictionary by agent").format(
                        name=name, method=method, values=shown(values)
                    )
                )
            strangers = [a for a in values if a not in self.package.possible_agents]
            if strangers and name != "infos":
                raise UnfitError(
                    _("the {name} of {method}() name {agent}, allowed are possible_agents").format(
                        name=name, method=method, agent=shown(strangers[0])
                    )
                )
        return given

    def _see_who_plays(self) -> None:
        strangers = [a for a in self.package.agents if a not in self.package.possible_agents]
        if strangers:
            raise UnfitError(_("agents holds {agent}, allowed are possible_agents").format(agent=shown(strangers[0])))
        self.playing = tuple(a for a in self.package.agents if a not in self.ended)

    def _moment(
        self, obs: Mapping[Any, Any], infos: Mapping[Any, Any], there: tuple[Any, ...], free: tuple[Any, ...]
    ) -> Moment:
        """Return what the agents in `there` see and what those in `free` may do; the others may only do 0."""
        info, package = self.info, self.package
        seen = np.zeros((info.n_agents, info.obs_dim), np.float32)
        available = np.zeros((info.n_agents, info.n_actions), bool)
        alive = np.array([agent in there for agent in package.possible_agents])
        for seat, agent in enumerate(package.possible_agents):
            mask = (infos.get(agent) or {}).get("action_mask")
            if alive[seat] and agent in obs:
                flat, own_mask = observation(package, agent, obs[agent])
                seen[seat, : len(flat)] = flat
                mask = mask if own_mask is None else own_mask
            if agent in free:
                allowed = action_mask(agent, mask, int(package.action_space(agent).n))
                available[seat, : len(allowed)] = allowed
            available[seat, 0] |= not available[seat].any()
        return Moment(seen, self._state(seen), available, alive=alive)

    def _state(self, seen: np.ndarray) -> np.ndarray:
        """Return the game's state; without a `state()`, what all seats see."""
        inner = getattr(self.package, "unwrapped", self.package)
        if not all(callable(getattr(game, "state", None)) for game in (self.package, inner)):
            return seen.ravel()
        try:
            state = self.package.state()
        except (AttributeError, NotImplementedError) as error:
            # A wrapper may call the state of a game that has none; any other error is a fault in the game's own.
            lacks = isinstance(error, NotImplementedError) or error.name in ("state", "state_space")
            if not lacks or hasattr(self.package, "state_space"):
                raise
            return seen.ravel()
        return numbers("state", _("the game"), state)

    def frame(self) -> dict[str, Any]:
        """Return the game's own picture, [height, width, 3] bytes, if it was made with render_mode='rgb_array'."""
        return (
            {"picture": plain(self.package.render())}
            if getattr(self.package, "render_mode", None) == "rgb_array"
            else {}
        )

    def close(self) -> None:
        with suppress(Exception):  # some games cannot be closed twice, or before they were rendered
            self.package.close()


def seen_space(package: Any, agent: Any) -> Any:
    """Return the space of an agent's observation, without its mask."""
    from gymnasium.spaces import Dict

    space = package.observation_space(agent)
    return space["observation"] if isinstance(space, Dict) and "action_mask" in space.spaces else space


def observation(package: Any, agent: Any, given: Any) -> tuple[np.ndarray, Any]:
    """Return one agent's observation as a row of numbers, and its action mask if it has one."""
    from gymnasium.spaces import Box, Discrete
    from gymnasium.spaces.utils import flatdim, flatten

    space, mask = seen_space(package, agent), None
    if isinstance(given, Mapping) and "action_mask" in given:
        given, mask = given["observation"], given["action_mask"]
    try:
        if isinstance(space, Box):  # gymnasium would cast to the space's type: 0.5 in a space of bytes becomes 0
            row = given
        elif isinstance(space, Discrete) and not space.contains(int(plain(given))):
            raise ValueError
        else:
            row = flatten(space, int(plain(given)) if isinstance(space, Discrete) else given)
    except Exception as error:
        raise UnfitError(
            _("the observation of {agent} is {given}, allowed is one of {space}").format(
                agent=agent, given=shown(given), space=space
            )
        ) from error
    row = numbers("observation", agent, row)
    if len(row) != flatdim(space):
        raise UnfitError(
            _("the observation of {agent} is {given}, its space holds {n} numbers").format(
                agent=agent, given=shown(given), n=flatdim(space)
            )
        )
    return row, mask


def action_mask(agent: Any, given: Any, count: int) -> np.ndarray:
    """Return which of its actions an agent may take; all if it has no mask."""
    if given is None:
        return np.ones(count, bool)
    mask = plain(given)
    if mask.shape != (count,) or mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
        raise UnfitError(
            _("the action mask of {agent} is {given}, allowed are {count} numbers, each 0 or 1").format(
                agent=agent, given=shown(given), count=count
            )
        )
    return mask.astype(bool)


def numbers(what: str, whose: Any, given: Any) -> np.ndarray:
    """Return finite numbers of any type and shape as a row of float32."""
    array = plain(given)
    row = array.astype(np.float32).ravel() if array.dtype.kind in "biuf" else array
    if array.dtype.kind not in "biuf" or not np.isfinite(row).all():
        raise UnfitError(
            _("the {what} of {whose} is {worst}, allowed are finite numbers").format(
                what=what, whose=whose, worst=_worst(given, array)
            )
        )
    return row


def number(what: str, whose: Any, given: Any) -> float:
    """Return one finite number, bare or in an array of one."""
    array = plain(given)
    if array.size != 1 or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise UnfitError(
            _("the {what} of {whose} is {given}, allowed is one finite number").format(
                what=what, whose=whose, given=shown(given)
            )
        )
    return float(array.item())


def flag(what: str, whose: Any, given: Any) -> bool:
    """Return True or False, bare or in an array of one."""
    array = plain(given)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise UnfitError(
            _("the {what} of {whose} is {given}, allowed is True or False").format(
                what=what, whose=whose, given=shown(given)
            )
        )
    return bool(array.item())


def _worst(given: Any, array: np.ndarray) -> str:
    """Describe the first number that is not finite, or the value that is not numbers."""
    if array.dtype.kind != "f":
        return shown(given)
    if np.isfinite(array).all():
        return _("too large for float32")
    return _("{value} in one place").format(value=array[~np.isfinite(array)][0])
