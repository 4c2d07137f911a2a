"""Independent Q-learning, the base of every learner here: PyMARL's QLearner without the work on padding."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from omg_lib.config import FIELDS, ConfigError, OMGConfig
from omg_lib.contract import METRICS, Fields
from omg_lib.controller import Controller
from omg_lib.envs import EnvInfo
from omg_lib.episodes import PackedRows, filled_per_seat, masked_mean, per_seat, rows_of
from omg_lib.faults import finite_numbers
from omg_lib.networks import Agent, greedy, one_hot
from omg_lib.opponents import OpponentModel, Seen
from omg_lib.registry import Scalar
from omg_lib.regroup import last_actions, regroup
from omg_lib.trace import stage
from omg_lib.words import _


@dataclass(frozen=True)
class Steps:
    """What a learner reads of a batch [G, T, A, ...], packed: P filled steps of G * A rows, no padding.

    | field | shape | meaning |
    |---|---|---|
    | obs | [P, O] | observation |
    | identity | [P, A] | slot a, one-hot |
    | last | [P, A] | what every player did one step earlier, in this row's own episode; -1 at t = 0 |
    | inputs | [P, I] | what the agent reads beside a subgoal |
    | avail_actions | [P, C] | |
    | actions, reward, terminated | [P] | of the transition that starts here |
    | real | [P] | whether that transition exists: filled[t + 1] |
    | team | [P] | which set of teammates plays; only if the learner may know it |
    """

    rows: PackedRows
    obs: Float[Tensor, "P O"]
    identity: Float[Tensor, "P A"]
    last: Int[Tensor, "P A"]
    inputs: Float[Tensor, "P I"]
    avail_actions: Bool[Tensor, "P C"]
    actions: Int[Tensor, " P"]
    reward: Float[Tensor, " P"]
    terminated: Bool[Tensor, " P"]
    real: Bool[Tensor, " P"]
    team: Int[Tensor, " P"] | None = None

    @property
    def seen(self) -> Seen:
        """What an opponent model may read."""
        return Seen(self.obs, self.rows.previous(self.obs), self.last, self.identity, self.team)


@dataclass(frozen=True)
class ModelOutput:
    """What an opponent model contributes to one update: the agent's extra input, detached, and its own loss."""

    goal: Float[Tensor, "P W"] | None = None
    loss: Float[Tensor, ""] | None = None
    metrics: dict[str, Tensor] = field(default_factory=dict)


class QLearner:
    """IQL, also for agents that read more (iql_actions, oracle). Every sequence learns independently, and all share one
    recurrent network (paper Eq. 2, double Q).

    `poll` is called between two chunks of work and may raise: the update then ends before any weight has changed.

    To write your own learner, override one of the hooks and `register` the class (see README.md in this folder).
    """

    base: ClassVar[str] = "iql"
    """The library's learner that a subclass builds on: its networks, stages, and who learns by default."""
    settings: ClassVar[Mapping[str, Scalar]] = {}
    """A subclass's own settings and their defaults; a run's values are in `config.extra`."""
    td_trains_model: ClassVar[bool] = True
    """Whether the TD loss also trains the opponent model's weights, if any; else the model has its own optimiser."""

    def __init__(
        self, config: OMGConfig, controller: Controller, device: torch.device, poll: Callable[[], None]
    ) -> None:
        self.config, self.controller, self.device, self.poll = config, controller, device, poll
        self.agent, self.model = controller.agent, controller.model
        self.target = copy.deepcopy(self.agent).requires_grad_(False)
        for part in self.target.modules():
            if isinstance(part, nn.GRU):  # on a GPU a copy's weights lie apart, and each call would gather them
                part.flatten_parameters()
        weights = list(self.agent.parameters())
        if self.td_trains_model and self.model is not None:
            weights += self.model.parameters()
        self.optimiser: torch.optim.Optimizer
        if config.optimiser == "adam":
            self.optimiser = torch.optim.Adam(weights, config.lr)
        else:
            self.optimiser = torch.optim.RMSprop(weights, config.lr, alpha=config.optim_alpha, eps=config.optim_eps)
        self.last_target_update = self.updates = 0

    # --- hooks for a learner of your own ---------------------------------------------------------------------------

    @classmethod
    def make_model(cls, config: OMGConfig, info: EnvInfo, n_sets: int) -> OpponentModel | None:
        """Create what the agent reads besides its own observation, last action and seat; None keeps the base's model.

        `n_sets` is how many sets of teammates the pool has, 0 without a pool.
        """
        return None

    @classmethod
    def stages(cls, config: OMGConfig) -> Mapping[str, tuple[str, Fields]]:
        """Declare your own stages for `predict`: name -> (the stage that it follows, its fields with axes and dtype).
        Decorate the function that runs one with `omg_lib.trace.stage(name)`.
        """
        return {}

    def td_weights(self, error: Float[Tensor, " P"], steps: Steps) -> Float[Tensor, " P"] | None:
        """Return each transition's weight in the TD loss; `error` has no gradient. None means 1 for all."""
        return None

    def own_loss(
        self, batch: TensorDictBase, steps: Steps, online: dict[str, Tensor], goal: Float[Tensor, "P W"] | None
    ) -> Float[Tensor, ""] | None:
        """Return a loss to add to the library's, reported as `own_loss`, or None.

        `online` holds q [P, C] with its gradient and hidden [P, H] without; `goal` is the model's output to the agent.
        """
        return None

    def own_metrics(
        self, batch: TensorDictBase, steps: Steps, online: dict[str, Tensor]
    ) -> Mapping[str, Tensor | float]:
        """Return numbers to report after each update, from before its step; each becomes a column of metrics.csv."""
        return {}

    # --- the library's -----------------------------------------------------------------------------------------------

    @property
    def keeps_goal(self) -> bool:
        """Whether the bootstrap at t + 1 reads the model's output of t (Eq. 4, OMG) or of t + 1."""
        return False

    def modules(self) -> dict[str, nn.Module]:
        """Return everything with weights, by name, for checkpoints."""
        own = {"model": self.model} if self.td_trains_model and self.model is not None else {}
        return {"agent": self.agent, "target": self.target} | own

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"agent": self.optimiser}

    def state_dict(self) -> dict[str, Any]:
        """Return the counters that the next update depends on; `modules` and `optimisers` have the tensors."""
        return {"update": self.updates, "last_target_update": self.last_target_update}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.updates, self.last_target_update = state["update"], state["last_target_update"]

    @torch.enable_grad()
    def train(self, sample: TensorDictBase, t_env: int, episode: int) -> dict[str, float]:
        """Run one update on a truncated sample: [G*A, T, ...] with seats, or [G, T, ...] in which all seats learn.

        `episode` counts the episodes of each seat and decides when the target network is updated. Returns metrics.
        """
        batch = regroup(sample) if "seat" in sample.keys() else sample
        steps = self.read(batch)
        output = self.ask_model(sample, batch, steps, t_env)
        hidden = self.controller.init_hidden(steps.rows.shape[0])["hidden"]
        online, _ = self.q_values(steps, hidden, output.goal)
        td_loss, _ = self.td_loss(steps, online, output.goal)
        loss = td_loss if output.loss is None else td_loss + output.loss
        metrics = {"td_loss": td_loss} | output.metrics
        own_loss = self.own_loss(batch, steps, online, output.goal)
        if own_loss is not None:
            loss = loss + self._shaped("own_loss", own_loss, [])
            metrics["own_loss"] = own_loss
        with torch.no_grad():
            metrics |= self._checked_metrics(self.own_metrics(batch, steps, online))
        numbers, _ = self.step(loss, metrics)
        self.updates += 1
        self.update_target(episode)
        return numbers

    def _checked_metrics(self, own: Mapping[str, Tensor | float]) -> dict[str, Tensor]:
        """Return a subclass's metrics. ConfigError for a name that is taken, or a metric that is not one number."""
        for name in own:
            if name in METRICS or name == "own_loss" or not name.isidentifier():
                raise ConfigError("own_metrics", name, _("the library has this column; allowed is another name"))
            if name in FIELDS or name in self.config.extra:  # `results` has both in one row
                raise ConfigError("own_metrics", name, _("a setting has this name; allowed is another one"))
        return {name: self._shaped(name, torch.as_tensor(value), []) for name, value in own.items()}

    def _shaped(self, name: str, found: Tensor, wanted: Sequence[int]) -> Tensor:
        """Return a hook's result. ConfigError for another shape, which would silently broadcast."""
        if list(found.shape) != list(wanted):
            what = f"{type(self).__name__}.{name}"
            raise ConfigError(
                what, list(found.shape), _("allowed is a tensor of shape {wanted}").format(wanted=list(wanted))
            )
        return found

    def ask_model(self, sample: TensorDictBase, batch: TensorDictBase, steps: Steps, t_env: int) -> ModelOutput:
        """Return what the opponent model tells the agent at every step; models that learn add loss and metrics."""
        model = self.controller.model
        if model is None:
            return ModelOutput()
        return ModelOutput(model.agent_input(steps.seen, model.unroll(steps.seen, steps.rows)))

    def read(self, batch: TensorDictBase) -> Steps:
        """Pack a regrouped batch, or one in which all seats learn (there every slot shares its episode's actions)."""
        rows = rows_of(filled_per_seat(batch))
        agents = rows.shape[2]
        if "last_actions" in batch.keys():
            last = rows.pack(batch["last_actions"])
        else:
            last = rows.pack_shared(last_actions(batch["actions"][..., 0]))
        obs, identity = rows.pack(batch["obs"]), one_hot(rows.a, agents)
        return Steps(
            rows=rows,
            obs=obs,
            identity=identity,
            last=last,
            inputs=self.controller.inputs(obs, last, identity),
            avail_actions=rows.pack(batch["avail_actions"]),
            actions=rows.pack(batch["actions"][..., 0]),
            reward=rows.pack(per_seat(batch["reward"], agents)),
            terminated=rows.pack(per_seat(batch["terminated"], agents)),
            real=rows.has_next,
            team=rows.pack(per_seat(batch["team"], agents)) if "team" in batch.keys() else None,
        )

    @stage("learner.q_values")
    def q_values(
        self, steps: Steps, hidden: Float[Tensor, "G A H"], goal: Float[Tensor, "P Z"] | None = None
    ) -> tuple[dict[str, Tensor], TensorDict]:
        """Return Q of every filled step and its hidden states; padded, q is [G, T, A, C]."""
        self.poll()
        start = steps.rows.first(hidden)
        states = self.agent.unroll(self.agent.read(steps.inputs, goal), steps.rows, start)
        q = self.agent.q(states)
        padded = TensorDict({"q": steps.rows.unpack(q.detach())}, batch_size=[steps.rows.shape[0]])
        return {"q": q, "hidden": states.detach(), "start": start}, padded

    @stage("learner.td_loss")
    def td_loss(
        self, steps: Steps, online: dict[str, Tensor], goal: Float[Tensor, "P Z"] | None = None
    ) -> tuple[Float[Tensor, ""], TensorDict]:
        """Return the mean squared TD error over the real transitions; OMG's bootstrap keeps the goal (Eq. 4)."""
        self.poll()
        with torch.no_grad():
            target = self._shaped("td_target", self.td_target(steps, online, goal), steps.reward.shape)
        chosen = self.joint(online["q"].gather(1, steps.actions.unsqueeze(1)).squeeze(1), steps)
        error = chosen - target
        weights = self.td_weights(error.detach(), steps)
        squared = error**2 if weights is None else self._shaped("td_weights", weights, error.shape) * error**2
        loss = masked_mean(squared, steps.real)
        return loss, TensorDict({"loss": loss.detach()}, batch_size=[])

    def td_target(
        self, steps: Steps, online: dict[str, Tensor], goal: Float[Tensor, "P W"] | None
    ) -> Float[Tensor, " P"]:
        """Return the target of each transition: double Q, over `td_steps` steps."""
        next_online, next_target = self.next_q(steps, online, goal)
        best = greedy(next_online, steps.rows.following(steps.avail_actions))
        bootstrap = next_target.gather(1, best.unsqueeze(1)).squeeze(1)
        return self.returns(steps, self.joint(bootstrap, steps, target=True))

    def joint(self, q: Float[Tensor, " P"], steps: Steps, target: bool = False) -> Float[Tensor, " P"]:
        """Return the value to learn from the values of the seats' actions at t; with `target`, its bootstrap at t + 1.

        Here each seat learns its own value.
        """
        return q

    def next_q(
        self, steps: Steps, online: dict[str, Tensor], goal: Float[Tensor, "P Z"] | None
    ) -> tuple[Float[Tensor, "P C"], Float[Tensor, "P C"]]:
        """Return online and target Q of each row's next step, [P, C]; zero if there is none."""
        self.poll()
        target = self.target.unroll(self.target.read(steps.inputs, goal), steps.rows, online["start"])
        if not self.keeps_goal:
            return steps.rows.following(online["q"]), steps.rows.following(self.target.q(target))
        next_online = self.same_goal(self.agent, steps, online["hidden"], goal)
        return next_online, self.same_goal(self.target, steps, target, goal)

    def same_goal(
        self, agent: Agent, steps: Steps, hidden: Float[Tensor, "P H"], goal: Float[Tensor, "P Z"]
    ) -> Float[Tensor, "P C"]:
        """Return Q(s_{t+1}, g_t, .): one more step from t's hidden state, with the next observation and this goal."""
        q = agent.q(agent.step(agent.read(steps.rows.following(steps.inputs), goal), hidden))
        self.poll()
        return q

    def returns(self, steps: Steps, bootstrap: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
        """Return targets over `td_steps` steps; they stop at the episode's end, without bootstrap if the game ended.

        With a goal, the bootstrap after the last of them keeps the goal of that last transition: Q(s_{t+n}, g_{t+n-1}).
        """
        discount = self.config.gamma * (~steps.terminated)
        target = steps.reward + discount * bootstrap
        most = steps.rows.shape[1] - 1  # no episode has more steps
        for __ in range(min(self.config.td_steps, most) - 1):
            further = torch.where(steps.rows.following(steps.real), steps.rows.following(target), bootstrap)
            target = steps.reward + discount * further
        return target

    @stage("learner.step")
    def step(
        self, loss: Float[Tensor, ""], metrics: Mapping[str, Tensor] = MappingProxyType({})
    ) -> tuple[dict[str, float], TensorDict]:
        """Compute gradients, clip each optimiser's to `grad_norm_clip`, and step once. Return the loss, the agent's
        gradient norm and the metrics as numbers.

        NotFiniteError, before any step, if the loss or a gradient is.
        """
        self.poll()
        for optimiser in self.optimisers().values():
            optimiser.zero_grad()
        loss.backward()
        norms = {}
        for name, optimiser in self.optimisers().items():
            weights = [w for group in optimiser.param_groups for w in group["params"]]
            norms[name] = nn.utils.clip_grad_norm_(weights, self.config.grad_norm_clip)
        checked = {"loss": loss, "grad_norm": norms.pop("agent"), **norms}
        numbers = finite_numbers("learner.step", "grad_norm", checked, metrics)
        for optimiser in self.optimisers().values():
            optimiser.step()
        return {name: x for name, x in numbers.items() if name not in norms}, TensorDict({}, batch_size=[])

    def update_target(self, episode: int) -> None:
        """Copy the online network every `target_update_interval` episodes."""
        if episode - self.last_target_update >= self.config.target_update_interval:
            self.copy_to_target()
            self.last_target_update = episode

    def copy_to_target(self) -> None:
        """Make the target network equal to the online network."""
        self.target.load_state_dict(self.agent.state_dict())
