"""Any PettingZoo parallel environment with discrete actions, by the name of its module (the extra `envs`).

`pettingzoo:mpe2.simple_spread_v3` is what `mpe2.simple_spread_v3.parallel_env()` makes, and
`pettingzoo:mpe2.simple_spread_v3,N=5,max_cycles=50` hands on what stands behind the commas. Naming a module imports
it: its code runs, as with every import.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from omg_lib.config import PETTINGZOO, ConfigError
from omg_lib.envs.base import EnvInfo, whole_number
from omg_lib.envs.games import Game, Games, Moment, extra

LIMIT = 200
"""Most steps of an episode where the game does not say: neither `max_cycles` in its name nor such an attribute."""


class PettingZoo(Games):
    """R copies of a PettingZoo environment; `spec` is what stands behind `pettingzoo:` in the name.

    | symbol | what it is here |
    |---|---|
    | A | `possible_agents`, in this order: seat i is agent i; no other n_agents is allowed |
    | O | the widest flattened observation; narrower ones are padded with zeros |
    | C | the most actions of an agent; those that it lacks are not available |
    | S | the flattened `state()` where there is a `state_space`, else all seats' observations, A times O |
    | L | `max_cycles` of the game, or 200; the game may cut an episode before |

    Action masks are read from the observation (a dictionary of `observation` and `action_mask`) or from the agent's
    info. An agent that is not there, because it died, left, or has not come yet, observes zeros and may only do 0,
    which is not handed on. The game is over when nobody is left and nobody of the last was cut off (`truncated`).
    Seats are paid their own rewards: a general-sum game, even if all are equal. Nobody wins, and there are no scripts.

    Episode k is begun by `reset(seed)` with a seed drawn from (seed, k). That is all of its chance if the game keeps
    PettingZoo's rule that such a reset fixes everything; one that draws from numpy's or Python's global generator, or
    that remembers the episode before, will not repeat itself.
    """

    @classmethod
    def describe(cls, n_agents: int | Any, spec: str = "", **options: Any) -> EnvInfo:
        """The sizes of the game, which is made for that once. ConfigError if it cannot be, and for another n_agents."""
        if options:
            name = next(iter(options))
            raise ConfigError("option", name, f"allowed is to write it into the name: {PETTINGZOO}{spec},{name}=...")
        found = _sizes(spec)
        n, allowed = whole_number("n_agents", n_agents, 2), found.n_agents
        if n != allowed:
            more = f"the game has {allowed} agents, allowed is {allowed}; many take their number in the name, as ,N={n}"
            raise ConfigError("n_agents", n, f"{found.name}: {more}")
        return found

    def make_game(self, spec: str) -> Game:
        return Parallel(_made(spec), self.info)


@dataclass
class Parallel(Game):
    """One PettingZoo game, its agents in seats; of `info` it needs the sizes."""

    package: Any
    info: EnvInfo

    def begin(self, chance: np.random.Generator) -> Moment:
        obs, infos = self.package.reset(seed=int(chance.integers(2**31)))
        return self._moment(obs, infos)

    def step(self, actions: list[int]) -> Moment:
        agents, chosen = self.package.possible_agents, {}
        for agent, action in zip(agents, actions, strict=True):
            if agent in self.package.agents:
                chosen[agent] = action + int(self.package.action_space(agent).start)
        obs, rewards, terminated, truncated, infos = self.package.step(chosen)
        now = self._moment(obs, infos)
        ended, cut = not self.package.agents, any(truncated[a] and not terminated[a] for a in truncated)
        paid = [float(rewards.get(agent, 0.0)) for agent in agents]
        return now._replace(rewards=paid, over=ended and not cut, cut=ended and cut)

    def _moment(self, obs: dict[Any, Any], infos: dict[Any, Any]) -> Moment:
        info, package = self.info, self.package
        seen = np.zeros((info.n_agents, info.obs_dim), np.float32)
        available = np.zeros((info.n_agents, info.n_actions), bool)
        available[:, 0] = True
        for seat, agent in enumerate(package.possible_agents):
            if agent in package.agents and agent in obs:
                flat, mask = _flat(package, agent, obs[agent], infos.get(agent) or {})
                seen[seat, : len(flat)] = flat
                available[seat, : len(mask)] = mask
                available[seat, 0] |= not mask.any()
        state = np.asarray(package.state(), np.float32).ravel() if _has_state(package) else seen.ravel()
        return Moment(seen, state, available)

    def close(self) -> None:
        with suppress(Exception):  # some games cannot be closed twice, or before they were shown
            self.package.close()


def _flat(package: Any, agent: Any, obs: Any, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """One agent's observation as a row of numbers, and which of its own actions it may take."""
    from gymnasium.spaces.utils import flatten

    mask = info.get("action_mask")
    if isinstance(obs, dict) and "action_mask" in obs:
        mask = obs["action_mask"]
        obs = obs["observation"]
    count = int(package.action_space(agent).n)
    allowed = np.ones(count, bool) if mask is None else np.asarray(mask, bool)
    return flatten(_seen_space(package, agent), obs), allowed


def _seen_space(package: Any, agent: Any) -> Any:
    """The space of an agent's observation, without its mask."""
    from gymnasium.spaces import Dict

    space = package.observation_space(agent)
    return space["observation"] if isinstance(space, Dict) and "action_mask" in space.spaces else space


def _has_state(package: Any) -> bool:
    return hasattr(package, "state_space")


@lru_cache
def _sizes(spec: str) -> EnvInfo:
    """The sizes of a game, measured on one that is made, begun and closed."""
    from gymnasium.spaces import Discrete
    from gymnasium.spaces.utils import flatdim

    package = _made(spec)
    name, agents = PETTINGZOO + spec, list(package.possible_agents)
    for agent in agents:
        space = package.action_space(agent)
        if not isinstance(space, Discrete):
            raise ConfigError("env", name, f"{agent} has the actions {space}; allowed are Discrete ones")
    width = max(flatdim(_seen_space(package, agent)) for agent in agents)
    count = max(int(package.action_space(agent).n) for agent in agents)
    limit = getattr(package.unwrapped, "max_cycles", None) or _parsed(spec)[1].get("max_cycles", LIMIT)
    info = EnvInfo(name, len(agents), width, 0, count, int(limit), has_winner=False, general_sum=True)
    game = Parallel(package, info)
    try:
        return replace(info, state_dim=len(game.begin(np.random.default_rng(0)).state))
    except Exception as error:
        raise ConfigError("env", name, f"its first episode cannot be begun ({_short(error)})") from error
    finally:
        game.close()


def _made(spec: str) -> Any:
    """One environment; whatever goes wrong is a ConfigError of one sentence."""
    module, arguments = _parsed(spec)
    name = PETTINGZOO + spec
    with extra(name, "pettingzoo"):
        import pettingzoo  # noqa: F401 -- without it no module that is named here can be loaded
    try:
        make = import_module(module).parallel_env
    except ImportError as error:
        needed = 'for mpe2 and pettingzoo: pip install -e ".[envs]"'
        raise ConfigError("env", name, f"the module cannot be imported ({str(error)[:80]}); {needed}") from error
    except AttributeError as error:
        raise ConfigError("env", name, "allowed are modules with a parallel_env, and this has none") from error
    try:
        return make(**arguments)
    except Exception as error:
        raise ConfigError("env", name, f"its parallel_env cannot be made ({_short(error)})") from error


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:80]}"


def _parsed(spec: str) -> tuple[str, dict[str, Any]]:
    """What stands before the first comma, and what stands behind as keyword arguments."""
    module, _, arguments = spec.partition(",")
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        if call.args or None in values:
            raise ValueError
    except (SyntaxError, ValueError, AttributeError):
        allowed = "allowed are name=value pairs behind the module, as in pettingzoo:mpe2.simple_spread_v3,N=5"
        raise ConfigError("env", PETTINGZOO + spec, allowed) from None
    return module, values
