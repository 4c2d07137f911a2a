"""Pre-train a subgoal prior on the states that a pool of teammates visits (Eq. 10); evaluate it on held-out states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.envs import BatchedEnv, env_info, make_env, side_by_side
from omg_lib.envs.base import whole_number
from omg_lib.episodes import living
from omg_lib.runner import Runner
from omg_lib.seeds import Stream, torch_generator
from omg_lib.subgoals import SubgoalPrior, gaussian_kl
from omg_lib.teammates.players import CoPlayers
from omg_lib.teammates.pool import pool_of
from omg_lib.words import _

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
        return _(
            "held out: reconstruction {held_out_recon:.5f}, KL {held_out_kl:.2f} ({held_out_states} states); fitted: "
            "{recon:.5f}, {kl:.2f} ({states} states)"
        ).format(**vars(self))


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
        allowed = _("a prior is fitted to teammates' observations; allowed is any but none")
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


class PoolAlone:
    """Moves every seat by the pool: the co-player in the second seat also takes the learner's seat, here the first."""

    def __init__(self, coplayers: CoPlayers, seed: int) -> None:
        self.coplayers, self.seed = coplayers, seed

    def begin(self, episodes: np.ndarray, epsilon: float, test_mode: bool, coplayers: CoPlayers | None = None) -> None:
        members = self.coplayers.seats(self.coplayers.draw(self.seed, episodes), np.zeros(len(episodes), int))
        members[:, 0] = members[:, 1]
        self.coplayers.begin(members)

    def select_actions(
        self, env: BatchedEnv, obs: Float[Tensor, "R A O"], avail_actions: Bool[Tensor, "R A C"], t: int
    ) -> Int[Tensor, "R A"]:
        return self.coplayers.act(env, obs, avail_actions)

    def company(self) -> dict[str, Int[Tensor, " R"]]:
        return {"seat": torch.zeros(len(self.coplayers.members), dtype=torch.int64)}


def collect_states(config: OMGConfig, episodes: int) -> list[Float[Tensor, "N O"]]:
    """Collect observations of living units at every step played, one tensor per episode. The pool plays alone."""
    info = env_info(config.env, config.n_agents)
    pool = pool_of(config, info)
    players = PoolAlone(CoPlayers(pool, info, torch.device("cpu"), pool.training_ids(config)), config.seed)
    env = make_env(config.env, config.n_agents, batch=min(side_by_side(config.env, WIDTH), episodes), seed=config.seed)
    runner, seen = Runner(config, env, players), []
    while len(seen) < episodes:
        batch = runner.run()
        played = living(batch, info)[:, :-1] & batch["filled"][:, 1:]  # the last row was only seen
        seen += [obs[kept] for obs, kept in zip(batch["obs"][:, :-1], played, strict=True)]
    runner.close()
    return seen[:episodes]


@torch.inference_mode()
def errors(prior: SubgoalPrior, states: Float[Tensor, "N O"]) -> tuple[float, float]:
    """Return the mean squared error of the decoded means, and the KL to N(0, 1)."""
    mu, log_var = prior(states)
    zero = torch.zeros_like(mu)
    return float(((prior.decoder(mu) - states) ** 2).mean()), float(gaussian_kl(mu, log_var, zero, zero).mean())
