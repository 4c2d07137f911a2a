"""Any PettingZoo environment: padding, masks, agents that come and go, ends; and what is refused."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.envs import env_info, make_env
from omg_lib.envs.drawing import frame_svg
from omg_lib.envs.pettingzoo import LIMIT

pytest.importorskip("pettingzoo")
spaces = pytest.importorskip("gymnasium.spaces")
from pettingzoo import ParallelEnv  # noqa: E402 -- needs the packages above

from tests.helpers.zoo_toy import Zoo  # noqa: E402

TOY = "pettingzoo:tests.helpers.zoo_toy"


@pytest.mark.parametrize(
    ("name", "n", "sizes"),
    [
        (TOY, 3, (4, 2, 4, 12)),
        (TOY + ",tame=True,max_cycles=7", 3, (4, 2, 4, 7)),
        ("pettingzoo:mpe2.simple_spread_v3", 3, (18, 54, 5, 25)),
        ("pettingzoo:mpe2.simple_spread_v3,N=5,max_cycles=9", 5, (30, 150, 5, 9)),
        ("pettingzoo:mpe2.simple_speaker_listener_v4", 2, (11, 14, 5, 25)),
        ("pettingzoo:pettingzoo.classic.rps_v2", 2, (4, 8, 3, 15)),
    ],
)
def test_sizes_come_from_the_game_and_its_name(name, n, sizes):
    info = env_info(name, n)
    assert (info.obs_dim, info.state_dim, info.n_actions, info.episode_limit) == sizes
    assert (info.name, info.general_sum, info.has_winner, info.styles) == (name, True, False, ())


def test_a_game_without_a_limit_gets_one(monkeypatch):
    class Endless(Zoo):
        def __init__(self):
            super().__init__(tame=True, max_cycles=10**9)
            del self.possible_agents[1:]
            self.possible_agents.append("bee")

        max_cycles = property(lambda self: None, lambda self, value: None)

        def step(self, actions):
            self.__dict__["time"] = -1
            agents = list(self.agents)
            obs, infos = self._look()
            return obs, dict.fromkeys(agents, 1.0), dict.fromkeys(agents, False), dict.fromkeys(agents, False), infos

    module = ModuleType("endless")
    module.parallel_env = Endless
    monkeypatch.setitem(sys.modules, "endless", module)
    env = make_env("pettingzoo:endless", 2)
    env.reset()
    for step in range(1, LIMIT + 1):
        available = env.avail_actions().int()
        _, done, info = env.step(available.argmax(-1))
        assert bool(done) == bool(info["episode_limit"]) == (step == LIMIT)


def test_every_step_is_the_games():
    """What seats see, may do and earn, and how it ends, equal the bare toy under the same chance."""
    env, ends, deaths, late = make_env(TOY, 3, seed=2), set(), 0, 0
    order = ("ape", "bee", "cat")
    for k in range(40):
        env.reset(first=k)
        bare = Zoo()
        obs, _ = bare.reset(seed=int(np.random.default_rng((2, k)).integers(2**31)))
        done = False
        while not done:
            seen, available = env.obs()[0], env.avail_actions()[0]
            wanted, allowed = torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.bool)
            for seat, agent in enumerate(order):
                if agent not in bare.agents:
                    allowed[seat, 0] = True
                    late += bare.time == 0
                    continue
                flat = {"ape": lambda x: x.ravel(), "bee": lambda x: np.eye(3)[x], "cat": lambda x: x["observation"]}
                row = flat[agent](obs[agent])
                wanted[seat, : len(row)] = torch.as_tensor(row, dtype=torch.float32)
                mask = torch.ones(2, dtype=torch.bool) if agent == "bee" else torch.as_tensor(bare.masks[agent])
                allowed[seat, : len(mask)] = mask
                allowed[seat, 0] |= not mask.any()
            assert torch.equal(seen, wanted) and torch.equal(available, allowed)
            assert env.state()[0].tolist() == [bare.time, len(bare.agents)]
            actions = available.int().argmax(-1)
            alive = [agent for agent in order if agent in bare.agents]
            reward, done, info = env.step(actions[None])
            chosen = {agent: int(actions[order.index(agent)]) + (agent == "bee") for agent in alive}
            obs, rewards, died, cut, _ = bare.step(chosen)
            assert env.games[0].package.given == chosen
            assert info["rewards"][0].tolist() == [rewards.get(agent, 0.0) for agent in order]
            assert bool(done) == (not bare.agents)
            deaths += any(died.values()) and not done
            if done:
                assert bool(info["episode_limit"]) == any(cut.values())
                ends.add((bool(info["episode_limit"]), bare.time < 12))
    assert {(True, True), (False, True)} <= ends, "cut before the limit, and over"
    assert deaths and late


@pytest.fixture
def home_made(monkeypatch):
    """home_made(**attributes) is the name of a module whose parallel_env is a Zoo with these attributes."""

    def made(name, **attributes):  # a name of its own for each: sizes are cached by name
        module = ModuleType(name)
        module.parallel_env = type("HomeMade", (Zoo,), attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return f"pettingzoo:{name}"

    return made


def test_a_state_is_used_also_where_no_space_describes_it():
    env = make_env(TOY + ",tame=True", 3)
    env.reset()
    assert not hasattr(env.games[0].package, "state_space")
    for time in range(3):
        assert env.state()[0].tolist() == [time, len(env.games[0].package.agents)]
        env.step(env.avail_actions().int().argmax(-1))


def _missing(self):
    return self.nothing_like_it


def _wrapped(self):  # as a wrapper of a game without a state does
    return Zoo.observation_space.state()


@pytest.mark.parametrize(
    ("name", "state"),
    [("state_none", None), ("state_base", ParallelEnv.state), ("state_wrapped", _wrapped)],
)
def test_a_game_without_a_state_shows_what_all_seats_see(home_made, name, state):
    env = make_env(home_made(name, state=state) + ",tame=True", 3)
    env.reset()
    assert env.info.state_dim == 12 and torch.equal(env.state(), env.obs().flatten(1)) and env.state().any()


def test_a_fault_in_a_games_own_state_is_no_missing_state(home_made):
    with pytest.raises(ConfigError, match="first episode cannot be begun .AttributeError.*nothing_like_it"):
        env_info(home_made("state_broken", state=_missing) + ",tame=True", 3)


def test_a_game_that_renders_itself_is_drawn_as_it_does(home_made):
    """Every frame has the game's own picture, if the name asks for one."""

    def begin(self, render_mode=None):
        Zoo.__init__(self, tame=True)
        self.render_mode = render_mode

    def render(self):
        return np.full((4, 6, 3), 10 * self.time, np.uint8)

    name = home_made("painted", __init__=begin, render=render)
    env = make_env(name + ",render_mode='rgb_array'", 3)
    env.reset()
    for time in range(3):
        frame = env.frame()
        assert frame["picture"].shape == (4, 6, 3) and (frame["picture"] == 10 * time).all()
        assert "<image" in frame_svg(frame)
        env.step(env.avail_actions().int().argmax(-1))
    silent = make_env(name, 3)
    silent.reset()
    assert "picture" not in silent.frame()


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("pettingzoo:no_such_module", "no_such_module.*cannot be imported.*pip install"),
        ("pettingzoo:json", "it has no parallel_env"),
        (TOY + ",colour=3", "cannot be made.*colour"),
        (TOY + ",max_cycles", "name=value"),
        (TOY + ",max_cycles=open('x')", "name=value"),
        (TOY + ",**{}", "name=value"),
        ("pettingzoo:mpe2.simple_spread_v3,continuous_actions=True", "agent_0.*Box.*Discrete"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_sentence(name, named):
    for refuse in (lambda: env_info(name, 3), lambda: make_env(name, 3)):
        with pytest.raises(ConfigError, match=named) as error:
            refuse()
        assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("name", ["pettingzoo:", "pettingzoo:a b", "pettingzoo:a..b", "pettingzoo", "PettingZoo:json"])
def test_names_that_are_none_are_refused_without_loading_anything(name):
    for refuse in (lambda: OMGConfig(env=name), lambda: env_info(name, 3)):
        with pytest.raises(ConfigError, match="env=.*pettingzoo:MODULE"):
            refuse()


def test_another_number_of_agents_is_refused_and_says_how_to_ask():
    for refuse in (lambda: env_info(TOY, 4), lambda: make_env(TOY, 4)):
        with pytest.raises(ConfigError, match=r"n_agents=4.*3 agents, allowed is 3.*,N=4"):
            refuse()


def test_options_belong_into_the_name():
    with pytest.raises(ConfigError, match="option='max_cycles'.*zoo_toy,max_cycles="):
        make_env(TOY, 3, max_cycles=3)


def test_a_game_whose_first_episode_fails(monkeypatch):
    module = ModuleType("broken")
    module.parallel_env = type("Broken", (Zoo,), {"reset": lambda self, seed=None: 1 / 0})
    monkeypatch.setitem(sys.modules, "broken", module)
    with pytest.raises(ConfigError, match="first episode cannot be begun.*ZeroDivisionError"):
        env_info("pettingzoo:broken", 3)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    with pytest.raises(ConfigError, match=r"env='pettingzoo:x'.*pettingzoo is not installed.*pip install"):
        env_info("pettingzoo:x", 3)
