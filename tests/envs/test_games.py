"""What a Moment may contain, and what an EnvInfo may say about deaths."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from omg_lib.config import ConfigError
from omg_lib.envs import EnvInfo
from omg_lib.envs.games import Game, Games, Moment

INFO = EnvInfo("still", 2, obs_dim=3, state_dim=1, n_actions=2, episode_limit=5)
RIGHT = Moment(np.zeros((2, 3)), [0.0], True)


class Picture(Game):
    def __init__(self, moment):
        self.moment = moment

    def begin(self, chance):
        return self.moment

    def step(self, actions):
        return self.moment


class Still(Games):
    """Two seats and one picture: returns `moment` on every call."""

    info_of, moment = INFO, RIGHT

    @classmethod
    def describe(cls, n_agents):
        return cls.info_of

    def make_game(self):
        return Picture(self.moment)


def shown(moment, **changes):
    env = type("One", (Still,), {"info_of": replace(INFO, **changes), "moment": moment})(2)
    env.reset()
    return env, env.step(np.zeros((1, 2), int))


@pytest.mark.parametrize("reward", [2, 2.0, np.array(2), [2.0], np.array([2]), torch.tensor([2.0])], ids=repr)
def test_a_team_is_paid_one_number(reward):
    assert shown(RIGHT._replace(rewards=reward))[1][0].tolist() == [2.0]


@pytest.mark.parametrize("reward", [[1, 2], torch.tensor([1.0, 2.0]), [[1], [2]], np.array([[1.0], [2.0]])], ids=repr)
def test_seats_are_paid_one_number_each(reward):
    reward, _, outcome = shown(RIGHT._replace(rewards=reward), general_sum=True)[1]
    assert reward.tolist() == [3.0] and outcome["rewards"].tolist() == [[1.0, 2.0]]


BAD = [
    dict(rewards=[1, 2]), dict(rewards=None), dict(rewards="1"), dict(rewards=[[1, 2]]), dict(rewards={}),
    dict(obs=np.zeros(3)), dict(obs=[[0, 0, 0], [0, 0]]), dict(obs=0.0), dict(obs=np.zeros((3, 2))),
    dict(state=[0, 0]), dict(state="0"), dict(available=[True, True]), dict(available=None), dict(alive=[True]),
]  # fmt: skip


@pytest.mark.parametrize("wrong", BAD, ids=repr)
def test_what_no_moment_holds_is_refused_with_its_name(wrong):
    (field,) = wrong
    with pytest.raises(ConfigError, match=f"env='still': its Moment has {field} .*; allowed (are numbers|is one)"):
        shown(RIGHT._replace(**wrong), deaths="told")


@pytest.mark.parametrize(
    ("deaths", "alive", "expected"),
    [("none", True, [True, True]), ("zeros", True, [False, True]), ("told", [True, False], [True, False])],
)
def test_who_is_alive(deaths, alive, expected):
    moment = RIGHT._replace(obs=[[0, 0, 0], [0, 1, 0]], alive=alive)
    assert shown(moment, deaths=deaths)[0].alive().tolist() == [expected]


@pytest.mark.parametrize("deaths", ["none", "zeros"])
def test_a_moment_cannot_say_who_is_alive_where_the_description_does_not(deaths):
    with pytest.raises(ConfigError, match="env='still'.*deaths='told', not"):
        shown(RIGHT._replace(alive=[True, False]), deaths=deaths)


def test_deaths_of_no_kind():
    with pytest.raises(ConfigError, match="deaths='often': allowed are none, zeros, told"):
        replace(INFO, deaths="often")


@pytest.mark.parametrize("given", [None, (np.zeros((2, 3)), 1.0)], ids=["nothing", "a tuple"])
def test_what_is_no_moment_is_refused(given):
    with pytest.raises(ConfigError, match=r"env='still': begin\(\) or step\(\) returned .*; expected is a Moment"):
        shown(given)
