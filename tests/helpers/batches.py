"""Shared by the tests of the core: small artificial samples, small configurations, and a game with a known answer."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partialmethod

import numpy as np
import pytest
import torch

from omg_lib import config as config_module
from omg_lib import envs as envs_module
from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.envs import BatchedEnv, EnvInfo
from omg_lib.episodes import EpisodeBatch
from omg_lib.learners import make_learner
from omg_lib.networks import RecurrentAgent
from omg_lib.subgoals import SubgoalPrior
from omg_lib.teammates.pool import Member, Pool, TeammateSet, random_policy

CPU = torch.device("cpu")
INFO = EnvInfo(name="made up", n_agents=3, obs_dim=5, state_dim=4, n_actions=4, episode_limit=7, deaths="zeros")
LENGTHS = [7, 1, 4, 6, 3, 7]
DEATHS = {(0, 0): 3, (0, 2): 5, (1, 1): 1, (2, 0): 2, (3, 0): 0, (5, 2): 5}
SMALL = dict(rnn_hidden_dim=6, subgoal_dim=4, feature_dim=5, context_dim=7)


def small_config(**changes) -> OMGConfig:
    """Return a configuration for INFO's sizes with narrow networks."""
    return OMGConfig(**(dict(n_agents=3, batch_size=2, device="cpu") | SMALL | changes))


def quick_config(learner="omg", **changes):
    """Return a configuration of six quick updates, with tests of the policy only at the end, for the game Echo."""
    common = dict(n_agents=2, batch_size=2, env="echo", learner=learner, updates=6, device="cpu", test_nepisode=4)
    return OMGConfig(**(common | SMALL | changes))


def weights(run):
    """Return every weight of a run's learner, concatenated."""
    return torch.cat([w.detach().flatten() for m in run.learner.modules().values() for w in m.parameters()])


def config_with(teammates, env="echo", n_agents=3, **changes):
    """Return a configuration of one update with these teammates, by default for the game Echo."""
    common = dict(batch_size=1, device="cpu", updates=1, test_nepisode=1)
    return OMGConfig(env=env, n_agents=n_agents, teammates=teammates, **(common | SMALL | changes))


def without_tests(found):
    """Return the metrics of each update; a stop may fall into a test, which is then left out."""
    tests = ("win_rate", "test_return", "test_length")
    return [(r.update, r.t_env, {k: v for k, v in r.metrics.items() if k not in tests}) for r in found]


def make_sample(
    lengths=LENGTHS, seats=(0, 1, 2, 0, 1, 2), ended=(0, 2, 4), deaths=DEATHS, info=INFO, seed=0
) -> EpisodeBatch:
    """Return episodes of random content; episode e has `lengths[e]` steps, and its game ends there if e is in `ended`.

    `deaths` maps (episode, agent) to the first row at which this unit is dead: from then on it observes zeros. `seats`
    None: all seats learn. Floats have the default dtype.
    """
    rng = np.random.default_rng(seed)
    E, T, A, C = len(lengths), max(lengths) + 1, info.n_agents, info.n_actions
    filled = np.arange(T)[None] <= np.array(lengths)[:, None]
    played = np.arange(T)[None] < np.array(lengths)[:, None]
    obs = rng.normal(size=(E, T, A, info.obs_dim)) * filled[..., None, None]
    avail = (rng.random((E, T, A, C)) < 0.6) & filled[..., None, None]
    avail[..., 1] |= filled[..., None]
    for (e, a), t in deaths.items():
        obs[e, t:, a] = 0
        avail[e, t:, a] = np.arange(C) == 0
    avail &= filled[..., None, None]
    actions = np.where(played[..., None], (avail * rng.random(avail.shape)).argmax(-1), 0)
    terminated = np.zeros((E, T), bool)
    for e in ended:
        terminated[e, lengths[e] - 1] = True
    real = torch.get_default_dtype()
    fields = {
        "obs": torch.tensor(obs, dtype=real),
        "state": torch.tensor(rng.normal(size=(E, T, info.state_dim)) * filled[..., None], dtype=real),
        "actions": torch.tensor(actions[..., None]),
        "avail_actions": torch.tensor(avail),
        "reward": torch.tensor((rng.normal(size=(E, T)) * played)[..., None], dtype=real),
        "terminated": torch.tensor(terminated[..., None]),
        "filled": torch.tensor(filled[..., None]),
    }
    if seats is not None:
        fields["seat"] = torch.tensor(seats).reshape(E, 1, 1).expand(E, T, 1).clone()
    return EpisodeBatch(fields, batch_size=[E, T])


def episode_of(sample, g, a):
    """Return the number of seat a's g-th episode; if all seats learn, of episode g."""
    if "seat" not in sample.keys():
        return g
    return [e for e, seat in enumerate(sample["seat"][:, 0, 0].tolist()) if seat == a][g]


def spoil_padding(sample: EpisodeBatch) -> EpisodeBatch:
    """Return the same sample, with the worst content wherever nothing was played."""
    spoilt = sample.clone()
    beyond = ~sample["filled"][..., 0]
    worst = dict(
        obs=float("nan"),
        state=float("inf"),
        actions=2**40,
        avail_actions=True,
        reward=float("nan"),
        terminated=True,
    )
    for key, value in worst.items():
        spoilt[key][beyond] = value
    return spoilt


def make_small_learner(config: OMGConfig, info: EnvInfo = INFO, seed: int = 0):
    """Return a learner with different weights in every network, and a target that differs from the online network."""
    learner = make_learner(config, Controller(config, info, CPU), CPU)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in learner.modules().values():
            for weight in module.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) / weight.shape[-1] ** 0.5)
    return learner


def gradients(learner) -> dict[tuple[str, str], torch.Tensor]:
    """Return the latest step's gradient of every trained weight: (network, weight) -> gradient."""
    modules = learner.modules()
    trained = [name for name in ("agent", "inference") if name in modules]
    return {(name, key): w.grad for name in trained for key, w in modules[name].named_parameters()}


def _spy(name, method, seen):
    def spy(*args, **kwargs):
        seen[name] = method(*args, **kwargs)
        return seen[name]

    return spy


@contextmanager
def spying(learner, *names: str):
    """Collect the results of these methods of a learner: name -> result of the latest call."""
    seen = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(learner, name, _spy(name, getattr(learner, name), seen))
        yield seen


class Echo(BatchedEnv):
    """A game with an obvious answer: each seat sees a cue, and earns 1/A by playing the action of that number.

    Episode k lasts 1 to L steps, drawn from (seed, k); about every fourth is truncated by the limit. `state` holds k
    and the step, which identifies the origin of each row of data.
    """

    LIMIT, ACTIONS = 6, 3

    @classmethod
    def describe(cls, n_agents: int) -> EnvInfo:
        styles = ("right", "right but last")
        teams = ((0,) * n_agents, (1,) * n_agents)
        return EnvInfo("echo", n_agents, cls.ACTIONS + 2, 2, cls.ACTIONS, cls.LIMIT, styles=styles, teams=teams)

    def __init__(self, n_agents, batch=1, seed=0, device="cpu") -> None:
        self.info, self.batch, self.seed, self.device = (
            self.describe(n_agents),
            batch,
            seed,
            torch.device(device),
        )
        self.episode, self._next = np.full(batch, -1), 0
        self.steps, self.time = np.zeros(batch, int), np.zeros(batch, int)
        self.score = np.zeros(batch)
        self.cues = np.zeros((batch, self.LIMIT + 1, n_agents), int)

    def reset(self, mask=None, first=None) -> None:
        self._next = self._next if first is None else first
        rows = np.arange(self.batch) if mask is None else np.flatnonzero(mask)
        self.episode = self.episode.copy()
        for row in rows:
            self.episode[row] = self._next
            rng = np.random.default_rng((self.seed, self._next))
            self.steps[row] = rng.integers(1, self.LIMIT + 2)  # L + 1 means: truncated at L, the game is not over
            self.cues[row] = rng.integers(0, self.ACTIONS, self.cues[row].shape)
            self._next += 1
        self.time[rows], self.score[rows] = 0, 0

    def _cue(self) -> np.ndarray:
        return self.cues[np.arange(self.batch), self.time]

    def _done(self) -> np.ndarray:
        return (self.time >= self.steps) | (self.time >= self.LIMIT)

    def step(self, actions):
        running = ~self._done()
        reward = np.where(running, (actions.numpy() == self._cue()).mean(1), 0)
        self.score += reward
        self.time = self.time + running
        cut = (self.time >= self.LIMIT) & (self.steps > self.LIMIT)
        won = self._done() & (self.score >= 0.85 * self.time)
        info = {"battle_won": torch.from_numpy(won), "episode_limit": torch.from_numpy(cut)}
        return torch.from_numpy(reward).float(), torch.from_numpy(self._done()), info

    def obs(self):
        cue = torch.nn.functional.one_hot(torch.from_numpy(self._cue()), self.ACTIONS).float()
        shape = (self.batch, self.info.n_agents, 1)
        time = torch.from_numpy(self.time / self.LIMIT).float().reshape(-1, 1, 1)
        return torch.cat([cue, torch.ones(shape), time.expand(shape)], dim=-1)

    def state(self):
        return torch.from_numpy(np.stack([self.episode % 1000, self.time], axis=1)).float()

    def avail_actions(self):
        """All actions, or the cue's and the next one."""
        cue, action = torch.from_numpy(self._cue())[..., None], torch.arange(self.ACTIONS)
        every = torch.from_numpy(self.time % 2 == 0).reshape(-1, 1, 1)
        return every | (action == cue) | (action == (cue + 1) % self.ACTIONS)

    def scripted_actions(self, styles):
        errs = (np.asarray(styles) == 1) & (self.time == self.LIMIT - 1)[:, None]
        return torch.from_numpy(np.where(errs, (self._cue() + 1) % self.ACTIONS, self._cue()))

    def frame(self, row=0):
        return {}


class SilentEcho(Echo):
    """The same game without any scripts."""

    @classmethod
    def describe(cls, n_agents: int) -> EnvInfo:
        return replace(super().describe(n_agents), name="silent echo", styles=(), teams=())

    def scripted_actions(self, styles):
        return BatchedEnv.scripted_actions(self, styles)


@contextmanager
def echo_registered():
    """Allow `env="echo"` and `env="silent echo"` inside."""
    with pytest.MonkeyPatch.context() as patch:
        for name, env in (("echo", Echo), ("silent echo", SilentEcho)):
            patch.setitem(config_module.ENVIRONMENTS, name, range(2, 17))
            patch.setitem(envs_module.ENVIRONMENTS, name, env)
        yield


def wilful_policy(info: EnvInfo, action: int) -> RecurrentAgent:
    """Make a network choose `action` wherever it is available."""
    agent = random_policy(0, action, info)
    agent.fc2.weight.zero_()
    agent.fc2.bias.copy_(torch.arange(info.n_actions) == action)
    return agent


def echo_pool(n_agents: int = 3) -> Pool:
    """Return two scripts and two policies of the echo game, and one to three sets of them for each split."""
    info, others = Echo.describe(n_agents), n_agents - 1
    policies = {name: random_policy(seed, seed, info) for name, seed in (("qmix-0", 5), ("iql-0", 6))}
    for agent in policies.values():
        for weight in agent.parameters():
            weight.mul_(3.0)  # away from ties
    curve = ((100, 0.25), (200, 0.5))
    members = [Member(style) for style in info.styles]
    members += [Member("qmix-0", "qmix", 0, 0.5, curve), Member("iql-0", "iql", 0, None, ())]
    turns = ("qmix-0", "right but last", "iql-0")
    sets = (
        TeammateSet("right", "train", "homologue", ("right",) * others),
        TeammateSet("qmix-0", "train", "homologue", ("qmix-0",) * others),
        TeammateSet("in turn", "train", "non_homologue", tuple(turns[i % 3] for i in range(others))),
        TeammateSet("right but last", "validation", "homologue", ("right but last",) * others),
        TeammateSet("iql-0", "test", "homologue", ("iql-0",) * others),
    )
    return Pool("echo", n_agents, tuple(members), sets, policies, {"env": "echo", "batch_size": 4})


@contextmanager
def short_pretraining(steps: int = 3):
    """Pre-train the subgoal prior for only a few steps, if its quality does not matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SubgoalPrior, "fit", partialmethod(SubgoalPrior.fit, steps=steps))
        yield
