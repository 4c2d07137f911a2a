"""Independent Q-learning, the base of every learner here: PyMARL's QLearner without the work on padding."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller, greedy
from omg_lib.episodes import Rows, filled_per_seat, masked_mean, per_seat
from omg_lib.networks import RecurrentAgent, one_hot
from omg_lib.regroup import last_actions, regroup
from omg_lib.trace import stage


@dataclass(frozen=True)
class Steps:
    """What a learner reads of a batch [G, T, A, ...], packed: P filled steps of G * A rows, no padding.

    | field | shape | meaning |
    |---|---|---|
    | obs | [P, O] | observation |
    | identity | [P, A] | slot a, one-hot |
    | last | [P, A] | what every player did one step before, in this row's own episode; -1 at t = 0 |
    | inputs | [P, I] | what the agent reads beside a subgoal |
    | avail_actions | [P, C] | |
    | actions, reward, terminated | [P] | of the transition that starts here |
    | real | [P] | whether that transition exists: filled[t + 1] |
    """

    rows: Rows
    obs: Float[Tensor, "P O"]
    identity: Float[Tensor, "P A"]
    last: Int[Tensor, "P A"]
    inputs: Float[Tensor, "P I"]
    avail_actions: Bool[Tensor, "P C"]
    actions: Int[Tensor, " P"]
    reward: Float[Tensor, " P"]
    terminated: Bool[Tensor, " P"]
    real: Bool[Tensor, " P"]


class QLearner:
    """IQL: every sequence is a learner of its own, all share one recurrent network (paper Eq. 2, double Q)."""

    def __init__(self, config: OMGConfig, controller: Controller, device: torch.device) -> None:
        self.config, self.controller, self.device = config, controller, device
        self.agent = controller.agent
        self.target = copy.deepcopy(self.agent).requires_grad_(False)
        self.target.rnn.flatten_parameters()  # on a GPU a copy's weights lie apart, and each call would gather them
        self.optimiser = torch.optim.RMSprop(
            self.agent.parameters(), config.lr, alpha=config.optim_alpha, eps=config.optim_eps
        )
        self.last_target_update = self.updates = 0
        self.poll: Callable[[], None] = lambda: None

    def modules(self) -> dict[str, nn.Module]:
        """Everything with weights, by name, for checkpoints."""
        return {"agent": self.agent, "target": self.target}

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"agent": self.optimiser}

    def train(self, sample: TensorDictBase, t_env: int, episode: int) -> dict[str, float]:
        """One update from a truncated sample [G*A, T, ...] with seats, or [G, T, ...] in which all seats learn.

        `episode` counts the episodes of each seat and decides when the target network follows. Returns metrics.
        """
        steps = self.read(regroup(sample) if "seat" in sample.keys() else sample)
        hidden = self.controller.init_hidden(steps.rows.shape[0])["hidden"]
        q, _ = self.q_values(steps, hidden)
        loss, _ = self.td_loss(steps, q)
        grad_norm, _ = self.step(loss)
        self.updates += 1
        self.update_target(episode)
        return {"loss": float(loss.detach()), "td_loss": float(loss.detach()), "grad_norm": float(grad_norm)}

    def read(self, batch: TensorDictBase) -> Steps:
        """Pack a regrouped batch, or one in which all seats learn (there every slot shares its episode's actions)."""
        rows = Rows(filled_per_seat(batch))
        agents = rows.shape[2]
        if "last_actions" in batch.keys():
            last = rows.pack(batch["last_actions"])
        else:
            last = last_actions(batch["actions"][..., 0])[rows.b, rows.t]
        obs, identity = rows.pack(batch["obs"]), one_hot(rows.a, agents)
        return Steps(
            rows=rows,
            obs=obs,
            identity=identity,
            last=last,
            inputs=self.controller.inputs(obs, last.gather(1, rows.a.unsqueeze(1)).squeeze(1), identity),
            avail_actions=rows.pack(batch["avail_actions"]),
            actions=rows.pack(batch["actions"][..., 0]),
            reward=rows.pack(per_seat(batch["reward"], agents)),
            terminated=rows.pack(per_seat(batch["terminated"], agents)),
            real=rows.has_next,
        )

    @stage("learner.q_values")
    def q_values(
        self, steps: Steps, hidden: Float[Tensor, "G A H"], goal: Float[Tensor, "P Z"] | None = None
    ) -> tuple[dict[str, Tensor], TensorDict]:
        """Q of every filled step, and the hidden states behind it; padded, q is [G, T, A, C]."""
        self.poll()
        start = steps.rows.first(hidden)
        states = torch.cat(self.agent.unroll(self.agent.read(steps.inputs, goal), steps.rows, start))
        q = self.agent.q(states)
        padded = TensorDict({"q": steps.rows.unpack(q.detach())}, batch_size=[steps.rows.shape[0]])
        return {"q": q, "hidden": states.detach(), "start": start}, padded

    @stage("learner.td_loss")
    def td_loss(
        self, steps: Steps, online: dict[str, Tensor], goal: Float[Tensor, "P Z"] | None = None
    ) -> tuple[Float[Tensor, ""], TensorDict]:
        """Mean squared TD error over the real transitions; with a goal, the bootstrap keeps it (Eq. 4)."""
        self.poll()
        with torch.no_grad():
            next_online, next_target = self.next_q(steps, online, goal)
            best = greedy(next_online, steps.rows.following(steps.avail_actions))
            bootstrap = next_target.gather(1, best.unsqueeze(1)).squeeze(1)
            target = self.returns(steps, bootstrap)
        chosen = online["q"].gather(1, steps.actions.unsqueeze(1)).squeeze(1)
        loss = masked_mean((chosen - target) ** 2, steps.real)
        return loss, TensorDict({"loss": loss.detach()}, batch_size=[])

    def next_q(
        self, steps: Steps, online: dict[str, Tensor], goal: Float[Tensor, "P Z"] | None
    ) -> tuple[Float[Tensor, "P C"], Float[Tensor, "P C"]]:
        """Online and target Q of the next step of each row, [P, C]; zero where there is none."""
        self.poll()
        target = torch.cat(self.target.unroll(self.target.read(steps.inputs, goal), steps.rows, online["start"]))
        if goal is None or self.config.bootstrap_subgoal == "next":
            return steps.rows.following(online["q"]), steps.rows.following(self.target.q(target))
        next_online = self.same_goal(self.agent, steps, online["hidden"], goal)
        return next_online, self.same_goal(self.target, steps, target, goal)

    def same_goal(
        self, agent: RecurrentAgent, steps: Steps, hidden: Float[Tensor, "P H"], goal: Float[Tensor, "P Z"]
    ) -> Float[Tensor, "P C"]:
        """Q(s_{t+1}, g_t, .): one more step from the hidden state of t, with the next observation and this goal."""
        q = agent.q(agent.step(agent.read(steps.rows.following(steps.inputs), goal), hidden))
        self.poll()
        return q

    def returns(self, steps: Steps, bootstrap: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
        """Targets of `td_steps` steps; they end early at the episode's end, without bootstrap where the game ended.

        With a goal, the bootstrap after the last of them keeps the goal of that last transition: Q(s_{t+n}, g_{t+n-1}).
        """
        discount = self.config.gamma * (~steps.terminated)
        target = steps.reward + discount * bootstrap
        for _ in range(self.config.td_steps - 1):
            further = torch.where(steps.rows.following(steps.real), steps.rows.following(target), bootstrap)
            target = steps.reward + discount * further
        return target

    @stage("learner.step")
    def step(self, loss: Float[Tensor, ""]) -> tuple[Float[Tensor, ""], TensorDict]:
        """Gradients, each optimiser's clipped to `grad_norm_clip`, and one step; returns the agent's gradient norm."""
        self.poll()
        for optimiser in self.optimisers().values():
            optimiser.zero_grad()
        loss.backward()
        norms = {}
        for name, optimiser in self.optimisers().items():
            weights = [w for group in optimiser.param_groups for w in group["params"]]
            norms[name] = nn.utils.clip_grad_norm_(weights, self.config.grad_norm_clip)
            optimiser.step()
        return norms["agent"], TensorDict({}, batch_size=[])

    def update_target(self, episode: int) -> None:
        """Copy the online network every `target_update_interval` episodes."""
        if episode - self.last_target_update >= self.config.target_update_interval:
            self.target.load_state_dict(self.agent.state_dict())
            self.last_target_update = episode
