"""Controller: decides who sits in which seat, and what each seat does at this step."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from tensordict import TensorDict
from torch import Tensor, nn

from omg_lib.acting import ActingAgent, ActingInference, greedy
from omg_lib.config import ConfigError, OMGConfig, own_learner
from omg_lib.envs import BatchedEnv, EnvInfo
from omg_lib.networks import AGENTS, Agent, input_widths, one_hot, others_actions, own_action
from omg_lib.opponents import OpponentModel, Seen, make_baseline
from omg_lib.seeds import Stream, numpy_generator
from omg_lib.subgoals import SubgoalInference
from omg_lib.system.torch_state import check_torch
from omg_lib.teammates.players import CoPlayers
from omg_lib.teammates.pool import pool_of
from omg_lib.trace import stage
from omg_lib.words import _

HOST = torch.device("cpu")


@dataclass(frozen=True)
class Noise:
    """All random numbers of some episodes, drawn before they begin: L steps for N rows of learners.

    | field | shape | meaning |
    |---|---|---|
    | explore | [L, N, 1] | whether a row explores at a step; empty if none ever does |
    | dice | [L, N, C] | a random number per action; a row that explores takes the available action with the highest |
    | latents | [L, N, Z] | the opponent model's normal noise; None if it uses its mean |
    | some, all | [L] | whether any row explores at a step, whether all do |
    """

    explore: np.ndarray
    dice: np.ndarray
    latents: np.ndarray | None
    some: list[bool]
    all: list[bool]


@dataclass
class Acting:
    """The state of the R running episodes. Their learners fill N rows: one per episode with teammates, otherwise all A
    seats of each.

    | field | shape | meaning |
    |---|---|---|
    | seat, row | [N] | each learner's seat, and which of the R episodes it is in |
    | identity | [N, A] | its seat, one-hot |
    | agent | | the network that acts for the learners |
    | inference | | OMG's model for acting, in numpy; None if the model's own module acts |
    | noise | | the `Noise` drawn for these episodes |
    | hidden | [N, H] | the agent's recurrent state |
    | context | [N, K] | the opponent model's memory; K is 0 without one |
    | previous_obs | [N, O] | the last observation that the model read; zeros at t = 0 |
    | last | [R, A] | every player's last action; -1 at t = 0 |
    | unread | | (t, obs [N, O], last [R, A]) of each step that the networks have not read yet |
    | coplayers | | the players in the other seats; None if all seats learn |
    | set_ids | [R] | the set of teammates that each episode drew; None if all seats learn |
    | team | [R, A] | the pool's member in each seat, `NOBODY` in the learner's; None if all seats learn |
    | known_team | [N] | `set_ids` for the oracle's model; None for all other learners |
    """

    seat: np.ndarray
    row: np.ndarray
    identity: Tensor
    agent: ActingAgent
    inference: ActingInference | None
    noise: Noise
    hidden: np.ndarray
    context: np.ndarray
    previous_obs: np.ndarray
    last: np.ndarray
    unread: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)
    coplayers: CoPlayers | None = None
    set_ids: Tensor | None = None
    team: np.ndarray | None = None
    known_team: Tensor | None = None

    def own(self, x: Shaped[np.ndarray, " R A *F"]) -> Shaped[np.ndarray, " N *F"]:
        """Select the learners' seats."""
        return x.reshape(-1, *x.shape[2:]) if self.team is None else x[self.row, self.seat]


class Controller:
    """Holds the networks that act, and chooses the action of every seat in R episodes.

    With teammates, one seat learns: seat k mod A in episode k. One set of fixed co-players takes the other seats. Each
    episode draws its set from `sets`, numbers of the pool's sets (by default those that the configuration trains with).
    Without teammates, one shared network acts for all seats. `acting` is the state of the running episodes.

    Actions are chosen on the host, where the games run. `actor` and `acting_model` are the networks themselves; with a
    GPU they are copies, which `begin` renews in one download when the weights have changed.
    """

    acting: Acting

    def __init__(
        self, config: OMGConfig, info: EnvInfo, device: torch.device, sets: Sequence[int] | None = None
    ) -> None:
        self.config, self.info, self.device = config, info, device
        self.coplayers: CoPlayers | None = None
        if config.has_teammates:
            pool = pool_of(config, info)
            self.coplayers = CoPlayers(pool, info, HOST, pool.training_ids(config) if sets is None else sets)
        elif sets is not None:
            raise ConfigError("sets", sets, _("all seats learn; allowed is None"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(numpy_generator(config.seed, Stream.WEIGHTS).integers(2**62)))
            model = self._make_model()
            self.widths = input_widths(info, config.sees_actions)
            extra = model.width if model else 0
            sizes = (sum(self.widths), info.n_actions, config.rnn_hidden_dim, extra)
            self.agent = AGENTS[config.network](*sizes, config.dueling).to(device)
        self.model = model.to(device) if model else None
        self._copies: nn.ModuleList | None = None
        self._copied: list[int] = []
        if device.type != "cpu":
            self._copies = copy.deepcopy(self._networks()).to(HOST).requires_grad_(False)

    def _networks(self) -> nn.ModuleList:
        return nn.ModuleList([self.agent] if self.model is None else [self.agent, self.model])

    @property
    def actor(self) -> Agent:
        """The agent that chooses actions, on the host."""
        return self.agent if self._copies is None else self._copies[0]  # type: ignore[return-value]

    @property
    def acting_model(self) -> OpponentModel | None:
        """The opponent model that this agent reads."""
        return self.model if self._copies is None or self.model is None else self._copies[1]  # type: ignore[return-value]

    def _renew_copies(self) -> None:
        """Copy the weights to the host in one download, if they have changed."""
        weights = list(self._networks().parameters())
        versions = [w._version for w in weights]
        if self._copies is not None and versions != self._copied:
            with torch.no_grad():
                numbers = nn.utils.parameters_to_vector(weights).to(HOST)
            nn.utils.vector_to_parameters(numbers, self._copies.parameters())
            self._copied = versions

    def _make_model(self) -> OpponentModel | None:
        config, info = self.config, self.info
        sets = len(self.coplayers.pool.sets) if self.coplayers else 0
        own = own_learner(config.learner)
        if own is not None and (model := own.make_model(config, info, sets)) is not None:
            return model
        if config.base == "omg":
            sizes = (info.obs_dim, info.n_agents, info.n_actions, config.subgoal_dim)
            supervised = config.subgoal_model == "supervised"
            return SubgoalInference(*sizes, config.feature_dim, config.context_dim, supervised)
        return make_baseline(config, info, sets)

    @stage("controller.init_hidden")
    def init_hidden(self, batch_size: int) -> TensorDict:
        """Zero hidden states [B, A, 64] for B groups: the network sees them as B * A rows."""
        hidden = torch.zeros(batch_size, self.info.n_agents, self.config.rnn_hidden_dim, device=self.device)
        return TensorDict({"hidden": hidden}, batch_size=[batch_size])

    def inputs(
        self, obs: Float[Tensor, "N O"], last: Int[Tensor, "N A"], identity: Float[Tensor, "N A"]
    ) -> Float[Tensor, "N I"]:
        """Return what the agent reads besides a subgoal: see `networks.input_widths`. `last` holds the last actions."""
        parts = [obs, own_action(last, identity, self.info.n_actions), identity]
        if self.config.sees_actions:
            parts.append(others_actions(last, identity, self.info.n_actions))
        return torch.cat(parts, dim=-1)

    # --- acting ------------------------------------------------------------------------------------------------------

    def begin(self, episodes: np.ndarray, epsilon: float, test_mode: bool, coplayers: CoPlayers | None = None) -> None:
        """Assign the seats of R episodes, numbered `episodes`, and draw all their noise from (seed, episode).

        `coplayers` replace the controller's own in the other seats.
        """
        check_torch()
        self._renew_copies()
        runs, agents = len(episodes), self.info.n_agents
        coplayers = coplayers or self.coplayers
        set_ids = team = known_team = None
        if coplayers is not None:
            seats = episodes % agents
            seat, row = seats, np.arange(runs)
            drawn = coplayers.draw(self.config.seed, episodes)
            set_ids, team = torch.from_numpy(drawn), coplayers.seats(drawn, seats)
            coplayers.begin(team)
        else:
            seat, row = np.tile(np.arange(agents), runs), np.arange(runs).repeat(agents)
        if self.config.base == "oracle":
            known_team = set_ids
        identity, model = one_hot(torch.from_numpy(seat), agents), self.acting_model
        self.acting = Acting(
            seat=seat,
            row=row,
            identity=identity,
            agent=ActingAgent(self.actor, self.widths, identity.numpy()),
            inference=ActingInference(model, identity.numpy()) if type(model) is SubgoalInference else None,
            noise=self._draw_noise(episodes, len(row) // runs, 0.0 if test_mode else epsilon, test_mode),
            hidden=np.zeros((len(row), self.config.rnn_hidden_dim), np.float32),
            context=np.zeros((len(row), model.context_dim if model is not None else 0), np.float32),
            previous_obs=np.zeros((len(row), self.info.obs_dim), np.float32),
            last=np.full((runs, agents), -1),
            coplayers=coplayers,
            set_ids=set_ids,
            team=team,
            known_team=known_team,
        )

    def _draw_noise(self, episodes: np.ndarray, learners: int, epsilon: float, test_mode: bool) -> Noise:
        """Draw the noise of these episodes, for `learners` learners in each."""
        steps, rows = self.info.episode_limit, len(episodes) * learners
        if test_mode and self.config.test_subgoal == "mean":
            return Noise(np.empty(0), np.empty(0), None, [False] * steps, [False] * steps)
        dice, latents = [], []
        noise_dim = self.model.noise_dim if self.model is not None else 0
        for k in episodes:
            generator = numpy_generator(self.config.seed, Stream.ACT, int(k))
            dice.append(generator.random((steps, learners, 1 + self.info.n_actions), dtype=np.float32))
            if noise_dim:
                latents.append(generator.standard_normal((steps, learners, noise_dim), dtype=np.float32))
        thrown = np.concatenate(dice, axis=1)
        explore = thrown[..., :1] < np.float32(epsilon)
        count = explore.sum(axis=(1, 2))
        return Noise(
            explore=explore,
            dice=thrown[..., 1:],
            latents=np.concatenate(latents, axis=1) if latents else None,
            some=(count > 0).tolist(),
            all=(count == rows).tolist(),
        )

    def company(self) -> dict[str, Int[Tensor, " R"]]:
        """Return what each episode records about its players: the learner's seat and, for the oracle, the set."""
        now = self.acting
        if now.coplayers is None:
            return {}
        return {"seat": torch.from_numpy(now.seat)} | ({"team": now.set_ids} if self.config.base == "oracle" else {})

    @torch.inference_mode()
    @np.errstate(all="ignore")  # NaN and infinity are reported once the episodes are played
    def select_actions(
        self, env: BatchedEnv, obs: Float[Tensor, "R A O"], avail_actions: Bool[Tensor, "R A C"], t: int
    ) -> Int[Tensor, "R A"]:
        """Choose epsilon-greedily from Q(s, g^, .) in the learners' seats; the co-players choose in theirs.

        A row that explores takes the available action with the highest random number. The networks run only when their
        answer matters: steps at which every row explores wait in `unread`.
        """
        now = self.acting
        noise = now.noise
        now.unread.append((t, now.own(obs.numpy(force=True)), now.last))
        if noise.all[t]:
            score = noise.dice[t]
        else:
            score = self._read()
            if noise.some[t]:
                score = np.where(noise.explore[t], noise.dice[t], score)
        chosen = greedy(score, now.own(avail_actions.numpy(force=True)))
        if now.coplayers is None:
            now.last = chosen.reshape(now.last.shape)
        else:
            now.last = now.coplayers.act(env, obs, avail_actions).numpy()
            now.last[now.row, now.seat] = chosen
        return torch.from_numpy(now.last)

    def _read(self) -> Float[np.ndarray, "N C"]:
        """Return Q at this step, after the recurrent networks have read all waiting steps."""
        now = self.acting
        for t, obs, last in now.unread:
            own, played = now.own(last), last[now.row]
            goal = self._ask_model(obs, played, own, t) if self.model is not None else None
            now.hidden = now.agent.step(obs, own, played, goal, now.hidden)
        now.unread.clear()
        return now.agent.q(now.hidden)

    def _ask_model(
        self, obs: Float[np.ndarray, "N O"], last: Int[np.ndarray, "N A"], own: Int[np.ndarray, " N"], t: int
    ) -> Float[np.ndarray, "N W"]:
        """Return what the agent reads from the opponent model. OMG samples g^ in training; by default not in tests."""
        now, latents = self.acting, self.acting.noise.latents
        noise, before = None if latents is None else latents[t], now.previous_obs
        now.previous_obs = obs
        if now.inference is not None:
            now.context = now.inference.step(before, last, own, now.context)
            return now.inference.agent_input(obs, now.context, noise)
        read, read_before, actions = map(torch.from_numpy, (obs, before, last))
        seen = Seen(read, read_before, actions, now.identity, now.known_team)
        context = self.acting_model.step(seen, torch.from_numpy(now.context))
        now.context = context.numpy()
        return self.acting_model.agent_input(seen, context, None if noise is None else torch.from_numpy(noise)).numpy()
