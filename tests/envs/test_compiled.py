"""Skirmish compiled by numba: the same battle as numpy's, bit for bit, prepared once, and never in anybody's way."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib import ConfigError
from omg_lib.commands.compile import prepare
from omg_lib.envs import compiled, make_env
from omg_lib.envs.battle import Battle
from omg_lib.envs.compiled import CompiledBattle
from omg_lib.system import compiling
from tests.helpers.battles import look, random_actions, started

numba = pytest.importorskip("numba", reason="numba is not installed")
KEPT = ("position", "health", "cooldown", "shots", "joined", "time", "over", "won", "cut", "running", "alive", "ready")

EXAMPLES = int(os.environ.get("OMG_EXAMPLES", "8"))
"""Battles played on both; more, such as 100, find rarer differences."""


STEPS = 250
"""At most: rows that began again at different times are hardly ever over together."""


def same_bits(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return ours.dtype == theirs.dtype and ours.numpy().tobytes() == theirs.numpy().tobytes()


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    name=st.sampled_from(["skirmish", "skirmish:partners"]),
    n=st.integers(2, 16),
    enemies=st.sampled_from(["nearest", "kite", "hold", "flank north", "follow", "strongest", "order 1,0"]),
    power=st.sampled_from([0.0, 0.5, 2.0, 3.7]),
    chance=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 999),
)
def test_every_bit_of_a_battle_is_numpys(name, n, enemies, power, chance, seed):
    """Any styles in any seat, with random actions among them; rows that are over wait, or begin again."""
    options = dict(n=n, batch=6, seed=seed, enemies=enemies, combined_fire=power)
    ours, theirs = started(name, backend="numba", **options), started(name, backend="numpy", **options)
    rng = np.random.default_rng(seed)
    styles = rng.integers(0, len(ours.info.styles), (6, n))
    for _ in range(STEPS):
        for key, value in look(ours).items():
            assert same_bits(value, look(theirs)[key]), key
        actions = ours.scripted_actions(styles)
        assert same_bits(actions, theirs.scripted_actions(styles))
        stray = torch.from_numpy(rng.random((6, n)) < chance)
        actions = torch.where(stray, random_actions(ours, rng), actions)
        (reward, done, info), (reward_too, done_too, info_too) = ours.step(actions), theirs.step(actions)
        assert same_bits(reward, reward_too) and same_bits(done, done_too)
        assert all(same_bits(info[key], info_too[key]) for key in info_too)
        for part in KEPT:
            assert np.array_equal(getattr(ours.battle, part), getattr(theirs.battle, part)), part
        if done.all():
            break
        if done.any() and rng.random() < 0.2:
            for env in (ours, theirs):
                env.reset(done)


@pytest.mark.slow
def test_what_was_given_out_is_never_changed():
    env = started(n=3, batch=2, backend="numba")
    styles = np.zeros((2, 3), int)
    given_out = {**look(env), "actions": env.scripted_actions(styles)}
    reward, done, info = env.step(given_out["actions"])
    given_out |= {"reward": reward, "done": done, **info}
    before = {key: value.clone() for key, value in given_out.items()}
    for _ in range(4):
        env.step(env.scripted_actions(styles))
    env.reset()
    assert all(torch.equal(before[key], value) for key, value in given_out.items())


@pytest.mark.parametrize("action", [-1, 2**40, 0, 9, 99])
def test_a_refused_action_changes_nothing_and_is_said_as_numpy_says_it(action):
    said = []
    for backend in ("numba", "numpy"):
        env = started(n=3, batch=2, backend=backend)
        before = env.state()
        actions = np.ones((2, 3), int)
        actions[1, 2] = action
        with pytest.raises(ValueError) as caught:
            env.step(actions)
        said.append(str(caught.value))
        assert same_bits(env.state(), before) and env.battle.time.tolist() == [0, 0]
    assert said == [f"action {action} of seat 2 in row 1 is not available"] * 2


def test_it_is_the_default_only_where_it_is_compiled(monkeypatch):
    for ready, kind in ((True, CompiledBattle), (False, Battle)):
        monkeypatch.setattr("omg_lib.envs.skirmish.ready", lambda ready=ready: ready)
        assert type(make_env("skirmish", 2).battle) is kind
        assert type(make_env("skirmish", 2, backend="numpy").battle) is Battle
        assert type(make_env("skirmish", 2, backend="torch").battle) is Battle


def test_without_numba_numpy_plays_and_asking_for_it_is_one_sentence(installed):
    installed["numba"] = None
    assert not compiling.ready()
    assert type(make_env("skirmish", 2).battle) is Battle
    with pytest.raises(ConfigError, match="backend='numba': .*not installed.*'numpy' needs nothing"):
        make_env("skirmish", 2, backend="numba")


@pytest.fixture
def elsewhere(tmp_path):
    """A copy of the library's code, with nothing compiled."""
    folder = compiling.PACKAGE
    shutil.copytree(folder, tmp_path / "omg_lib", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(folder, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


COMPILE = """
from omg_lib.__main__ import main
from omg_lib.system import compiling

print(compiling.PACKAGE, compiling.ready())
main(["compile"])
print(compiling.ready())
"""
COUNT = """
from omg_lib.envs import kernels, make_env
from omg_lib.system import compiling

print(compiling.ready())
env = make_env("skirmish", 2)
env.reset(), env.obs()
print(sum(kernels.write_obs.stats.cache_misses.values()), sum(kernels.write_obs.stats.cache_hits.values()))
"""
BEGIN = """
from omg_lib.envs import battle, compiled
from omg_lib.system import compiling

def kept():
    return any((compiling.PACKAGE / "envs" / "__pycache__").glob("kernels.*.nb?"))

print(compiling.ready(), kept())
battle.Battle.__init__ = lambda *_: print(kept())  # before anything is compiled again, which takes long
compiled.CompiledBattle([], 2, 1, None)
"""


@pytest.mark.slow
def test_the_command_prepares_it_once_and_other_code_makes_it_stale(elsewhere):
    """Each process loads torch and numba, which takes longer than what it does: there are three."""
    package = elsewhere / "omg_lib"
    before, said, after = run(elsewhere, COMPILE).splitlines()
    assert before == f"{package} False" and said.startswith("Compiled the battle and the GRU in ") and after == "True"
    assert run(elsewhere, COUNT).splitlines() == ["True", "0 1"], "read, not compiled again"
    rules = package / "envs" / "rules.py"
    rules.write_text(rules.read_text().replace("DAMAGE = 6.0", "DAMAGE = 7.0"))
    assert run(elsewhere, BEGIN).splitlines() == ["False True", "False"], "what is stale is never read"


def test_a_folder_that_cannot_be_written_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "mark", lambda: tmp_path / "missing" / "mark")
    monkeypatch.setattr(compiled, "forget", lambda folder: None)
    with pytest.raises(ConfigError, match="it cannot be written"):
        prepare()
