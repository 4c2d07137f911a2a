"""OMG: Q-learning on (state, subgoal). To act, the agent infers the subgoal; to learn, it chooses it in hindsight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.episodes import PackedRows, PaddedRows, living, masked_mean
from omg_lib.learners.q_learner import ModelOutput, QLearner, Steps
from omg_lib.seeds import Stream, torch_generator
from omg_lib.subgoals import (
    SubgoalInference,
    SubgoalPrior,
    candidate_windows,
    choose,
    gaussian_kl,
    last_step,
    mean_available,
)
from omg_lib.trace import stage

CHUNK = 1024
"""Steps whose candidates are scored together on a CPU: few enough to fit the cache and to keep Stop responsive."""


@dataclass(frozen=True)
class Inferred:
    """The output of q_phi for every packed step."""

    mu: Float[Tensor, "P Z"]
    log_var: Float[Tensor, "P Z"]
    goal: Float[Tensor, "P Z"]
    context: Float[Tensor, "P K"]


class OMGLearner(QLearner):
    """The paper's Algorithm 1 on recurrent networks. `prior` must be fitted before the first update."""

    base = "omg"
    td_trains_model = False

    def __init__(
        self, config: OMGConfig, controller: Controller, device: torch.device, poll: Callable[[], None]
    ) -> None:
        super().__init__(config, controller, device, poll)
        self.inference: SubgoalInference = controller.model  # type: ignore[assignment]
        self.omg_optimiser = torch.optim.Adam(self.inference.parameters(), config.omg_lr)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_generator(config.seed, Stream.PRIOR).initial_seed())
            self.prior = SubgoalPrior(controller.info.obs_dim, config.subgoal_dim).to(device)
        self.prior.requires_grad_(False)

    @property
    def keeps_goal(self) -> bool:
        return self.config.bootstrap_subgoal == "same"

    def modules(self) -> dict[str, nn.Module]:
        return super().modules() | {"inference": self.inference, "prior": self.prior}

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return super().optimisers() | {"inference": self.omg_optimiser}

    def ask_model(self, sample: TensorDictBase, batch: TensorDictBase, steps: Steps, t_env: int) -> ModelOutput:
        return self.omg_loss(batch, steps, self.draw_noise(steps), self.mix_at(t_env))[0]

    def mix_at(self, t_env: int) -> float:
        """Return epsilon of Eq. 8: from `mix_start` to 0 over `mix_anneal_time` environment steps. The ablations of
        Fig. 7 fix it at 0 (only inferred subgoals) or at 1 (only the prior's).
        """
        fixed = {"inferred": 0.0, "prior": 1.0}
        return fixed.get(self.config.q_subgoal, self.annealed_mix(t_env))

    def annealed_mix(self, t_env: int) -> float:
        return self.config.mix_start * max(0.0, 1 - t_env / self.config.mix_anneal_time)

    def draw_noise(self, steps: Steps) -> dict[str, Tensor]:
        """Draw all random numbers of one update from (seed, update), on the learner's device: `cvae` [G, T, A, Z] is
        normal; `eta` (Eq. 8) and `pick` (for a random choice), both [G, T, A], are uniform.
        """
        generator = torch_generator(self.config.seed, Stream.UPDATE, self.updates, self.device)
        shape, device = steps.rows.shape, self.device
        cvae = torch.randn(*shape, self.config.subgoal_dim, generator=generator, device=device)
        eta, pick = (torch.rand(shape, generator=generator, device=device) for _ in range(2))
        return {"cvae": cvae, "eta": eta, "pick": pick}

    @stage("learner.omg_loss")
    def omg_loss(
        self, batch: TensorDictBase, steps: Steps, noise: dict[str, Tensor], mix: float
    ) -> tuple[ModelOutput, TensorDict]:
        """Compute Eq. 5 with the subgoal of Eq. 6 or 7 as its target, and Eq. 8's mix of inferred and chosen subgoals.

        Only steps with a future living state count: t < the seat's last living step. Errors are summed over Z (KL) and
        averaged over O (reconstruction), then averaged over these steps. If supervised, the "reconstruction" error is
        that of g^ against g-, averaged over Z, and there is no KL.
        """
        rows = steps.rows
        inferred = self.infer(steps, rows.pack(noise["cvae"]))
        last = last_step(living(batch, self.controller.info))
        mu, log_var = self.prior(steps.obs)
        embedding = self.embed(mu, log_var, rows, noise)
        end = last[rows.b, rows.a]
        scored = rows.t < end
        with torch.no_grad():
            values = self.score(steps, inferred.goal.detach(), embedding, end, scored)
            chosen = self.choose(values, rows.pack(noise["pick"]))
            target = rows.at(torch.minimum(rows.t + 1 + chosen, end))
            target_mu, target_log_var = mu[target], log_var[target]
            take_prior = scored & (rows.pack(noise["eta"]) <= mix)
            goal = torch.where(take_prior.unsqueeze(1), embedding[target], inferred.goal)
        if self.config.subgoal_model == "supervised":
            error = ((inferred.mu - target_mu) ** 2).mean(dim=1)
            divergence = torch.zeros_like(error)
        else:
            rebuilt = self.inference.reconstruct(inferred.goal, inferred.context)
            error = ((rebuilt - self.rebuilds(steps.obs)) ** 2).mean(dim=1)
            pulls_to = self.kl_target(target_mu, target_log_var, noise)
            divergence = gaussian_kl(inferred.mu, inferred.log_var, *pulls_to)
        recon, kl = self.mean_over(error, scored, rows), self.mean_over(divergence, scored, rows)
        fields = {
            "infer_mu": rows.unpack(inferred.mu.detach())[:, :-1],
            "infer_log_var": rows.unpack(inferred.log_var.detach())[:, :-1],
            "candidates": candidate_windows(rows.unpack(embedding), last, self.config.horizon),
            "values": rows.unpack(values)[:, :-1],
            "chosen": rows.unpack(chosen)[:, :-1],
        }
        loss = recon + self.config.kl_weight * kl
        output = ModelOutput(goal, loss, {"omg_loss": loss, "recon_loss": recon, "kl_loss": kl})
        return output, TensorDict(fields, batch_size=[rows.shape[0]])

    def choose(self, values: Float[Tensor, "P H"], pick: Float[Tensor, " P"]) -> Int[Tensor, " P"]:
        """Choose the candidate for g-: by value (Eq. 6, 7) or, in Fig. 6's ablations, at random or always t + k."""
        choice = self.config.subgoal_choice
        if choice == "value":
            return choose(values, self.config.subgoal_mode)
        if choice == "random":
            return (pick * self.config.horizon).long().clamp(max=self.config.horizon - 1)
        return torch.full_like(pick, int(choice.removeprefix("t+")) - 1, dtype=torch.int64)

    def infer(self, steps: Steps, noise: Float[Tensor, "P Z"]) -> Inferred:
        """Compute q_phi(g^ | tau, s) of every step, trained through time; `goal` is a reparametrised sample."""
        context = self.contexts(steps)
        self.poll()
        mu, log_var = self.inference(steps.obs, context)
        goal = mu + noise * (0.5 * log_var).exp() if self.inference.noise_dim else mu
        return Inferred(mu, log_var, goal, context)

    def score(
        self,
        steps: Steps,
        goal: Float[Tensor, "P Z"],
        embedding: Float[Tensor, "P Z"],
        end: Int[Tensor, " P"],
        scored: Bool[Tensor, " P"],
    ) -> Float[Tensor, "P H"]:
        """Return V(s_t, g) of each candidate g, from hidden states of the policy that follows its inferred subgoals.

        The agent's first layer is linear in g, so it reads each state's embedding once, before the windows are cut.
        """
        rows, agent, ahead = steps.rows, self.agent, torch.arange(1, self.config.horizon + 1, device=end.device)
        read, candidates = agent.read(steps.inputs), agent.read_subgoal(embedding)
        windows = rows.at(torch.minimum(rows.t.unsqueeze(1) + ahead, end.unsqueeze(1)))
        start = read.new_zeros(rows.counts[0], self.config.rnn_hidden_dim)
        followed = agent.read_subgoal(self.followed(goal, embedding, windows))
        hidden = rows.previous(agent.unroll(read + followed, rows, start))

        def value(chunk: Tensor | slice) -> Float[Tensor, "some H"]:
            self.poll()
            ahead = candidates.index_select(0, windows[chunk].flatten()).unflatten(0, windows[chunk].shape)
            q = agent.q(agent.branch(read[chunk].unsqueeze(1) + ahead, hidden[chunk]))
            return self.state_value(q, steps.avail_actions[chunk].unsqueeze(1))

        if isinstance(rows, PaddedRows):  # all steps at once: selecting some would make the host wait for their number
            return value(slice(None)) * scored.unsqueeze(1)
        values = read.new_zeros(len(read), self.config.horizon)
        for chunk in scored.nonzero().squeeze(1).split(CHUNK):
            values[chunk] = value(chunk)
        return values

    # --- what the released code does otherwise: see `released` --------------------------------------------------------

    def contexts(self, steps: Steps) -> Float[Tensor, "P K"]:
        """Return the summary tau of every step, with its gradient through all steps before it."""
        return self.inference.unroll(steps.seen, steps.rows)

    def embed(
        self, mu: Float[Tensor, "P Z"], log_var: Float[Tensor, "P Z"], rows: PackedRows, noise: dict[str, Tensor]
    ) -> Float[Tensor, "P Z"]:
        """Return the embedding of each state as a candidate: the prior's mean."""
        return mu

    def followed(
        self, goal: Float[Tensor, "P Z"], embedding: Float[Tensor, "P Z"], windows: Int[Tensor, "P H"]
    ) -> Float[Tensor, "P Z"]:
        """Return the subgoals that lead to the hidden states from which candidates are scored."""
        return goal

    def state_value(self, q: Float[Tensor, "*#N C"], avail_actions: Bool[Tensor, "*#N C"]) -> Float[Tensor, "*N"]:
        """Return V(s, g) from Q(s, g, .)."""
        return mean_available(q, avail_actions)

    def kl_target(
        self, mu: Float[Tensor, "P Z"], log_var: Float[Tensor, "P Z"], noise: dict[str, Tensor]
    ) -> tuple[Float[Tensor, "P Z"], Float[Tensor, "P Z"]]:
        """Return the Gaussian that the inferred one is pulled towards, from that of the chosen state."""
        return mu, log_var

    def rebuilds(self, obs: Float[Tensor, "P O"]) -> Float[Tensor, "P F"]:
        """Return what the decoder has to reconstruct."""
        return obs

    def mean_over(self, x: Float[Tensor, " P"], scored: Bool[Tensor, " P"], rows: PackedRows) -> Float[Tensor, ""]:
        """Return the mean of an error over the steps with a subgoal."""
        return masked_mean(x, scored)
