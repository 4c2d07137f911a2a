"""Check what an environment returns at one step against the contract: one sentence for the first thing that is wrong.

`Runner` checks its first episodes, `envs.check` whole games. Otherwise a wrong shape that numpy broadcasts, such as one
observation for all seats, would train without an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs.base import BatchedEnv, EnvInfo
from omg_lib.words import _, listing

LARGEST = 2.0**24
"""Beyond this float32 no longer distinguishes whole numbers, and no network here learns from such inputs."""


def fault(info: EnvInfo, said: str) -> ConfigError:
    return ConfigError("env", info.name, said)


def check_tensor(info: EnvInfo, call: str, given: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Raise ConfigError unless a call returned a tensor of this dtype and shape, with numbers that float32 can use.

    NaN and infinity pass: the runner names them with the stage and the field.
    """
    if isinstance(given, Tensor) and given.dtype == dtype and given.shape == shape:
        if dtype.is_floating_point:
            check_range(info, call, given.numpy(force=True))
        return
    found = [] if isinstance(given, Tensor) else [type(given).__name__]
    if isinstance(given, Tensor | np.ndarray):
        found += [str(given.dtype).removeprefix("torch."), str(list(given.shape))]
    wanted = _("expected is a tensor, {dtype} {shape}").format(
        dtype=str(dtype).removeprefix("torch."), shape=list(shape)
    )
    raise fault(info, _("{call} returned {given}; {wanted}").format(call=call, given=" ".join(found), wanted=wanted))


def check_range(info: EnvInfo, what: str, given: np.ndarray) -> None:
    """Raise ConfigError for a finite number beyond `LARGEST`."""
    too_large = (np.abs(given) > LARGEST) & np.isfinite(given)
    if too_large.any():
        said = _("{what} holds {value:g}; float32 is exact up to {largest:,.0f} only: scale it")
        raise fault(info, said.format(what=what, value=given[too_large].flat[0], largest=LARGEST))


def check_shown(env: BatchedEnv, playing: np.ndarray) -> None:
    """Check obs(), state(), avail_actions() and alive(); `playing` [R] marks the rows whose episode is not over."""
    info, R, A = env.info, env.batch, env.info.n_agents
    check_tensor(info, "obs()", env.obs(), torch.float32, (R, A, info.obs_dim))
    check_tensor(info, "state()", env.state(), torch.float32, (R, info.state_dim))
    available = env.avail_actions()
    check_tensor(info, "avail_actions()", available, torch.bool, (R, A, info.n_actions))
    check_tensor(info, "alive()", env.alive(), torch.bool, (R, A))
    stuck = ~available.numpy(force=True).any(axis=2) & playing[:, None]
    if stuck.any():
        row, seat = np.argwhere(stuck)[0]
        said = _("avail_actions() leaves seat {seat} in row {row} no action; expected is one or more")
        raise fault(info, said.format(seat=seat, row=row))


def check_outcome(env: BatchedEnv, given: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Check what step() returned, and return it: reward, done and info."""
    info, R = env.info, env.batch
    if not isinstance(given, tuple) or len(given) != 3:
        found = _("{n} values").format(n=len(given)) if isinstance(given, tuple) else type(given).__name__
        raise fault(info, _("step() returned {found}; expected are reward, done and info").format(found=found))
    reward, done, outcome = given
    check_tensor(info, "step()'s reward", reward, torch.float32, (R,))
    check_tensor(info, "step()'s done", done, torch.bool, (R,))
    names = {"battle_won", "episode_limit"} | ({"rewards"} if info.general_sum else set())
    if not isinstance(outcome, dict) or outcome.keys() != names:
        found = sorted(outcome) if isinstance(outcome, dict) else type(outcome).__name__
        why = _("; `rewards` belong to general_sum=True") if "rewards" in found else ""
        said = _("step()'s info has {found}; expected is a dict with {names}{why}")
        raise fault(info, said.format(found=found, names=listing(sorted(names)), why=why))
    for key in ("battle_won", "episode_limit"):
        check_tensor(info, f"step()'s info['{key}']", outcome[key], torch.bool, (R,))
    if info.general_sum:
        check_tensor(info, "step()'s info['rewards']", outcome["rewards"], torch.float32, (R, info.n_agents))
    return reward, done, outcome


def endless(info: EnvInfo) -> ConfigError:
    said = _("step() does not end the episode: expected is done after {n} steps at most")
    return fault(info, said.format(n=info.episode_limit))
