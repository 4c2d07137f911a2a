"""env_info and make_env: sizes, defaults, and what is refused."""

import subprocess
import sys
from math import gcd

import numpy as np
import pytest

from omg_lib import config
from omg_lib.__main__ import main
from omg_lib.config import ConfigError
from omg_lib.envs import ENVIRONMENTS, env_info, make_env, register
from omg_lib.envs.skirmish import Skirmish


@pytest.mark.parametrize("name", ["skirmish", "skirmish:partners"])
@pytest.mark.parametrize("n", range(2, 17))
def test_sizes_are_smacs_and_are_what_is_built(name, n):
    info = env_info(name, n)
    assert (info.obs_dim, info.state_dim, info.n_actions) == (10 * n, n * (n + 13), n + 6)
    env = make_env(name, n, batch=2)
    env.reset()
    assert env.info == info
    assert env.obs().shape == (2, n, info.obs_dim)
    assert env.state().shape == (2, info.state_dim)
    assert env.avail_actions().shape == (2, n, info.n_actions)


def test_eight_marines_have_the_sizes_of_8m():
    info = env_info("skirmish", 8)
    assert (info.obs_dim, info.state_dim, info.n_actions, info.episode_limit) == (80, 168, 14, 120)


def test_limits():
    assert {env_info("skirmish", n).episode_limit for n in range(2, 17)} == {120}
    assert {env_info("skirmish:partners", n).episode_limit for n in range(2, 17)} == {40}
    assert env_info("skirmish", 3, limit=np.int64(7)).episode_limit == 7


@pytest.mark.parametrize(("name", "near"), [("skirmsh", "skirmish"), ("forraging", "foraging"), ("chess", None)])
def test_a_misspelt_game_suggests_the_nearest_one(name, near):
    with pytest.raises(ConfigError) as error:
        env_info(name, 3)
    assert f"env={name!r}: {f'did you mean {near}? ' if near else ''}allowed are skirmish" in str(error.value)


def test_a_misspelt_learner_suggests_the_nearest_one():
    with pytest.raises(ConfigError, match=r"learner='qmixx': did you mean qmix\? allowed are iql"):
        config.OMGConfig(learner="qmixx")


@pytest.mark.parametrize("n", [2, 3, 5, 6, 16])
def test_partners_train_with_every_strict_order(n):
    info = env_info("skirmish:partners", n)
    names = [info.styles[team[0]] for team in info.teams]
    assert names == [f"order {a},{b}" for a in range(1, n) if gcd(a, n) == 1 for b in range(n)]
    assert all(team == (team[0],) * n for team in info.teams)
    assert {"nearest", "weakest", "hold"} <= set(info.styles)


def test_plain_skirmish_trains_with_basic_styles():
    info = env_info("skirmish", 4)
    assert 4 <= len(info.teams) <= 8
    assert not any(info.styles[team[0]].startswith("order") for team in info.teams)
    assert all(team == (team[0],) * 4 for team in info.teams)


def test_numpy_integers_are_whole_numbers():
    assert make_env("skirmish", np.int64(3), batch=np.int32(2), seed=np.uint8(1)).batch == 2


@pytest.mark.parametrize(("name", "most"), [("skirmish", 16), ("foraging", 8), ("predator_prey", 16)])
def test_bad_team_sizes_and_what_is_allowed(name, most):
    for n in (1, most + 1, 0, -3, True, 2.5, 3.0, "3", None):
        for build in (env_info, make_env):
            with pytest.raises(ConfigError, match=f"n_agents=.*from 2 to {most}"):
                build(name, n)


@pytest.mark.parametrize("name", ["foraging", "predator_prey"])
def test_environments_without_options(name):
    for build in (env_info, make_env):
        with pytest.raises(ConfigError, match=f"option='limit': {name} has no options"):
            build(name, 2, limit=20)


@pytest.mark.parametrize(
    ("name", "module", "sizes"),
    [("predator_prey", "mpe2", (16, 20, 5, 25))],
)
def test_without_its_package(name, module, sizes, monkeypatch):
    """Sizes need no package; a missing game says in one sentence how to get it, also on the command line."""
    for loaded in [key for key in sys.modules if key.split(".")[0] == module] + [module]:
        monkeypatch.setitem(sys.modules, loaded, None)
    info = env_info(name, 3)
    assert (info.obs_dim, info.state_dim, info.n_actions, info.episode_limit) == sizes
    with pytest.raises(ConfigError, match=rf"env='{name}'.*{module}.*pip install -e \"\.\[envs\]\"$"):
        make_env(name, 3)


def test_a_missing_package_on_the_command_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mpe2.simple_tag_v3", None)
    options = ["--env", "predator_prey", "--n-agents", "2", "--updates", "1"]
    assert main(["shapes", *options[:4]]) == 0
    assert main(["train", *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and 'pip install -e ".[envs]"' in said


def test_a_name_can_be_registered_and_again(monkeypatch):
    for registry in (ENVIRONMENTS, config.ENVIRONMENTS):
        monkeypatch.setitem(registry, "battle", None)
        monkeypatch.delitem(registry, "battle")
    for most in (3, 4):  # like running a notebook's cell again
        battle = type("Battle", (Skirmish,), {"name": "battle"})
        register("battle", battle, range(3, most + 1))
        assert config.OMGConfig(env="battle", n_agents=most).env == "battle"
        assert type(make_env("battle", 3)) is battle
    with pytest.raises(ConfigError, match="n_agents=2: battle allows 3 to 4"):
        config.OMGConfig(env="battle", n_agents=2)
    for taken in ("skirmish", "pettingzoo:battle"):
        with pytest.raises(ConfigError, match=f"env='{taken}': the library uses this name"):
            register(taken, Skirmish, range(2, 3))


@pytest.mark.parametrize("name", ["foo", "", "Skirmish", None, ["skirmish"]])
def test_bad_names(name):
    with pytest.raises(ConfigError, match="env=.*skirmish, skirmish:partners, foraging.*pettingzoo:MODULE"):
        env_info(name, 3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"combined_fire": -1}, "combined_fire=-1"),
        ({"combined_fire": float("nan")}, "combined_fire=nan"),
        ({"combined_fire": True}, "combined_fire=True"),
        ({"enemy_hp": 0}, "enemy_hp=0"),
        ({"half_distance": 30}, "half_distance=30"),
        ({"sight": 3}, "sight=3"),
        ({"limit": 0}, "limit=0"),
        ({"limit": 2.5}, "limit=2.5"),
        ({"enemies": "brave"}, "enemies='brave'"),
        ({"colour": "red"}, "option='colour'.*enemy_hp"),
    ],
)
def test_bad_options(options, named):
    for build in (env_info, make_env):
        with pytest.raises(ConfigError, match=named):
            build("skirmish:partners", 3, **options)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"batch": 0}, "batch=0"),
        ({"batch": True}, "batch=True"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.0}, "seed=1.0"),
        ({"device": "abacus"}, "device='abacus'"),
        ({"backend": "jax"}, "backend='jax'"),
        ({"device": "meta", "backend": "numpy"}, "backend='numpy'"),
    ],
)
def test_bad_arguments(arguments, named):
    with pytest.raises(ConfigError, match=named):
        make_env("skirmish", 3, **arguments)


@pytest.mark.slow
def test_importing_is_cheap_and_leaves_chance_alone():
    code = """
import sys, numpy, torch
numpy_state, torch_state = numpy.random.get_state()[1].copy(), torch.get_rng_state()
import omg_lib.envs
assert (numpy_state == numpy.random.get_state()[1]).all() and (torch_state == torch.get_rng_state()).all()
assert not {"matplotlib", "lbforaging", "gymnasium", "mpe2", "pettingzoo", "pygame"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
