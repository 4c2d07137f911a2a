"""`omg_released`: OMG with the choices of the authors' released code, each of them a switch.

Their code is not public; users' notes and debugger output tell what it does. Where it departs from the paper, `omg`
follows the paper. Here every departure is on unless you switch it off, and with all of them off this learner is `omg`
bit for bit:

| setting | on: the released code | off: the paper, `omg` |
|---|---|---|
| `value_of_all` | V(s, g) is the mean of Q over all actions | over the available ones |
| `kl_switched` | one draw per update decides what the KL pulls towards: g- or the stored inference | g- |
| `context_detached` | tau is detached at every step: no gradient through time | trained through time |
| `feature_rebuilt` | the decoder reconstructs the encoder's own feature | the observation |
| `candidates_sampled` | a candidate's embedding is a sample, one for each state | the prior's mean |
| `first_followed` | candidates are scored from hidden states that followed candidate 1 | the inferred subgoals |
| `padding_counted` | losses are divided by the number of all entries, padding included | of steps with a subgoal |
| `seats_shifted` | slot a learns from seat a of an episode whose learner sat in seat a - 1 | from the learner's seat |
| `actions_mixed` | the co-players' actions of slot a come from the group's other episodes | from its own episode |

The stored inference is N(0, 1): the code stores it once, after the last step, so it is zero at every step that counts.
The draw takes g- with probability 1 - epsilon of Eq. 8, as in a reader's port; the sense in the release itself is not
known. The released code shifts the seats only where OMG is named last in its team (`7iql1iql_omg`).

Three choices more are fields of every configuration: `q_subgoal="inferred"` (Eq. 8 does not reach Q),
`bootstrap_subgoal="next"` and `test_subgoal="sample"`. `omg_lib.preset("released")` sets all of them.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import repeat
from jaxtyping import Bool, Float, Int
from tensordict import TensorDictBase
from torch import Tensor, nn

from omg_lib.config import OMGConfig
from omg_lib.envs import EnvInfo
from omg_lib.episodes import PackedRows
from omg_lib.learners.omg import OMGLearner
from omg_lib.learners.q_learner import ModelOutput, Steps
from omg_lib.opponents import OpponentModel
from omg_lib.regroup import last_actions
from omg_lib.seeds import Stream, torch_generator
from omg_lib.subgoals import SubgoalInference


class ReleasedOMG(OMGLearner):
    """OMG with the switches of the table above. Draws come from a stream of their own, so `omg`'s stay the same."""

    settings: ClassVar = dict.fromkeys(
        (
            "value_of_all", "kl_switched", "context_detached", "feature_rebuilt", "candidates_sampled",
            "first_followed", "padding_counted", "seats_shifted", "actions_mixed",
        ),
        True,
    )  # fmt: skip

    @classmethod
    def make_model(cls, config: OMGConfig, info: EnvInfo, n_sets: int) -> OpponentModel | None:
        """Return an inference whose decoder is as wide as its feature; None (omg's own) unless `feature_rebuilt`."""
        if not config.extra["feature_rebuilt"]:
            return None
        sizes = (info.obs_dim, info.n_agents, info.n_actions, config.subgoal_dim)
        model = SubgoalInference(*sizes, config.feature_dim, config.context_dim, config.subgoal_model == "supervised")
        model.decoder[-1] = nn.Linear(2 * config.feature_dim, config.feature_dim)
        return model

    def train(self, sample: TensorDictBase, t_env: int, episode: int) -> dict[str, float]:
        if self._on("seats_shifted") and "seat" in sample.keys():
            sample = sample.copy()  # its fields stay the buffer's
            sample["seat"] = (sample["seat"] + 1) % self.config.n_agents
        return super().train(sample, t_env, episode)

    def read(self, batch: TensorDictBase) -> Steps:
        if self._on("actions_mixed") and "last_actions" in batch.keys():
            batch = batch.copy()
            batch["last_actions"] = mixed_actions(batch["actions"], batch["filled"])
        return super().read(batch)

    def ask_model(self, sample: TensorDictBase, batch: TensorDictBase, steps: Steps, t_env: int) -> ModelOutput:
        noise = self.draw_noise(steps)
        noise["takes_stored"] = noise["switch"] <= self.annealed_mix(t_env)
        return self.omg_loss(batch, steps, noise, self.mix_at(t_env))[0]

    def draw_noise(self, steps: Steps) -> dict[str, Tensor]:
        """Draw also `candidate` [G, T, A, Z], normal, and `switch` [], uniform."""
        generator = torch_generator(self.config.seed, Stream.RELEASED, self.updates, self.device)
        switch = torch.rand((), generator=generator, device=self.device)
        shape = (*steps.rows.shape, self.config.subgoal_dim)
        candidate = torch.randn(*shape, generator=generator, device=self.device)
        return super().draw_noise(steps) | {"candidate": candidate, "switch": switch}

    def contexts(self, steps: Steps) -> Float[Tensor, "P K"]:
        if not self._on("context_detached"):
            return super().contexts(steps)
        with torch.no_grad():
            before = steps.rows.previous(super().contexts(steps))
        return self.inference.step(steps.seen, before)

    def embed(
        self, mu: Float[Tensor, "P Z"], log_var: Float[Tensor, "P Z"], rows: PackedRows, noise: dict[str, Tensor]
    ) -> Float[Tensor, "P Z"]:
        if not self._on("candidates_sampled"):
            return mu
        return mu + rows.pack(noise["candidate"]) * (0.5 * log_var).exp()

    def followed(
        self, goal: Float[Tensor, "P Z"], embedding: Float[Tensor, "P Z"], windows: Int[Tensor, "P H"]
    ) -> Float[Tensor, "P Z"]:
        return embedding.index_select(0, windows[:, 0]) if self._on("first_followed") else goal

    def state_value(self, q: Float[Tensor, "*#N C"], avail_actions: Bool[Tensor, "*#N C"]) -> Float[Tensor, "*N"]:
        return q.mean(dim=-1) if self._on("value_of_all") else super().state_value(q, avail_actions)

    def kl_target(
        self, mu: Float[Tensor, "P Z"], log_var: Float[Tensor, "P Z"], noise: dict[str, Tensor]
    ) -> tuple[Float[Tensor, "P Z"], Float[Tensor, "P Z"]]:
        """Return N(0, 1) if this update takes the stored inference; what only measures takes none."""
        if not self._on("kl_switched") or "takes_stored" not in noise:
            return mu, log_var
        kept = ~noise["takes_stored"]
        return mu * kept, log_var * kept

    def rebuilds(self, obs: Float[Tensor, "P O"]) -> Float[Tensor, "P F"]:
        """Return the feature with its gradient: nothing keeps the two from shrinking together."""
        return F.relu(self.inference.fc(obs)) if self._on("feature_rebuilt") else super().rebuilds(obs)

    def mean_over(self, x: Float[Tensor, " P"], scored: Bool[Tensor, " P"], rows: PackedRows) -> Float[Tensor, ""]:
        if not self._on("padding_counted"):
            return super().mean_over(x, scored, rows)
        groups, steps, seats = rows.shape
        return torch.where(scored, x, 0.0).sum() / (groups * (steps - 1) * seats)

    def _on(self, name: str) -> bool:
        return bool(self.config.extra[name])


def mixed_actions(actions: Int[Tensor, "G T A 1"], filled: Bool[Tensor, "G T A 1"]) -> Int[Tensor, "G T A A"]:
    """Return `last_actions` as they are after a regrouping that forgot each episode's co-players: what player j did in
    every slot is what slot j's learner did at that step of its own episode; -1 after its end.
    """
    agents = actions.shape[2]
    last = last_actions(actions[..., 0])
    return repeat(torch.where(filled[..., 0], last, -1), "g t player -> g t slot player", slot=agents)
