"""`omg.envs.check` and a run's first episodes name what breaks the contract, in a sentence, and pass what keeps it."""

import re

import numpy as np
import pytest
import torch

import omg_lib as omg
from omg_lib import envs, registry
from omg_lib.envs.base import BatchedEnv, EnvInfo
from omg_lib.envs.games import Game, Games, Moment
from tests.helpers.batches import SMALL, short_pretraining

N = 4


class Count(BatchedEnv):
    """Batched: each seat sees a number drawn from (seed, k) and the time; an episode ends after 3 to 5 steps."""

    general_sum = False

    @classmethod
    def describe(cls, n_agents, **options):
        return EnvInfo("count", n_agents, 3, 2, 3, 6, general_sum=cls.general_sum)

    def __init__(self, n_agents, batch=1, seed=0, device="cpu"):
        self.info, self.batch, self.seed, self.device = self.describe(n_agents), batch, seed, torch.device(device)
        self.episode, self.next = np.full(batch, -1), 0
        self.drawn, self.time, self.length = np.zeros(batch), np.zeros(batch, int), np.zeros(batch, int)
        self.done = np.ones(batch, bool)

    def reset(self, mask=None, first=None):
        self.next = self.next if first is None else first
        self.episode = self.episode.copy()
        for row in np.flatnonzero(np.ones(self.batch, bool) if mask is None else np.asarray(mask)):
            self.episode[row], self.next = self.next, self.next + 1
            chance = self.chance(int(self.episode[row]))
            self.drawn[row], self.time[row], self.done[row] = chance.random(), 0, False
            self.length[row] = chance.integers(3, 6)

    def chance(self, k):
        return np.random.default_rng((self.seed, k))

    def step(self, actions):
        playing = ~self.done
        self.time += playing
        self.done = self.time >= self.length
        reward = torch.tensor(playing, dtype=torch.float32)
        flags = torch.tensor(self.done)
        info = {"battle_won": flags.clone(), "episode_limit": torch.zeros(self.batch, dtype=torch.bool)}
        return reward, flags, info

    def obs(self):
        seen = np.stack([self.drawn, self.time, np.ones(self.batch)], axis=1)
        return torch.tensor(seen, dtype=torch.float32)[:, None].repeat(1, self.info.n_agents, 1)

    def state(self):
        return torch.tensor(np.stack([self.drawn, self.time], axis=1), dtype=torch.float32)

    def avail_actions(self):
        return torch.ones(self.batch, self.info.n_agents, 3, dtype=torch.bool)

    def frame(self, row=0):
        return {}


def changed(name, change):
    """A method that gives what Count's gives, changed."""
    return {name: lambda self, *words: change(getattr(Count, name)(self, *words))}


def _stuck(available):
    available[:, 2] = False
    return available


def _buffer(self):
    self.kept = Count.obs(self) if not hasattr(self, "kept") else self.kept.copy_(Count.obs(self))
    return self.kept


def _moves_on(self, actions):
    reward, done, info = Count.step(self, actions)
    return torch.ones_like(reward), done, info


def _rewards_too(given):
    return *given[:2], given[2] | {"rewards": torch.zeros(1, N)}


def _never(given):
    return given[0], torch.zeros_like(given[1]), given[2]


OBS = "expected is a tensor, float32 [1, 4, 3]"
FAULTS = {
    "numpy": (changed("obs", lambda x: x.numpy()), f"obs() returned ndarray float32 [1, 4, 3]; {OBS}"),
    "a list": (changed("obs", lambda x: x.tolist()), f"obs() returned list; {OBS}"),
    "float64": (changed("obs", lambda x: x.double()), f"obs() returned float64 [1, 4, 3]; {OBS}"),
    "one for all seats": (changed("obs", lambda x: x[:, :1]), f"obs() returned float32 [1, 1, 3]; {OBS}"),
    "too wide": (
        changed("state", lambda x: x.repeat(1, 2)),
        "state() returned float32 [1, 4]; expected is a tensor, float32 [1, 2]",
    ),
    "mask of numbers": (
        changed("avail_actions", lambda x: x.float()),
        "avail_actions() returned float32 [1, 4, 3]; expected is a tensor, bool [1, 4, 3]",
    ),
    "no action": (
        changed("avail_actions", _stuck),
        "avail_actions() leaves seat 2 in row 0 no action; expected is one or more",
    ),
    "a reward for each": (
        changed("step", lambda x: (x[0][:, None].repeat(1, N), *x[1:])),
        "step()'s reward returned float32 [1, 4]; expected is a tensor, float32 [1]",
    ),
    "rewards in a team's game": (changed("step", _rewards_too), "`rewards` belong to general_sum=True"),
    "two values": (
        changed("step", lambda x: x[:2]),
        "step() returned 2 values; expected are reward, done and info",
    ),
    "nothing": (
        changed("step", lambda x: None),
        "step() returned NoneType; expected are reward, done and info",
    ),
    "no info": (
        changed("step", lambda x: (*x[:2], {})),
        "step()'s info has []; expected is a dict with battle_won, episode_limit",
    ),
    "too large": (
        changed("obs", lambda x: x + 1.7e9),
        "obs() holds 1.7e+09; float32 is exact up to 16,777,216 only: scale it",
    ),
    "no end": (
        changed("step", _never),
        "step() does not end the episode: expected is done after 6 steps at most",
    ),
}
DEEPER = {
    "no seed": (
        {"chance": lambda self, k: np.random.default_rng()},
        "episode 0 is another one when it is played again",
    ),
    "depends on others": (
        {"chance": lambda self, k: np.random.default_rng((k, self.batch))},
        "episode 0 differs beside others",
    ),
    "nan": (changed("obs", lambda x: x / 0 - x / 0), "obs() holds NaN or infinity; expected are finite numbers"),
    "infinity": (changed("step", lambda x: (x[0] / 0, *x[1:])), "step()'s reward holds NaN or infinity"),
    "one buffer": ({"obs": _buffer}, "a later step wrote to what obs() had returned"),
    "goes on when done": ({"step": _moves_on}, "step() moves a row that is done; expected is reward 0"),
}


@pytest.fixture
def registries(monkeypatch):
    """Forget what the test registers."""
    monkeypatch.setattr(envs, "ENVIRONMENTS", dict(envs.ENVIRONMENTS))
    monkeypatch.setattr(registry, "ENVIRONMENTS", dict(registry.ENVIRONMENTS))


def settings_of(**changes):
    return omg.OMGConfig(
        env="count", n_agents=N, batch_size=1, learner="iql", updates=1, device="cpu", **SMALL, **changes
    )


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 4, 16])
def test_what_keeps_the_contract_passes_and_trains(registries, n):
    omg.envs.register("count", Count)
    assert omg.envs.check("count", n) == Count.describe(n)
    assert len(omg.run_sequential(settings_of(test_nepisode=2))) == 1


@pytest.mark.parametrize("name", FAULTS | DEEPER)
def test_a_check_says_method_type_shape_and_what_is_expected(registries, name):
    faulty, said = (FAULTS | DEEPER)[name]
    omg.envs.register("count", type("Faulty", (Count,), faulty))
    with pytest.raises(omg.ConfigError, match=re.escape(said)) as error:
        omg.envs.check("count", N)
    assert str(error.value).startswith("env='count': ") and "\n" not in str(error.value)


@pytest.mark.parametrize("name", FAULTS)
def test_the_first_episodes_of_a_run_say_the_same(registries, name):
    """None of these stopped a run before: several were broadcast, cast or cut in silence."""
    faulty, said = FAULTS[name]
    omg.envs.register("count", type("Faulty", (Count,), faulty))
    with pytest.raises(omg.ConfigError, match=re.escape(said)):
        omg.run_sequential(settings_of())


def test_the_sum_of_a_general_sum_game(registries):
    def step(self, actions):
        reward, done, info = Count.step(self, actions)
        return reward, done, info | {"rewards": torch.ones(self.batch, N)}

    omg.envs.register("count", type("Faulty", (Count,), {"step": step, "general_sum": True}))
    with pytest.raises(omg.ConfigError, match="reward is not the sum of info"):
        omg.envs.check("count", N)


MOMENTS = {
    "numpy of any type": (dict(obs=np.ones((N, 2), np.float64)), None),
    "lists": (dict(obs=[[1, 2]] * N, state=[0.5], available=[[1, 0]] * N), None),
    "one for all seats": (dict(obs=np.ones(2)), "obs float64 [2]; allowed are numbers [4, 2]"),
    "one row for all seats": (dict(obs=np.ones((1, 2))), "obs float64 [1, 2]; allowed are numbers [4, 2]"),
    "too wide": (dict(obs=np.ones((N, 3))), "obs float64 [4, 3]; allowed are numbers [4, 2]"),
    "no action": (dict(available=[[1, 1], [0, 0], [1, 1], [1, 1]]), "`available` without an action for seat 1"),
    "a reward for each": (dict(rewards=np.ones(N)), "rewards float64 [4]; allowed is one number"),
    "too large": (dict(obs=np.full((N, 2), 1e39)), "its Moment's obs holds 1e+39; float32 is exact up to"),
    "a reward too large": (dict(rewards=-1e30), "its Moment's rewards holds -1e+30"),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_a_moment_is_held_against_the_sizes(registries, name):
    change, said = MOMENTS[name]

    class Still(Game):
        def begin(self, chance):
            return Moment(np.ones((N, 2)), np.zeros(1), True)._replace(**change)

        def step(self, actions):
            return self.begin(None)

    class Stills(Games):
        @classmethod
        def describe(cls, n_agents):
            return EnvInfo("stills", n_agents, 2, 1, 2, 5, has_winner=False)

        def make_game(self):
            return Still()

    omg.envs.register("stills", Stills, range(2, 9))
    if said is None:
        assert omg.envs.check("stills", N).n_agents == N
        return
    with pytest.raises(omg.ConfigError, match=re.escape(said)):
        omg.envs.check("stills", N)


@pytest.mark.parametrize(
    ("name", "env", "sizes", "said"),
    [
        ("mine", dict, None, "is no environment; allowed is a subclass of BatchedEnv or Games"),
        ("mine", Count(2), None, "is no environment"),
        ("", Count, None, "allowed is a name"),
        (3, Count, None, "allowed is a name"),
        ("mine", Count, (2, 3), "sizes=(2, 3): allowed is a range of team sizes"),
        ("mine", Count, range(3, 3), "allowed is a range of team sizes"),
    ],
)
def test_what_cannot_be_registered(registries, name, env, sizes, said):
    with pytest.raises(omg.ConfigError, match=re.escape(said)):
        omg.envs.register(name, env, sizes)


def test_the_librarys_own_game_passes():
    with short_pretraining():
        assert omg.envs.check("skirmish:partners", 2).episode_limit == 40
