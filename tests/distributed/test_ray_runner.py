"""Episodes played by Ray actors equal the local runner's, bit for bit, even if an actor is killed."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import omg_lib as omg
from omg_lib.controller import Controller
from omg_lib.distributed.ray_runner import EpisodeActor, RayRunner, elsewhere, networks
from omg_lib.envs import make_env
from omg_lib.runner import ParallelRunner
from tests.helpers.batches import CPU, SMALL
from tests.helpers.clusters import ray_here

WAIT = 120


def config(**changes):
    small = dict(env="skirmish:partners", n_agents=4, batch_size=2, batch_size_run=4, device="cpu", **SMALL)
    return omg.OMGConfig(**small | dict(epsilon_start=0.4) | changes)


def pair(settings, kind):
    env = make_env(settings.env, settings.n_agents, batch=settings.batch_size_run, seed=settings.seed)
    return kind(settings, env, Controller(settings, env.info, CPU))


def same(one, other):
    return list(one.keys()) == list(other.keys()) and all(
        x.dtype == other[key].dtype and torch.equal(x, other[key]) for key, x in one.items()
    )


@pytest.fixture(scope="module")
def ray():
    with ray_here() as module:
        yield module


# --- without Ray ---


def test_without_ray_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(omg.ConfigError, match=r"^package='ray': .* pip install -e \"\.\[ray\]\""):
        omg.Training(config(runner="ray"))
    assert omg.Training(config()).runner.run().batch_size[0] == 4, "nothing else needs Ray"


@pytest.mark.parametrize("learner", ["omg", "oracle", "iql", "liam"])
def test_an_actor_plays_its_share_of_a_round(learner):
    """Without Ray, as a plain object: episodes 1 and 2 of a round of 4, with another network's weights."""
    settings = config(learner=learner)
    whole = pair(settings, ParallelRunner)
    with torch.no_grad():
        for module in networks(whole.controller).values():
            for weight in module.parameters():
                weight.mul_(1.5)
    expected = whole.run()
    actor = EpisodeActor(elsewhere(settings), 2)
    names = networks(whole.controller).items()
    weights = {f"{name}.{key}": x.numpy() for name, module in names for key, x in module.state_dict().items()}
    rows, returns, wins = actor.play(weights, 1, whole.epsilon, False)
    assert (returns == whole.returns[1:3]).all() and (wins == whole.wins[1:3]).all()
    for row, episode in zip(rows, expected[1:3], strict=True):
        assert set(row) == set(expected.keys())
        for key, x in row.items():
            assert x.base is not None, "a view: nothing is copied before Ray writes it"
            assert np.array_equal(x, episode[key].numpy()[: len(x)]), key
            assert not episode[key][len(x) :].any()


def test_paths_are_made_absolute_for_another_process(tmp_path, monkeypatch):
    (tmp_path / "prior.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    sent = elsewhere(config(prior="prior.safetensors", runner="ray", actors=2))
    assert (sent.prior, sent.runner, sent.actors) == (str(tmp_path / "prior.safetensors"), "local", None)
    assert elsewhere(config(teammates="scripted")).teammates == "scripted"


def test_more_actors_than_episodes_are_refused():
    with pytest.raises(omg.ConfigError, match=r"^actors=5: .* allowed is 1 to batch_size_run=4"):
        config(actors=5)


# --- with Ray ---


@pytest.mark.slow
def test_episodes_equal_those_of_the_local_runner_also_when_an_actor_is_killed(ray):
    """The same width: two actors of two environments each. The whole training is the same, its tests too; then one
    actor is paused, which makes sure that it is killed in the middle of its work.
    """
    settings = config(learner="oracle", updates=3, test_nepisode=8, test_interval=400)
    with omg.Training(settings) as run:
        expected, episodes = list(run), [run.runner.run(), run.runner.run()]
    with omg.Training(replace(settings, runner="ray", actors=2)) as remote:
        runner = remote.runner
        assert isinstance(runner, RayRunner) and len(runner.actors) == 2
        assert list(remote) == expected
        assert omg.compare(omg.predict(settings), remote.trace) == []
        assert same(episodes[0], runner.run())
        pid = ray.get(runner.actors[1].__ray_call__.remote(lambda actor: os.getpid()))
        os.kill(pid, signal.SIGSTOP)
        found = []
        work = threading.Thread(target=lambda: found.append(runner.run()))
        work.start()
        time.sleep(0.5)
        assert work.is_alive()
        os.kill(pid, signal.SIGKILL)
        work.join(WAIT)
        assert same(episodes[1], found[0])
        assert ray.get(runner.actors[1].__ray_call__.remote(lambda actor: os.getpid())) != pid
        assert (runner.t_env, runner.episode) == (run.runner.t_env, run.runner.episode)
        found[0]["obs"][:] = 0  # data from shared memory may be written to
    remote.close()


@pytest.mark.slow
def test_more_actors_than_cpus_are_refused(ray):
    with pytest.raises(omg.ConfigError, match=r"^actors=3: the cluster has 2 CPUs"):
        pair(config(runner="ray", actors=3), RayRunner)
