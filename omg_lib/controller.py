"""Controller: who sits where, and what every seat does now."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from tensordict import TensorDict
from torch import Tensor

from omg_lib.config import OMGConfig
from omg_lib.envs import BatchedEnv, EnvInfo
from omg_lib.networks import RecurrentAgent, gru_step, one_hot
from omg_lib.seeds import Stream, numpy_generator
from omg_lib.subgoals import SubgoalInference
from omg_lib.trace import stage


class Controller:
    """Holds the networks that act and moves every seat of R episodes.

    With teammates one seat learns: seat k mod A in episode k; the others follow one scripted team, drawn per episode.
    Without, all seats are driven by the one shared network.
    """

    def __init__(self, config: OMGConfig, info: EnvInfo, device: torch.device) -> None:
        self.config, self.info, self.device = config, info, device
        subgoal_dim = config.subgoal_dim if config.learner == "omg" else 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(numpy_generator(config.seed, Stream.WEIGHTS).integers(2**62)))
            width = info.obs_dim + info.n_actions + info.n_agents
            self.agent = RecurrentAgent(width, info.n_actions, config.rnn_hidden_dim, subgoal_dim, config.dueling).to(
                device
            )
            self.inference = None
            if config.learner == "omg":
                self.inference = SubgoalInference(
                    info.obs_dim,
                    info.n_agents,
                    info.n_actions,
                    subgoal_dim,
                    config.feature_dim,
                    config.context_dim,
                ).to(device)

    @stage("controller.init_hidden")
    def init_hidden(self, batch_size: int) -> TensorDict:
        """Zero hidden states [B, A, 64] for B groups: the network sees them as B * A rows."""
        hidden = torch.zeros(batch_size, self.info.n_agents, self.config.rnn_hidden_dim, device=self.device)
        return TensorDict({"hidden": hidden}, batch_size=[batch_size])

    def inputs(
        self, obs: Float[Tensor, "N O"], own_last: Int[Tensor, " N"], identity: Float[Tensor, "N A"]
    ) -> Float[Tensor, "N I"]:
        """What the agent reads beside a subgoal: observation, own last action, one-hot seat."""
        return torch.cat([obs, one_hot(own_last, self.info.n_actions), identity], dim=-1)

    # --- acting ------------------------------------------------------------------------------------------------------

    def begin(self, episodes: np.ndarray, epsilon: float, test_mode: bool) -> None:
        """Take seats for R episodes, numbered `episodes`, and draw all of their noise from (seed, episode)."""
        runs, agents = len(episodes), self.info.n_agents
        self.epsilon, self.test_mode = 0.0 if test_mode else epsilon, test_mode
        if self.config.has_teammates:
            self.seat = torch.from_numpy(episodes % agents)
            self.row = torch.arange(runs)
            teams = np.asarray(self.info.teams)
            drawn = [numpy_generator(self.config.seed, Stream.TEAM, int(k)).integers(len(teams)) for k in episodes]
            self.team = teams[drawn]
        else:
            self.seat = torch.arange(agents).repeat(runs)
            self.row = torch.arange(runs).repeat_interleave(agents)
            self.team = None
        self.last = torch.full((runs, agents), -1)
        self.unread: list[tuple[int, Tensor, Tensor]] = []
        self.hidden = torch.zeros(len(self.row), self.config.rnn_hidden_dim, device=self.device)
        self.identity = one_hot(self.seat, agents).to(self.device)
        if self.inference is not None:
            self.context = torch.zeros(len(self.row), self.config.context_dim, device=self.device)
            self.previous_obs = torch.zeros(len(self.row), self.info.obs_dim, device=self.device)
        self._first_layer()
        self._draw_noise(episodes, len(self.row) // runs)

    @torch.inference_mode()
    def _first_layer(self) -> None:
        """Cut the agent's first layer by its inputs: the seat's share stays the same, an action's is a row to pick."""
        weight, info = self.agent.fc1.weight[:, : self.agent.input_dim], self.info
        obs, action, seat = weight.split([info.obs_dim, info.n_actions, info.n_agents], dim=1)
        self.seat_share = F.linear(self.identity, seat, self.agent.fc1.bias)
        self.action_share = F.pad(action.t(), (0, 0, 0, 1))  # the last row, index -1, is for no action yet
        self.obs_weight = obs.t()
        self.gates = self.agent.rnn.all_weights[0]

    def _draw_noise(self, episodes: np.ndarray, learners: int) -> None:
        """Who explores when (`explore` [L, N]), a die for each action (`dice` [L, N, C]) and the CVAE's noise."""
        steps, rows = self.info.episode_limit, len(self.row)
        self.explores, self.all_explore = [False] * steps, [False] * steps
        if self.test_mode and self.config.test_subgoal == "mean":
            return
        dice, latents = [], []
        for k in episodes:
            generator = numpy_generator(self.config.seed, Stream.ACT, int(k))
            dice.append(generator.random((steps, learners, 1 + self.info.n_actions), dtype=np.float32))
            if self.inference is not None:
                latents.append(generator.standard_normal((steps, learners, self.config.subgoal_dim), dtype=np.float32))
        thrown = torch.from_numpy(np.concatenate(dice, axis=1))
        self.explore, self.dice = thrown[..., :1] < self.epsilon, thrown[..., 1:]
        count = self.explore.sum(dim=(1, 2))
        self.explores, self.all_explore = (count > 0).tolist(), (count == rows).tolist()
        if latents:
            self.latents = torch.from_numpy(np.concatenate(latents, axis=1)).to(self.device)

    @torch.inference_mode()
    def select_actions(
        self, env: BatchedEnv, obs: Float[Tensor, "R A O"], avail_actions: Bool[Tensor, "R A C"], t: int
    ) -> Int[Tensor, "R A"]:
        """Epsilon-greedy over Q(s, g^, .) for the learner's seats, the script for the others.

        Who explores takes the available action with the highest die. The networks read a step only when their answer
        counts: steps at which every row explores wait in `unread`.
        """
        self.unread.append((t, self.own(obs), self.last))
        if self.all_explore[t]:
            score = self.dice[t]
        else:
            score = self._read()
            if self.explores[t]:
                score = torch.where(self.explore[t], self.dice[t], score)
        chosen = greedy(score, self.own(avail_actions).cpu())
        if self.team is None:
            actions = chosen.unflatten(0, self.last.shape)
        else:
            actions = env.scripted_actions(self.team).cpu()
            actions[self.row, self.seat] = chosen
        self.last = actions
        return actions

    def _read(self) -> Float[Tensor, "N C"]:
        """Q now, after the steps that the recurrent networks have not read yet."""
        for t, obs, last in self.unread:
            obs = obs.to(self.device)
            read = torch.addmm(self.seat_share, obs, self.obs_weight)
            read += self.action_share[self.own(last).to(self.device)]
            if self.inference is not None:
                read += self.agent.read_subgoal(self._infer(obs, last[self.row].to(self.device), t))
            self.hidden = torch.gru_cell(torch.relu_(read), self.hidden, *self.gates)
        self.unread.clear()
        return self.agent.q(self.hidden).cpu()

    def own(self, x: Shaped[Tensor, " R A *F"]) -> Shaped[Tensor, " N *F"]:
        """What belongs to the learner's seats: one row per episode with teammates, else R * A rows."""
        return x.flatten(0, 1) if self.team is None else x[self.row, self.seat]

    def _infer(self, obs: Tensor, played: Tensor, t: int) -> Float[Tensor, "N Z"]:
        """g^ from what this seat has seen; a sample while training, by default the mean in a greedy test."""
        condition = self.inference.condition(self.previous_obs, played, self.identity)
        self.context = gru_step(self.inference.rnn, condition, self.context)
        self.previous_obs = obs
        mu, log_var = self.inference(obs, self.context)
        if self.test_mode and self.config.test_subgoal == "mean":
            return mu
        return mu + self.latents[t] * (0.5 * log_var).exp()


def greedy(q: Float[Tensor, "*N C"], avail_actions: Bool[Tensor, "*N C"]) -> Int[Tensor, "*N"]:
    """The best available action."""
    return q.masked_fill(~avail_actions, -torch.inf).argmax(dim=-1)
