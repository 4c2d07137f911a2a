"""The environment interface: `EnvInfo`, `BatchedEnv`, and checks that the environments share."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.words import _, listing

DEATHS = ("none", "zeros", "told")
"""none: every seat plays until the episode ends. zeros: a dead seat observes only zeros and a living one never does,
as in SMAC's battles. told: only `alive()` tells, so each episode records it in the field `alive`."""


@dataclass(frozen=True)
class EnvInfo:
    """The sizes of an environment, known before it is created.

    | field | symbol | meaning |
    |---|---|---|
    | n_agents | A | seats in a team |
    | obs_dim | O | width of one seat's observation |
    | state_dim | S | width of the global state |
    | n_actions | C | actions of one seat |
    | episode_limit | L | maximum steps in an episode |
    | has_winner | | whether info["battle_won"] has a meaning |
    | general_sum | | whether each seat has its own reward (info["rewards"]) |
    | deaths | | whether a seat can leave before the episode ends, and how to tell: see `DEATHS` |
    | styles | | names of the scripted styles; a style's number is its position here |
    | teams | | sets of scripted teammates to train with: one style number per seat |
    """

    name: str
    n_agents: int
    obs_dim: int
    state_dim: int
    n_actions: int
    episode_limit: int
    has_winner: bool = True
    general_sum: bool = False
    deaths: str = "none"
    styles: tuple[str, ...] = ()
    teams: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.deaths not in DEATHS:
            raise ConfigError("deaths", self.deaths, _("allowed are {deaths}").format(deaths=listing(DEATHS)))

    @property
    def records_alive(self) -> bool:
        """Whether episodes need the field `alive`."""
        return self.deaths == "told"


class GameLost(RuntimeError):  # noqa: N818 -- named for what happened, like Stopped
    """The game behind an environment died during an episode. It has been replaced; the episode is lost."""


class BatchedEnv(ABC):
    """R copies of one game, stepped together.

    | call | returns | meaning |
    |---|---|---|
    | `reset(mask, first)` | | start the next episodes, in all rows or where `mask [R]` is true |
    | `step(actions [R, A])` | reward `[R]`, done `[R]`, info | the team's reward; whether the episode is over |
    | `obs()` | `[R, A, O]` float32 | what each seat sees |
    | `state()` | `[R, S]` float32 | the whole game |
    | `avail_actions()` | `[R, A, C]` bool | the actions available to each seat now |
    | `alive()` | `[R, A]` bool | which seats are in the game; see `info.deaths` |
    | `scripted_actions(styles [R, A])` | `[R, A]` int64 | what a script in each seat would do now |
    | `frame(row)` | dict | a snapshot of one row for drawing, in numpy |

    `info["battle_won"] [R]` bool: the team has won. `info["episode_limit"] [R]` bool: the episode was cut
    at L steps while the game was not over. In a general-sum game `info["rewards"] [R, A]` float32 are the seats'
    own rewards and the team's reward is their sum. A done row is frozen, with reward 0, until it is reset.

    Every returned tensor is on `device` and new at each call: no later step writes to it.

    Call `reset` before the first step. Episodes are numbered 0, 1, 2, ... in the order in which rows are reset, and
    episode k draws all its randomness from (seed, k): it is the same episode at any R, after any history. `episode`
    (numpy, [R]) is the k that each row plays, -1 before any. `reset(first=k)` sets the counter first, which lets a
    runner choose its episodes; an environment carries nothing but the counter from one episode to the next. `reset`
    and `step` raise GameLost if a game in another process died; `reset(first=k)` works again after that.
    """

    info: EnvInfo
    batch: int
    device: torch.device
    episode: np.ndarray
    a_program_each: ClassVar[bool] = False
    """Whether every row starts its own program; if so, as few rows as possible are used."""
    sizes: ClassVar[range] = range(2, 17)
    """Team sizes that the game can play, unless `register` gets others."""

    @classmethod
    @abstractmethod
    def describe(cls, n_agents: int | Any, **options: Any) -> EnvInfo:
        """Compute the sizes of an environment with these options, by arithmetic only."""

    @abstractmethod
    def __init__(
        self,
        n_agents: int | Any,
        batch: int | Any = 1,
        seed: int | Any = 0,
        device: str | torch.device = "cpu",
        **options: Any,
    ) -> None:
        """`int | Any`: raises ConfigError for anything but a whole number."""

    @abstractmethod
    def reset(self, mask: Tensor | np.ndarray | None = None, first: int | Any = None) -> None:
        """Start the next episodes in all rows, or where `mask [R]` (bool) is true; `first`: see the class."""

    @abstractmethod
    def step(self, actions: Tensor | np.ndarray) -> tuple[Float[Tensor, " R"], Bool[Tensor, " R"], dict[str, Tensor]]:
        """Play one step in all rows that are not done; `actions [R, A]` are whole numbers."""

    @abstractmethod
    def obs(self) -> Float[Tensor, "R A O"]: ...

    @abstractmethod
    def state(self) -> Float[Tensor, "R S"]: ...

    @abstractmethod
    def avail_actions(self) -> Bool[Tensor, "R A C"]: ...

    def alive(self) -> Bool[Tensor, "R A"]:
        if self.info.deaths == "zeros":
            return (self.obs() != 0).any(dim=-1)
        if self.info.deaths == "told":
            raise NotImplementedError(f"{self.info.name} has deaths='told': its class must define alive()")
        return torch.ones(self.batch, self.info.n_agents, dtype=torch.bool, device=self.device)

    def scripted_actions(self, styles: Tensor | np.ndarray) -> Int64[Tensor, "R A"]:
        """Return an available action for each seat; `styles [R, A]` are positions in `info.styles`."""
        raise NotImplementedError(f"{self.info.name} has no scripted styles")

    @abstractmethod
    def frame(self, row: int = 0) -> dict[str, Any]: ...

    def close(self) -> None:  # noqa: B027 - most environments hold no resources
        """Release the environment's resources; closing twice is fine."""


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return `value` as an int; ConfigError unless it is a whole number (no bool, no 2.0) from low to high."""
    allowed = (
        _("a whole number from {low} to {high}").format(low=low, high=high)
        if high is not None
        else _("a whole number of at least {low}").format(low=low)
    )
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise ConfigError(name, value, _("allowed is {allowed}").format(allowed=allowed))
    if value < low or (high is not None and value > high):
        raise ConfigError(name, value, _("allowed is {allowed}").format(allowed=allowed))
    return int(value)


def real_number(name: str, value: object, low: float, high: float) -> float:
    """Return `value` as a float; ConfigError unless it is a number from low to high."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real) or not low <= value <= high:
        raise ConfigError(name, value, _("allowed is a number from {low:g} to {high:g}").format(low=low, high=high))
    return float(value)
