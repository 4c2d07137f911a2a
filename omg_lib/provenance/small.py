"""A small batch that is good for checks: shuffled, with unequal lengths, and with no two values equal by chance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.words import _

AXES = {
    "obs": "e t a _", "state": "e t _", "actions": "e t a _", "actions_onehot": "e t a _", "avail_actions": "e t a _",
    "reward": "e t _", "terminated": "e t _", "filled": "e t _",
}  # fmt: skip
"""The axes of PyMARL's fields, and ours."""


def inputs_of(batch: Any) -> dict[str, tuple[Tensor, str]]:
    """Return the inputs for `follow` from a dict, a TensorDict or an EpisodeBatch whose fields have PyMARL's names."""
    fields = batch.keys() if hasattr(batch, "keys") else batch.data.transition_data
    return {name: (batch[name], axes) for name, axes in AXES.items() if name in fields}


def small_batch(
    groups: int = 3,
    agents: int = 4,
    steps: int = 8,
    obs_dim: int = 5,
    state_dim: int = 6,
    n_actions: int = 4,
    seats: bool = True,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return random episodes: E = groups * agents with `seats` (each seat learns in `groups` of them, in shuffled
    order), else E = groups.

    obs [E, T, A, O], state [E, T, S], actions [E, T, A, 1], avail_actions [E, T, A, C], reward, terminated, filled [E,
    T, 1], seat [E, T, 1]. An episode of n steps fills rows 0..n. The limit cuts the first one; the others end. Raises
    ConfigError for fewer than 3 steps or 2 agents.
    """
    smallest = (("groups", groups, 1), ("agents", agents, 2), ("steps", steps, 3), ("n_actions", n_actions, 2))
    for name, value, least in smallest:
        if value < least:
            raise ConfigError(name, value, _("at least {least}").format(least=least))
    episodes = groups * agents if seats else groups
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, steps - 1, (episodes,), generator=generator)
    lengths[0] = steps - 1
    time = torch.arange(steps)
    filled, played = time <= lengths[:, None], time < lengths[:, None]
    avail = torch.rand(episodes, steps, agents, n_actions, generator=generator) < 0.6
    avail[..., 1] = True
    taken = torch.multinomial(avail.flatten(0, 2).float(), 1, generator=generator)
    ended = (time == lengths[:, None] - 1) & (lengths[:, None] < steps - 1)
    batch = {
        "obs": torch.randn(episodes, steps, agents, obs_dim, generator=generator) * filled[..., None, None],
        "state": torch.randn(episodes, steps, state_dim, generator=generator) * filled[..., None],
        "actions": taken.view(episodes, steps, agents, 1) * played[..., None, None],
        "avail_actions": avail & filled[..., None, None],
        "reward": torch.randn(episodes, steps, 1, generator=generator) * played[..., None],
        "terminated": ended[..., None],
        "filled": filled[..., None],
    }
    if seats:
        seat = (torch.arange(episodes) % agents)[torch.randperm(episodes, generator=generator)]
        batch["seat"] = seat.reshape(episodes, 1, 1).repeat(1, steps, 1)
    return batch
