"""OMG: Q-learning on (state, subgoal); acting infers the subgoal, learning chooses one in hindsight."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.learners.q_learner import QLearner, Steps
from omg_lib.networks import unroll_gru
from omg_lib.regroup import regroup
from omg_lib.seeds import Stream, torch_generator
from omg_lib.subgoals import SubgoalPrior, candidate_windows, choose, gaussian_kl, last_living, mean_available
from omg_lib.trace import stage

CHUNK = 1024
"""Steps whose candidates are scored together on a CPU: few enough for the cache, and for Stop to be heard."""


@dataclass(frozen=True)
class Inferred:
    """What q_phi says about every packed step."""

    mu: Float[Tensor, "P Z"]
    log_var: Float[Tensor, "P Z"]
    goal: Float[Tensor, "P Z"]
    context: Float[Tensor, "P K"]


@dataclass(frozen=True)
class OMGLoss:
    """The opponent model's loss and what Q learning takes from it: g of Eq. 8, cut off from the graph."""

    loss: Float[Tensor, ""]
    recon: Float[Tensor, ""]
    kl: Float[Tensor, ""]
    goal: Float[Tensor, "P Z"]


class OMGLearner(QLearner):
    """The paper's Algorithm 1 on recurrent networks. `prior` must be fitted before the first update."""

    def __init__(self, config: OMGConfig, controller: Controller, device: torch.device) -> None:
        super().__init__(config, controller, device)
        self.inference = controller.inference
        self.omg_optimiser = torch.optim.Adam(self.inference.parameters(), config.omg_lr)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_generator(config.seed, Stream.PRIOR).initial_seed())
            self.prior = SubgoalPrior(controller.info.obs_dim, config.subgoal_dim).to(device)
        self.prior.requires_grad_(False)

    def modules(self) -> dict[str, nn.Module]:
        return super().modules() | {"inference": self.inference, "prior": self.prior}

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return super().optimisers() | {"inference": self.omg_optimiser}

    def train(self, sample: TensorDictBase, t_env: int, episode: int) -> dict[str, float]:
        batch = regroup(sample) if "seat" in sample.keys() else sample
        steps = self.read(batch)
        subgoals, _ = self.omg_loss(batch, steps, self.draw_noise(steps), self.mix_at(t_env))
        hidden = self.controller.init_hidden(steps.rows.shape[0])["hidden"]
        online, _ = self.q_values(steps, hidden, subgoals.goal)
        td_loss, _ = self.td_loss(steps, online, subgoals.goal)
        grad_norm, _ = self.step(td_loss + subgoals.loss)
        self.updates += 1
        self.update_target(episode)
        values = {
            "loss": td_loss + subgoals.loss,
            "td_loss": td_loss,
            "grad_norm": grad_norm,
            "omg_loss": subgoals.loss,
            "recon_loss": subgoals.recon,
            "kl_loss": subgoals.kl,
        }
        return {name: float(value.detach()) for name, value in values.items()}

    def mix_at(self, t_env: int) -> float:
        """Epsilon of Eq. 8: from `mix_start` to 0 over `mix_anneal_time` environment steps."""
        return self.config.mix_start * max(0.0, 1 - t_env / self.config.mix_anneal_time)

    def draw_noise(self, steps: Steps) -> dict[str, Tensor]:
        """All chance of one update, by (seed, update): `cvae` [G, T, A, Z] is normal, `eta` [G, T, A] uniform."""
        generator = torch_generator(self.config.seed, Stream.UPDATE, self.updates)
        cvae = torch.randn(*steps.rows.shape, self.config.subgoal_dim, generator=generator)
        eta = torch.rand(steps.rows.shape, generator=generator)
        return {"cvae": cvae.to(self.device), "eta": eta.to(self.device)}

    @stage("learner.omg_loss")
    def omg_loss(
        self, batch: TensorDictBase, steps: Steps, noise: dict[str, Tensor], mix: float
    ) -> tuple[OMGLoss, TensorDict]:
        """Eq. 5 with the subgoal of Eq. 6 or 7 as its target, and Eq. 8's mix of inferred and chosen subgoals.

        Terms count where a future state with a living unit exists: t < last living step. Errors are summed over Z
        (KL) and averaged over O (reconstruction), then averaged over those steps.
        """
        rows = steps.rows
        inferred = self.infer(steps, rows.pack(noise["cvae"]))
        living = last_living(rows.unpack(steps.obs), rows.unpack(rows.t >= 0))
        mu, log_var = self.prior(steps.obs)
        scored = rows.t < living[rows.b, rows.a]
        with torch.no_grad():
            values = self.score(steps, inferred.goal.detach(), mu, living, scored)
            chosen = choose(values, self.config.subgoal_mode)
            ahead = torch.minimum(rows.t + 1 + chosen, living[rows.b, rows.a])
            target_mu = rows.unpack(mu)[rows.b, ahead, rows.a]
            target_log_var = rows.unpack(log_var)[rows.b, ahead, rows.a]
            take_prior = scored & (rows.pack(noise["eta"]) <= mix)
            goal = torch.where(take_prior.unsqueeze(1), target_mu, inferred.goal)
        error = ((self.inference.reconstruct(inferred.goal, inferred.context) - steps.obs) ** 2).mean(dim=1)
        divergence = gaussian_kl(inferred.mu, inferred.log_var, target_mu, target_log_var)
        recon, kl = (
            error[scored].sum() / scored.sum().clamp(min=1),
            divergence[scored].sum() / scored.sum().clamp(min=1),
        )
        fields = {
            "infer_mu": rows.unpack(inferred.mu.detach())[:, :-1],
            "infer_log_var": rows.unpack(inferred.log_var.detach())[:, :-1],
            "candidates": candidate_windows(rows.unpack(mu), living, self.config.horizon),
            "values": rows.unpack(values)[:, :-1],
            "chosen": rows.unpack(chosen)[:, :-1],
        }
        loss = recon + self.config.kl_weight * kl
        return OMGLoss(loss, recon, kl, goal), TensorDict(fields, batch_size=[rows.shape[0]])

    def infer(self, steps: Steps, noise: Float[Tensor, "P Z"]) -> Inferred:
        """q_phi(g^ | tau, s) of every step, trained through time; `goal` is a reparametrised sample."""
        rows = steps.rows
        condition = self.inference.condition(rows.previous(steps.obs), steps.last, steps.identity)
        start = condition.new_zeros(rows.counts[0], self.config.context_dim)
        context = torch.cat(unroll_gru(self.inference.rnn, condition, rows, start))
        self.poll()
        mu, log_var = self.inference(steps.obs, context)
        return Inferred(mu, log_var, mu + noise * (0.5 * log_var).exp(), context)

    def score(
        self,
        steps: Steps,
        goal: Float[Tensor, "P Z"],
        mu: Float[Tensor, "P Z"],
        living: Int[Tensor, "G A"],
        scored: Bool[Tensor, " P"],
    ) -> Float[Tensor, "P H"]:
        """V(s_t, g) of each candidate g, from the hidden states of the policy that follows its inferred subgoals.

        The agent's first layer is linear in g, so it reads each state's embedding once and the windows are cut after.
        """
        rows, agent = steps.rows, self.agent
        windows = candidate_windows(rows.unpack(agent.read_subgoal(mu)), living, self.config.horizon)
        read = agent.read(steps.inputs)
        start = read.new_zeros(rows.counts[0], self.config.rnn_hidden_dim)
        hidden = rows.previous(torch.cat(agent.unroll(read + agent.read_subgoal(goal), rows, start)))
        values = read.new_zeros(len(read), self.config.horizon)
        for chunk in scored.nonzero().squeeze(1).split(CHUNK if read.device.type == "cpu" else len(read)):
            self.poll()
            wanted = windows[rows.b[chunk], rows.t[chunk], rows.a[chunk]]
            q = agent.q(agent.branch(read[chunk].unsqueeze(1) + wanted, hidden[chunk]))
            values[chunk] = mean_available(q, steps.avail_actions[chunk].unsqueeze(1))
        return values
