"""Subgoals: the prior that embeds a future state, the inference that predicts it, and the choice among candidates.

Equation and section numbers are the paper's (Yu, Jiang, Lu, NeurIPS 2024). Z is the width of an embedding, P counts
the filled steps of all rows (see `PackedRows`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from omg_lib.networks import others_actions, own_action
from omg_lib.opponents import RecurrentModel, Seen

LOG_VAR_RANGE = (-8.0, 4.0)
"""Log variances are clamped to this range: outside it, exp() makes the KL explode before the weights can adapt."""

DRAWN = 100
"""Number of pre-training steps whose random numbers are drawn together."""


class SubgoalPrior(nn.Module):
    """The VAE of Eq. 10: p_psi(g | s) embeds a state, here a seat's own observation [., O], as a Gaussian [., Z]."""

    def __init__(self, obs_dim: int, subgoal_dim: int, width: int = 128) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(obs_dim, width), nn.LeakyReLU(), nn.Linear(width, width), nn.LeakyReLU())
        self.mu, self.log_var = nn.Linear(width, subgoal_dim), nn.Linear(width, subgoal_dim)
        self.decoder = nn.Sequential(
            nn.Linear(subgoal_dim, width), nn.Linear(width, width), nn.LeakyReLU(), nn.Linear(width, obs_dim)
        )

    def forward(self, obs: Float[Tensor, "*N O"]) -> tuple[Float[Tensor, "*N Z"], Float[Tensor, "*N Z"]]:
        """Return the mean and log variance of p_psi(g | s)."""
        hidden = self.encoder(obs)
        return self.mu(hidden), self.log_var(hidden).clamp(*LOG_VAR_RANGE)

    def loss(
        self, obs: Float[Tensor, "N O"], noise: Float[Tensor, "N Z"], kl_weight: float
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return Eq. 10, negated (reconstruction error plus weighted KL to N(0, 1)), and the error alone."""
        mu, log_var = self(obs)
        error = F.mse_loss(self.decoder(mu + noise * (0.5 * log_var).exp()), obs)
        zero = torch.zeros_like(mu)
        return error + kl_weight * gaussian_kl(mu, log_var, zero, zero).mean(), error

    @torch.enable_grad()
    def fit(
        self,
        states: Float[Tensor, "N O"],
        generator: torch.Generator,
        kl_weight: float,
        steps: int = 300,
        batch: int = 256,
        lr: float = 1e-3,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[float]:
        """Pre-train on states, then freeze. Returns the reconstruction error of each step.

        An exception from `progress` ends it and restores the earlier weights.
        """
        before = copy.deepcopy(self.state_dict())
        try:
            return self._fit(states, generator, kl_weight, steps, batch, lr, progress)
        except BaseException:
            self.load_state_dict(before)
            raise
        finally:
            self.requires_grad_(False)

    def _fit(
        self,
        states: Float[Tensor, "N O"],
        generator: torch.Generator,
        kl_weight: float,
        steps: int,
        batch: int,
        lr: float,
        progress: Callable[[int, int], None],
    ) -> list[float]:
        self.requires_grad_(True)
        optimiser, errors = torch.optim.Adam(self.parameters(), lr, fused=True), []
        drawn = self._draws(steps, batch, states, generator)
        for done, (pick, noise) in enumerate(drawn, 1):
            loss, error = self.loss(states[pick], noise, kl_weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            errors.append(error.detach())
            progress(done, steps)
        return torch.stack(errors).tolist()  # waits for the GPU only once

    def _draws(
        self, steps: int, batch: int, states: Float[Tensor, "N O"], generator: torch.Generator
    ) -> Iterator[tuple[Int[Tensor, " B"], Float[Tensor, "B Z"]]]:
        """Yield the states and the noise of each step. A GPU receives those of `DRAWN` steps in one copy."""
        for first in range(0, steps, DRAWN):
            picks, noises = [], []
            for _ in range(min(DRAWN, steps - first)):
                picks.append(torch.randint(len(states), (batch,), generator=generator))
                noises.append(torch.randn(batch, self.mu.out_features, generator=generator, dtype=states.dtype))
            yield from zip(torch.stack(picks).to(states.device), torch.stack(noises).to(states.device), strict=True)


class SubgoalInference(RecurrentModel):
    """The CVAE of Eq. 5: q_phi(g^ | tau, s) infers the subgoal, p_theta(s | g^, tau) reconstructs the observation.

    | symbol | shape | meaning |
    |---|---|---|
    | obs | [., O] | current observation |
    | condition | [., O + A*C + C] | previous observation, co-players' last actions (own block zero), own last action |
    | context | [., K] | recurrent summary tau of the conditions so far |
    | mu, log_var, z | [., Z] | the inferred subgoal |

    With `supervised` (the paper's Fig. 6: an MLP instead of the CVAE) the mean is the prediction; nothing is sampled.
    """

    def __init__(
        self,
        obs_dim: int,
        n_agents: int,
        n_actions: int,
        subgoal_dim: int,
        feature_dim: int,
        context_dim: int,
        supervised: bool = False,
    ) -> None:
        super().__init__(obs_dim, obs_dim + (n_agents + 1) * n_actions, feature_dim, context_dim)
        self.n_actions, self.width = n_actions, subgoal_dim
        self.noise_dim = 0 if supervised else subgoal_dim
        self.mu = nn.Linear(self.trunk_dim, subgoal_dim)
        self.log_var = nn.Linear(self.trunk_dim, subgoal_dim)
        self.decoder = nn.Sequential(
            nn.Linear(subgoal_dim + context_dim, 2 * feature_dim),
            nn.ReLU(),
            nn.Linear(2 * feature_dim, obs_dim),
        )

    def condition(self, seen: Seen) -> Float[Tensor, "N I"]:
        """Return what the recurrent part reads at one step; actions are zeros at t = 0."""
        others = others_actions(seen.last, seen.identity, self.n_actions)
        return torch.cat([seen.previous_obs, others, own_action(seen.last, seen.identity, self.n_actions)], dim=-1)

    def forward(
        self, obs: Float[Tensor, "N O"], context: Float[Tensor, "N K"]
    ) -> tuple[Float[Tensor, "N Z"], Float[Tensor, "N Z"]]:
        """Return the mean and log variance of q_phi(g^ | tau, s)."""
        hidden = self.trunk(obs, context)
        return self.mu(hidden), self.log_var(hidden).clamp(*LOG_VAR_RANGE)

    def agent_input(
        self, seen: Seen, context: Float[Tensor, "N K"], noise: Float[Tensor, "N Z"] | None = None
    ) -> Float[Tensor, "N W"]:
        """Return g^: a reparametrised sample if there is noise, else the mean."""
        mu, log_var = self(seen.obs, context)
        return mu if noise is None or not self.noise_dim else mu + noise * (0.5 * log_var).exp()

    def reconstruct(self, z: Float[Tensor, "N Z"], context: Float[Tensor, "N K"]) -> Float[Tensor, "N O"]:
        """Return the mean of p_theta(s | g^, tau)."""
        return self.decoder(torch.cat([z, context], dim=-1))


def gaussian_kl(
    mu: Float[Tensor, "*N Z"],
    log_var: Float[Tensor, "*N Z"],
    target_mu: Float[Tensor, "*N Z"],
    target_log_var: Float[Tensor, "*N Z"],
) -> Float[Tensor, "*N"]:
    """Return KL(N(mu, var) || N(target_mu, target_var)) for diagonal Gaussians, summed over Z."""
    ratio = ((target_mu - mu) ** 2 + log_var.exp()) / target_log_var.exp()
    return -0.5 * (1 + log_var - target_log_var - ratio).sum(dim=-1)


def last_living(obs: Float[Tensor, "G T A O"], filled: Bool[Tensor, "G T A"]) -> Int[Tensor, "G A"]:
    """Return `last_step` for a battle: dead units stay dead and observe only zeros, living units never do."""
    return last_step(filled & (obs != 0).any(dim=-1))


def last_step(living: Bool[Tensor, "G T A"]) -> Int[Tensor, "G A"]:
    """Return the index of the last step at which each seat is alive."""
    steps = torch.arange(living.shape[1], device=living.device)
    return torch.where(living, rearrange(steps, "t -> 1 t 1"), 0).amax(dim=1)


def candidate_windows(
    embedding: Shaped[Tensor, "G T A Z"], last: Int[Tensor, "G A"], horizon: int
) -> Shaped[Tensor, "G U A H Z"]:
    """Return N_t^H of Eq. 6, U = T - 1: entry [t, h] embeds state min(t + 1 + h, last). A view: no H-fold memory."""
    groups, steps, agents, _ = embedding.shape
    reach = torch.arange(1, steps - 1 + horizon, device=embedding.device)
    future = torch.minimum(rearrange(reach, "s -> 1 s 1"), rearrange(last, "g a -> g 1 a"))
    first = rearrange(torch.arange(groups, device=last.device) * steps, "g -> g 1 1")
    rows = (first + future) * agents + torch.arange(agents, device=last.device)
    held = embedding.flatten(0, 2).index_select(0, rows.flatten()).unflatten(0, rows.shape)
    return rearrange(held.unfold(1, horizon, 1), "g t a z h -> g t a h z")


def choose(values: Float[Tensor, "*N H"], mode: str) -> Int[Tensor, "*N"]:
    """Choose the candidate for g-: the most (optimistic, Eq. 6) or the least valuable (conservative, Eq. 7)."""
    return values.argmax(dim=-1) if mode == "optimistic" else values.argmin(dim=-1)


def mean_available(q: Float[Tensor, "*#N C"], avail_actions: Bool[Tensor, "*#N C"]) -> Float[Tensor, "*N"]:
    """Return V(s, g): the mean of Q over available actions (the paper's E_a; the released code averages over all)."""
    return torch.where(avail_actions, q, 0.0).sum(dim=-1) / avail_actions.sum(dim=-1).clamp(min=1)
