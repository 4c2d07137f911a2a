"""Controller: who sits where, and what every seat does now."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
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
        self.identity = one_hot(self.seat, agents).to(self.device)
        self.column = self.seat.unsqueeze(1).to(self.device)
        self.unread: list[tuple[int, Tensor, Tensor]] = []
        self.last = torch.full((runs, agents), -1)
        self.hidden = torch.zeros(len(self.row), self.config.rnn_hidden_dim, device=self.device)
        if self.inference is not None:
            self.context = torch.zeros(len(self.row), self.config.context_dim, device=self.device)
            self.previous_obs = torch.zeros(len(self.row), self.info.obs_dim, device=self.device)
        self._draw_noise(episodes, len(self.row) // runs)

    def _draw_noise(self, episodes: np.ndarray, learners: int) -> None:
        if self.test_mode and self.config.test_subgoal == "mean":
            return
        steps = self.info.episode_limit
        coins, latents = [], []
        for k in episodes:
            generator = numpy_generator(self.config.seed, Stream.ACT, int(k))
            coins.append(generator.random((steps, learners, 2), dtype=np.float32))
            if self.inference is not None:
                latents.append(generator.standard_normal((steps, learners, self.config.subgoal_dim), dtype=np.float32))
        self.coins = rearrange(torch.from_numpy(np.stack(coins)), "r t s two -> t (r s) two")
        if latents:
            self.latents = rearrange(torch.from_numpy(np.stack(latents)), "r t s z -> t (r s) z").to(self.device)

    @torch.inference_mode()
    def select_actions(
        self, env: BatchedEnv, obs: Float[Tensor, "R A O"], avail_actions: Bool[Tensor, "R A C"], t: int
    ) -> Int[Tensor, "R A"]:
        """Epsilon-greedy over Q(s, g^, .) for the learner's seats, the script for the others.

        The network reads a step only when its answer counts: steps at which every row explores wait in `unread`.
        """
        available = self.own(avail_actions)
        self.unread.append((t, self.own(obs), self.last))
        if self.test_mode:
            chosen = greedy(self._read(), available)
        else:
            explore, pick = self.coins[t].unbind(dim=-1)
            explore = explore < self.epsilon
            if explore.all():
                chosen = nth_available(available, pick)
            else:
                chosen = greedy(self._read(), available)
                if explore.any():
                    chosen = torch.where(explore, nth_available(available, pick), chosen)
        if self.team is None:
            actions = rearrange(chosen, "(r a) -> r a", a=self.info.n_agents)
        else:
            actions = env.scripted_actions(self.team).clone()
            actions[self.row, self.seat] = chosen
        self.last = actions
        return actions

    def _read(self) -> Float[Tensor, "N C"]:
        """Q now, after the steps that the recurrent networks have not read yet."""
        for t, obs, last in self.unread:
            obs, played = obs.to(self.device), last[self.row].to(self.device)
            own_last = played.gather(1, self.column).squeeze(1)
            read = self.agent.read(self.inputs(obs, own_last, self.identity))
            if self.inference is not None:
                read = read + self.agent.read_subgoal(self._infer(obs, played, t))
            self.hidden = self.agent.step(read, self.hidden)
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


def nth_available(available: Bool[Tensor, "N C"], fraction: Float[Tensor, " N"]) -> Int[Tensor, " N"]:
    """A uniform draw among the available actions, from one uniform number in [0, 1) per row."""
    rank = available.cumsum(dim=-1)
    wanted = (fraction * rank[:, -1]).floor() + 1
    return (rank >= wanted.unsqueeze(1)).to(torch.uint8).argmax(dim=-1)


def greedy(q: Float[Tensor, "*N C"], avail_actions: Bool[Tensor, "*N C"]) -> Int[Tensor, "*N"]:
    """The best available action."""
    return q.masked_fill(~avail_actions, -torch.inf).argmax(dim=-1)
