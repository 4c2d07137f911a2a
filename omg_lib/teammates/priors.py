"""Subgoal priors on disk: pre-trained on the states that a pool of teammates visits (Eq. 10), evaluated on held-out
states.

A file is safetensors: the weights of one `SubgoalPrior`, and how it was made as metadata. It cannot run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.envs import env_info, make_env, side_by_side
from omg_lib.envs.base import whole_number
from omg_lib.seeds import Stream, numpy_generator, torch_generator
from omg_lib.subgoals import SubgoalPrior, gaussian_kl
from omg_lib.system.files import TensorFile, open_tensors, parse_json, reason, write_tensors
from omg_lib.teammates.players import CoPlayers
from omg_lib.teammates.pool import pool_of

HELD_OUT = 5
"""Every fifth episode is held out for the report."""
WIDTH = 64


@dataclass(frozen=True)
class PriorReport:
    """Errors of a prior. Reconstruction: mean squared error per number observed; KL: nats, summed over Z."""

    states: int
    held_out_states: int
    recon: float
    kl: float
    held_out_recon: float
    held_out_kl: float

    def __str__(self) -> str:
        return (
            f"held out: reconstruction {self.held_out_recon:.5f}, KL {self.held_out_kl:.2f} ({self.held_out_states} "
            f"states); fitted: {self.recon:.5f}, {self.kl:.2f} ({self.states} states)"
        )


def pretrain(
    config: OMGConfig,
    episodes: int,
    steps: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[SubgoalPrior, PriorReport]:
    """Fit a prior to the observations of living units while the configuration's training sets of teammates play.

    ConfigError for fewer than two episodes: one is held out.
    """
    whole_number("episodes", episodes, 2)
    if not config.has_teammates:
        allowed = "a prior is fitted to teammates' observations; allowed is any but none"
        raise ConfigError("teammates", config.teammates, allowed)
    info = env_info(config.env, config.n_agents)
    seen = collect_states(config, episodes)
    held = torch.cat(seen[::HELD_OUT])
    fitted = torch.cat([states for k, states in enumerate(seen) if k % HELD_OUT])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_generator(config.seed, Stream.PRIOR).initial_seed())
        prior = SubgoalPrior(info.obs_dim, config.subgoal_dim)
    prior.fit(fitted, torch_generator(config.seed, Stream.PRIOR, 1), config.kl_weight, steps, progress=progress)
    recon, kl = errors(prior, fitted)
    held_recon, held_kl = errors(prior, held)
    return prior, PriorReport(len(fitted), len(held), recon, kl, held_recon, held_kl)


def collect_states(config: OMGConfig, episodes: int) -> list[Float[Tensor, "N O"]]:
    """Collect observations of living units, one tensor per episode. The pool plays alone: the co-player in the next
    seat also takes the learner's seat.
    """
    info = env_info(config.env, config.n_agents)
    coplayers = CoPlayers(pool_of(config, info), info, torch.device("cpu"))
    sets = coplayers.pool.training_ids(config)
    env = make_env(config.env, config.n_agents, batch=min(side_by_side(config.env, WIDTH), episodes), seed=config.seed)
    seen: list[Tensor] = []
    while len(seen) < episodes:
        env.reset()
        drawn = [sets[numpy_generator(config.seed, Stream.TEAM, int(k)).integers(len(sets))] for k in env.episode]
        members, rows = coplayers.seats(np.array(drawn), np.zeros(env.batch, int)), torch.arange(env.batch)
        members[:, 0] = members[:, 1]
        coplayers.begin(members)
        playing, steps = torch.ones(env.batch, dtype=torch.bool), []
        while playing.any():
            obs, alive = env.obs(), env.alive()
            steps.append((rows[playing], obs[playing], alive[playing]))
            _, done, _ = env.step(coplayers.act(env, obs, env.avail_actions()))
            playing &= ~done
        for row in rows:
            seen.append(torch.cat([obs[which == row][alive[which == row]] for which, obs, alive in steps]))
    env.close()
    return seen[:episodes]


@torch.inference_mode()
def errors(prior: SubgoalPrior, states: Float[Tensor, "N O"]) -> tuple[float, float]:
    """Return the mean squared error of the decoded means, and the KL to N(0, 1)."""
    mu, log_var = prior(states)
    zero = torch.zeros_like(mu)
    return float(((prior.decoder(mu) - states) ** 2).mean()), float(gaussian_kl(mu, log_var, zero, zero).mean())


def save_prior(prior: SubgoalPrior, path: str | Path, made: dict[str, object]) -> None:
    """Write a prior and how it was made. ConfigError if it cannot be written."""
    try:
        weights = prior.state_dict()
        arrays = {key: x.numpy(force=True) for key, x in weights.items()}
        write_tensors(Path(path), arrays, {"made": json.dumps(made | {"sha256": digest(weights)})})
    except (OSError, ValueError) as error:
        allowed = f"cannot be written ({reason(error)[:80]}); allowed is a writable file"
        raise ConfigError("out", str(path), allowed) from None


def digest(weights: dict[str, Tensor]) -> str:
    """Return the SHA-256 of named tensors."""
    found = hashlib.sha256()
    for key, x in sorted(weights.items()):
        found.update(key.encode() + x.contiguous().numpy().tobytes())
    return found.hexdigest()


def load_prior(prior: SubgoalPrior, path: str | Path) -> None:
    """Read weights into a prior. ConfigError, before anything is trained, for a damaged file, another width, or NaN."""
    try:
        with open_tensors(path) as file:
            _read_prior(prior, path, file)
    except ConfigError:
        raise
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise ConfigError("prior", str(path), f"is not a readable prior ({reason(error)[:80]})") from None


def _read_prior(prior: SubgoalPrior, path: str | Path, file: TensorFile) -> None:
    saved = parse_json(file.metadata.get("made", "{}")).get("sha256")
    found = file.layout["encoder.0.weight"][1][1], file.layout["mu.weight"][1][0]
    wanted = prior.encoder[0].in_features, prior.mu.out_features
    if found != wanted:
        sizes = "obs_dim={} and subgoal_dim={}"
        allowed = f"it is for {sizes.format(*found)}, this run has {sizes.format(*wanted)}"
        raise ConfigError("prior", str(path), allowed)
    layout = {key: (str(x.dtype).removeprefix("torch."), tuple(x.shape)) for key, x in prior.state_dict().items()}
    for key, (_, shape) in layout.items():
        if file.layout.get(key, ("", None))[1] != shape:
            raise ConfigError("prior", str(path), f"its weights {key} are missing, or are not {list(shape)}")
    try:
        weights = {key: torch.from_numpy(x) for key, x in file.arrays(layout).items()}
    except (OSError, ValueError) as error:
        raise ConfigError("prior", str(path), f"its weights {reason(error)}") from None
    if saved not in (None, digest(weights)):
        raise ConfigError("prior", str(path), "its weights differ from those that were saved: the file is damaged")
    prior.load_state_dict(weights)
