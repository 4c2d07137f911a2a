"""What every environment is: `EnvInfo`, the `BatchedEnv` interface, and checks that their modules share."""

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

DEATHS = ("none", "zeros", "told")
"""none: every seat plays until the episode ends. zeros: a dead seat observes only zeros, and a living one never does,
as in SMAC's battles. told: only `alive()` knows, so each episode records it as the field `alive`."""


@dataclass(frozen=True)
class EnvInfo:
    """The sizes of an environment, known before anything is built.

    | field | symbol | meaning |
    |---|---|---|
    | n_agents | A | seats in a team |
    | obs_dim | O | width of one seat's observation |
    | state_dim | S | width of the global state |
    | n_actions | C | actions of one seat |
    | episode_limit | L | most steps in an episode |
    | has_winner | | whether info["battle_won"] means something |
    | general_sum | | whether seats have rewards of their own (info["rewards"]) |
    | deaths | | whether seats may be gone before the episode ends, and how that shows: see `DEATHS` |
    | styles | | names of the scripted styles; a style is known by its position here |
    | teams | | sets of scripted teammates to train with: one style (position) per seat |
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
            raise ConfigError("deaths", self.deaths, f"allowed are {', '.join(DEATHS)}")

    @property
    def records_alive(self) -> bool:
        """Whether episodes need a field of their own to say who is alive."""
        return self.deaths == "told"


class GameLost(RuntimeError):  # noqa: N818 -- says what happened, as Stopped does
    """The game behind an environment died in mid-episode; it has been replaced, and what was played is gone."""


class BatchedEnv(ABC):
    """R copies of one game, stepped together.

    | call | returns | meaning |
    |---|---|---|
    | `reset(mask, first)` | | start the next episodes, in all rows or where `mask [R]` is true |
    | `step(actions [R, A])` | reward `[R]`, done `[R]`, info | the team's reward; whether it is over |
    | `obs()` | `[R, A, O]` float32 | what each seat sees |
    | `state()` | `[R, S]` float32 | the whole game |
    | `avail_actions()` | `[R, A, C]` bool | what each seat may do now |
    | `alive()` | `[R, A]` bool | which seats are in the game; all, unless `info.deaths` says more |
    | `scripted_actions(styles [R, A])` | `[R, A]` int64 | what each seat would do now, were it a script |
    | `frame(row)` | dict | a snapshot of one row for drawing, in numpy |

    `info["battle_won"] [R]` bool: the team has won. `info["episode_limit"] [R]` bool: the episode was cut
    at L steps while the game was not over. In a general-sum game `info["rewards"] [R, A]` float32 are the seats'
    own rewards, and the team's is their sum. A done row is frozen, with reward 0, until it is reset.

    Everything returned is a torch tensor on `device`, fresh at each call: no later step writes to it.

    A new environment waits for its first `reset`. Episodes are numbered 0, 1, 2, ... in the order in which
    rows are reset, and episode k draws all its chance from (seed, k): it is the same episode at any R,
    after any history. `episode` (numpy, [R]) tells which k each row plays, -1 before any. `reset(first=k)`
    sets the counter first, so that a runner can name the episodes that it wants; the counter is all that an
    environment carries from one episode to the next. `reset` and `step` raise GameLost where a game of its own
    process died: after it, `reset(first=k)` works again.
    """

    info: EnvInfo
    batch: int
    device: torch.device
    episode: np.ndarray
    a_program_each: ClassVar[bool] = False
    """Whether every row starts a program of its own: then nobody asks for more rows than must be."""

    @classmethod
    @abstractmethod
    def describe(cls, n_agents: int | Any, **options: Any) -> EnvInfo:
        """The sizes that an environment with these options would have: arithmetic only."""

    @abstractmethod
    def __init__(
        self,
        n_agents: int | Any,
        batch: int | Any = 1,
        seed: int | Any = 0,
        device: str | torch.device = "cpu",
        **options: Any,
    ) -> None:
        """`int | Any`: what is not a whole number is refused inside, with a ConfigError."""

    @abstractmethod
    def reset(self, mask: Tensor | np.ndarray | None = None, first: int | Any = None) -> None:
        """Start the next episodes in all rows, or where `mask [R]` (bool) is true; `first`: see the class."""

    @abstractmethod
    def step(self, actions: Tensor | np.ndarray) -> tuple[Float[Tensor, " R"], Bool[Tensor, " R"], dict[str, Tensor]]:
        """Play one step in all rows that are not done; `actions [R, A]` whole."""

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
            raise NotImplementedError(f"{self.info.name} has deaths='told': its class says who is alive()")
        return torch.ones(self.batch, self.info.n_agents, dtype=torch.bool, device=self.device)

    def scripted_actions(self, styles: Tensor | np.ndarray) -> Int64[Tensor, "R A"]:
        """An available action for each seat, following `styles [R, A]`, positions in `info.styles`."""
        raise NotImplementedError(f"{self.info.name} has no scripted styles")

    @abstractmethod
    def frame(self, row: int = 0) -> dict[str, Any]: ...

    def close(self) -> None:  # noqa: B027 - most environments hold nothing
        """Release what the environment holds; closing twice is fine."""


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as an int; ConfigError unless it is a whole number (no bool, no 2.0) from low to high."""
    allowed = f"a whole number from {low} to {high}" if high is not None else f"a whole number of at least {low}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise ConfigError(name, value, f"allowed is {allowed}")
    if value < low or (high is not None and value > high):
        raise ConfigError(name, value, f"allowed is {allowed}")
    return int(value)


def real_number(name: str, value: object, low: float, high: float) -> float:
    """`value` as a float; ConfigError unless it is a number from low to high."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real) or not low <= value <= high:
        raise ConfigError(name, value, f"allowed is a number from {low:g} to {high:g}")
    return float(value)
