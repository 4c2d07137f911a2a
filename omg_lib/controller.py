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
from omg_lib.networks import RecurrentAgent, greedy, input_widths, one_hot
from omg_lib.opponents import OpponentModel, Seen, make_baseline, others_actions, own_action
from omg_lib.seeds import Stream, numpy_generator
from omg_lib.subgoals import SubgoalInference
from omg_lib.system.torch_state import check_torch
from omg_lib.teammates.players import CoPlayers
from omg_lib.teammates.pool import pool_of
from omg_lib.trace import stage


class Controller:
    """Holds the networks that act and moves every seat of R episodes.

    With teammates one seat learns: seat k mod A in episode k; in the others sits one set of fixed co-players, drawn per
    episode. Without, all seats are driven by the one shared network.
    """

    def __init__(self, config: OMGConfig, info: EnvInfo, device: torch.device) -> None:
        self.config, self.info, self.device = config, info, device
        self.coplayers: CoPlayers | None = None
        self.sets: tuple[int, ...] = ()  # the sets of teammates that episodes draw from
        if config.has_teammates:
            self.coplayers = CoPlayers(pool_of(config, info), info, device)
            self.sets = self.coplayers.pool.training_ids(config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(numpy_generator(config.seed, Stream.WEIGHTS).integers(2**62)))
            model = self._make_model()
            self.widths = input_widths(info, config.sees_actions)
            extra = model.width if model else 0
            agent = RecurrentAgent(sum(self.widths), info.n_actions, config.rnn_hidden_dim, extra, config.dueling)
            self.agent = agent.to(device)
        self.model = model.to(device) if model else None

    def _make_model(self) -> OpponentModel | None:
        config, info = self.config, self.info
        if config.learner == "omg":
            sizes = (info.obs_dim, info.n_agents, info.n_actions, config.subgoal_dim)
            supervised = config.subgoal_model == "supervised"
            return SubgoalInference(*sizes, config.feature_dim, config.context_dim, supervised)
        return make_baseline(config, info, len(self.coplayers.sets) if self.coplayers else 0)

    @stage("controller.init_hidden")
    def init_hidden(self, batch_size: int) -> TensorDict:
        """Zero hidden states [B, A, 64] for B groups: the network sees them as B * A rows."""
        hidden = torch.zeros(batch_size, self.info.n_agents, self.config.rnn_hidden_dim, device=self.device)
        return TensorDict({"hidden": hidden}, batch_size=[batch_size])

    def inputs(
        self, obs: Float[Tensor, "N O"], last: Int[Tensor, "N A"], identity: Float[Tensor, "N A"]
    ) -> Float[Tensor, "N I"]:
        """What the agent reads beside a subgoal: see `networks.input_widths`. `last` is what every player did last."""
        parts = [obs, own_action(last, identity, self.info.n_actions), identity]
        if self.config.sees_actions:
            parts.append(others_actions(last, identity, self.info.n_actions))
        return torch.cat(parts, dim=-1)

    # --- acting ------------------------------------------------------------------------------------------------------

    def begin(self, episodes: np.ndarray, epsilon: float, test_mode: bool) -> None:
        """Take seats for R episodes, numbered `episodes`, and draw all of their noise from (seed, episode)."""
        check_torch()
        runs, agents = len(episodes), self.info.n_agents
        self.epsilon, self.test_mode = 0.0 if test_mode else epsilon, test_mode
        self.set_ids = self.team = None
        if self.coplayers is not None:
            seats = episodes % agents
            self.seat, self.row = torch.from_numpy(seats), torch.arange(runs)
            drawn = np.array([self._draw_set(int(k)) for k in episodes])
            self.set_ids, self.team = torch.from_numpy(drawn), self.coplayers.seats(drawn, seats)
            self.coplayers.begin(self.team)
        else:
            self.seat = torch.arange(agents).repeat(runs)
            self.row = torch.arange(runs).repeat_interleave(agents)
        self.last = torch.full((runs, agents), -1)
        self.unread: list[tuple[int, Tensor, Tensor]] = []
        self.hidden = torch.zeros(len(self.row), self.config.rnn_hidden_dim, device=self.device)
        self.identity = one_hot(self.seat, agents).to(self.device)
        if self.model is not None:
            self.context = torch.zeros(len(self.row), self.model.context_dim, device=self.device)
            self.previous_obs = torch.zeros(len(self.row), self.info.obs_dim, device=self.device)
            self.told = self.set_ids.to(self.device) if self.config.learner == "oracle" else None
        self._first_layer()
        self._draw_noise(episodes, len(self.row) // runs)

    def _draw_set(self, episode: int) -> int:
        """The teammates of an episode, by (seed, episode)."""
        return self.sets[numpy_generator(self.config.seed, Stream.TEAM, episode).integers(len(self.sets))]

    @torch.inference_mode()
    def _first_layer(self) -> None:
        """Cut the agent's first layer by its inputs: the seat's share stays the same, an action's is a row to pick."""
        weight = self.agent.fc1.weight[:, : self.agent.input_dim]
        obs, action, seat, self.others_share = weight.split(self.widths, dim=1)
        self.seat_share = F.linear(self.identity, seat, self.agent.fc1.bias)
        self.action_share = F.pad(action.t(), (0, 0, 0, 1))  # the last row, index -1, is for no action yet
        self.obs_weight = obs.t()
        self.gates = self.agent.rnn.all_weights[0]

    def _draw_noise(self, episodes: np.ndarray, learners: int) -> None:
        """Who explores when (`explore` [L, N]), a die for each action (`dice` [L, N, C]) and the CVAE's noise."""
        steps, rows = self.info.episode_limit, len(self.row)
        self.explores, self.all_explore = [False] * steps, [False] * steps
        self.latents = None
        if self.test_mode and self.config.test_subgoal == "mean":
            return
        dice, latents = [], []
        noise_dim = self.model.noise_dim if self.model is not None else 0
        for k in episodes:
            generator = numpy_generator(self.config.seed, Stream.ACT, int(k))
            dice.append(generator.random((steps, learners, 1 + self.info.n_actions), dtype=np.float32))
            if noise_dim:
                latents.append(generator.standard_normal((steps, learners, noise_dim), dtype=np.float32))
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
        """Epsilon-greedy over Q(s, g^, .) for the learner's seats; the others are moved by who sits there.

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
            actions = self.coplayers.act(env, obs, avail_actions)
            actions[self.row, self.seat] = chosen
        self.last = actions
        return actions

    def _read(self) -> Float[Tensor, "N C"]:
        """Q now, after the steps that the recurrent networks have not read yet."""
        for t, obs, last in self.unread:
            obs = obs.to(self.device)
            read = torch.addmm(self.seat_share, obs, self.obs_weight)
            read += self.action_share[self.own(last).to(self.device)]
            played = last[self.row].to(self.device)
            if self.config.sees_actions:
                read += F.linear(others_actions(played, self.identity, self.info.n_actions), self.others_share)
            if self.model is not None:
                read += self.agent.read_subgoal(self._ask_model(obs, played, t))
            self.hidden = torch.gru_cell(torch.relu_(read), self.hidden, *self.gates)
        self.unread.clear()
        return self.agent.q(self.hidden).cpu()

    def own(self, x: Shaped[Tensor, " R A *F"]) -> Shaped[Tensor, " N *F"]:
        """What belongs to the learner's seats: one row per episode with teammates, else R * A rows."""
        return x.flatten(0, 1) if self.team is None else x[self.row, self.seat]

    def _ask_model(self, obs: Float[Tensor, "N O"], last: Int[Tensor, "N A"], t: int) -> Float[Tensor, "N W"]:
        """What the opponent model tells the agent; OMG samples g^ in training, by default not in tests."""
        seen = Seen(obs, self.previous_obs, last, self.identity, self.told)
        self.context, self.previous_obs = self.model.step(seen, self.context), obs
        return self.model.tell(seen, self.context, None if self.latents is None else self.latents[t])
