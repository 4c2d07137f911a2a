import dataclasses
import json

import numpy as np
import pytest

import omg_lib as omg
from omg_lib.config import ENVIRONMENTS, ConfigError, OMGConfig
from omg_lib.envs import ENVIRONMENTS as PLAYABLE
from omg_lib.learners import LEARNERS


def test_defaults_are_the_released_codes_on_8m():
    config = OMGConfig()
    assert (config.n_agents, config.batch_size, config.env, config.learner) == (8, 32, "skirmish", "omg")
    assert (config.sample_size, config.runs_per_update, config.t_max_total) == (256, 8, 1_600_000)
    assert (config.horizon, config.batch_size_run, config.buffer_size, config.td_steps) == (5, 1, 5000, 1)


@pytest.mark.parametrize(
    ("changes", "sample", "runs", "total"),
    [
        (dict(learner="iql"), 32, 1, 200_000),
        (dict(learner="iql", teammates="scripted"), 256, 8, 1_600_000),
        (dict(learner="omg", teammates="none"), 32, 1, 200_000),
        (dict(batch_size_run=4), 256, 2, 1_600_000),
        (dict(learner="iql", batch_size_run=5), 32, 1, 200_000),
    ],
)
def test_derived_sizes(changes, sample, runs, total):
    config = OMGConfig(**changes)
    assert (config.sample_size, config.runs_per_update, config.t_max_total) == (sample, runs, total)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("n_agents", value) for value in (0, 1, 17, -3, 2.5, 2.0, "x", "8", True, None, np.True_, [8])],
        *[("batch_size", value) for value in (0, -1, 1.5, "32", False, None, float("nan"))],
        *[("batch_size_run", value) for value in (0, -1, 3, 16, 5, True)],
        *[("horizon", value) for value in (0, -5, 2.5)],
        *[("td_steps", value) for value in (0, 1.0)],
        *[("updates", value) for value in (0, -1, 1.5, "3")],
        *[("t_max", value) for value in (0, -1, 1e5)],
        *[("buffer_size", value) for value in (0, 255, -1)],
        *[("env", value) for value in ("", "8m", "Skirmish", 3, None)],
        *[("learner", value) for value in ("", "ppo", None, 1)],
        *[("device", value) for value in ("", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", "cpu ", None, 0)],
        *[("subgoal_mode", value) for value in ("greedy", True, "True", None)],
        *[("teammates", value) for value in ("all", True, 1)],
        *[("seed", value) for value in (-1, 1.5, "0", None)],
        *[("gamma", value) for value in (-0.1, 1.1, float("nan"), "1", True)],
        *[("lr", value) for value in (0, -1, float("inf"), float("nan"), "x", True)],
        *[("dueling", value) for value in (1, "False", None)],
        ("rnn_hidden_dim", 0),
        ("test_nepisode", 0),
        ("bootstrap_subgoal", "other"),
        ("test_subgoal", "max"),
        ("prior", "no/such/folder"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(name, value):
    with pytest.raises(ConfigError) as error:
        OMGConfig(**{name: value})
    text = str(error.value)
    assert name in text and repr(value) in text and "\n" not in text
    assert len(text) < 300 and any(word in text for word in ("allowed", "allows", "must"))
    assert isinstance(error.value, ValueError)


def test_refusals_say_what_is_allowed():
    def sentence(**changes):
        with pytest.raises(ConfigError) as error:
            OMGConfig(**changes)
        return str(error.value)

    assert "2 to 16" in sentence(n_agents=17)
    assert "1, 2, 4, 8" in sentence(batch_size_run=3)
    assert "iql" in sentence(learner="x") and "omg" in sentence(learner="x")
    assert "skirmish:partners" in sentence(env="x")
    assert "256" in sentence(buffer_size=255)
    assert len(sentence(env="x" * 10_000)) < 300


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["huge", "minus huge"])
def test_numbers_beyond_floats_are_refused_too(value):
    for name in ("lr", "gamma"):
        with pytest.raises(ConfigError):
            OMGConfig(**{name: value})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.float32("inf"), np.float64("-inf"), np.float16("nan")])
def test_infinite_numpy_floats_are_refused(value):
    for name in ("lr", "gamma"):
        with pytest.raises(ConfigError, match=name):
            OMGConfig(**{name: value})


def test_a_batch_larger_than_the_buffer_is_refused():
    assert OMGConfig(batch_size=625).sample_size == 5000
    with pytest.raises(ConfigError, match=r"5008"):
        OMGConfig(batch_size=626)
    assert OMGConfig(batch_size=5000, learner="iql").sample_size == 5000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.uint8])
def test_numpy_integers_are_welcome_and_become_plain(kind):
    config = OMGConfig(n_agents=kind(4), batch_size=kind(2), seed=kind(3), updates=kind(5))
    assert type(config.n_agents) is int and config == OMGConfig(n_agents=4, batch_size=2, seed=3, updates=5)
    assert type(OMGConfig(lr=np.float32(0.5)).lr) is float and type(OMGConfig(lr=1).lr) is float
    json.dumps(config.to_dict())


def test_every_size_and_width_that_is_allowed():
    for env, sizes in ENVIRONMENTS.items():
        for n in sizes:
            for width in range(1, n + 1):
                if n % width:
                    with pytest.raises(ConfigError, match="batch_size_run"):
                        OMGConfig(env=env, n_agents=n, batch_size_run=width)
                else:
                    assert OMGConfig(env=env, n_agents=n, batch_size_run=width).runs_per_update == n // width
                assert OMGConfig(env=env, n_agents=n, batch_size_run=width, learner="iql").runs_per_update == 1


def test_a_configuration_is_frozen_and_hashable():
    config = OMGConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.n_agents = 3
    assert len({config, OMGConfig(), OMGConfig(seed=1)}) == 2


def test_dictionary_round_trip():
    config = OMGConfig(n_agents=4, batch_size_run=2, updates=7, teammates="none", gamma=0.9, dueling=True)
    assert OMGConfig.from_dict(config.to_dict()) == config
    assert OMGConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert OMGConfig.from_dict({}) == OMGConfig()
    with pytest.raises(ConfigError, match="n_agent'"):
        OMGConfig.from_dict({"n_agent": 3})


def test_what_is_allowed_exists():
    assert set(ENVIRONMENTS) == set(PLAYABLE)
    for learner in omg.config.LEARNERS:
        assert learner in LEARNERS
    for env, sizes in ENVIRONMENTS.items():
        for n in (sizes.start, sizes.stop - 1):
            assert PLAYABLE[env].describe(n).n_agents == n
