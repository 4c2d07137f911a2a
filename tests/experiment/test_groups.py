"""Runs of one configuration are its seeds; different configurations stay separate, and a run counts once."""

import os
from dataclasses import replace

import pytest

import omg_lib as omg
from omg_lib import registry
from omg_lib.config import ConfigError
from omg_lib.experiment.groups import distinct, told_apart
from omg_lib.learners import QLearner
from omg_lib.teammates.pool import Member, Pool, TeammateSet

BASE = omg.OMGConfig(env="skirmish:partners", n_agents=2, learner="iql_actions", device="cpu")


def pool_at(path, *styles):
    sets = tuple(TeammateSet(style, "train", "homologue", (style,)) for style in styles)
    Pool("skirmish:partners", 2, tuple(map(Member, styles)), sets).save(path)
    return str(path)


@pytest.mark.parametrize("link", [False, True])
def test_a_folder_counts_once_however_it_is_written(tmp_path, monkeypatch, link):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "b").mkdir()
    others = ["./runs/a", "runs/b/../a", str(tmp_path / "runs" / "a"), "runs/a/"]
    if link:
        try:
            os.symlink(tmp_path / "runs" / "a", tmp_path / "again")
        except OSError:
            pytest.skip("this system makes no links here")
        others.append("again")
    assert distinct(["runs/a", *others, "runs/b", "nowhere", "nowhere"]) == ["runs/a", "runs/b", "nowhere"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(n_agents=3), ("n_agents=2", "n_agents=3")),
        (dict(horizon=1), ("horizon=5", "horizon=1")),
        (dict(td_steps=5), ("td_steps=1", "td_steps=5")),
        (dict(t_max=1000), ("t_max=200000", "t_max=1000")),
        (dict(updates=3), ("updates=None", "updates=3")),
        (dict(q_subgoal="prior"), ("q_subgoal=mixed", "q_subgoal=prior")),
        (dict(env="skirmish"), ("env=skirmish:partners", "env=skirmish")),
        (dict(lr=0.1, gamma=0.5), ("gamma=0.99 lr=0.0005", "gamma=0.5 lr=0.1")),
    ],
    ids=str,
)
def test_every_setting_but_the_seed_tells_runs_apart(change, words):
    found = told_apart({"a": BASE, "b": replace(BASE, seed=1), "c": replace(BASE, **change)})
    assert (found["a"], found["b"], found["c"]) == (words[0], words[0], words[1])


def test_where_a_run_was_computed_does_not(tmp_path):
    elsewhere = replace(BASE, seed=1, device="auto", runner="processes", deterministic=True)
    assert told_apart({"a": BASE, "b": elsewhere}) == {"a": "", "b": ""}
    assert told_apart({"a": BASE, "b": replace(BASE, learner="iql", teammates="scripted")})["a"] == "teammates=None"


def test_pools_and_priors_are_what_they_hold(tmp_path):
    one, same = pool_at(tmp_path / "one", "nearest"), pool_at(tmp_path / "x" / "one", "nearest")
    other = pool_at(tmp_path / "y" / "one", "nearest", "kite")
    pools = zip("abc", (one, same, other), strict=True)
    found = told_apart({name: replace(BASE, teammates=path, seed=ord(name)) for name, path in pools})
    assert found["a"] == found["b"] != found["c"] and found["a"].startswith("teammates=one:")
    for name, text in (("p", "1"), ("q", "1"), ("r", "2")):
        (tmp_path / name).write_text(text)
    priors = {name: replace(BASE, prior=str(tmp_path / name), seed=i) for i, name in enumerate("pqr")}
    words = [text.split(":")[-1] for text in told_apart(priors).values()]
    assert words[0] == words[1] != words[2]


def test_one_configuration_and_seed_is_one_result():
    with pytest.raises(ConfigError, match=r"runs='copy': it has the same seed and settings as a: allowed is one"):
        told_apart({"a": BASE, "b": replace(BASE, seed=1), "copy": replace(BASE, device="auto")})


def test_runs_of_learners_with_different_settings_of_their_own_are_told_apart(monkeypatch):
    one, other = (type("Own", (QLearner,), {"settings": settings}) for settings in ({"alpha": 0.6}, {"beta": 1}))
    monkeypatch.setattr(registry, "OWN", {"one": one, "other": other})
    learners = {"a": ("one", 0.6), "b": ("one", 0.8), "c": ("other", None), "d": ("iql", None)}
    configs = {
        name: replace(BASE, learner=learner, extra={} if alpha is None else {"alpha": alpha})
        for name, (learner, alpha) in learners.items()
    }
    assert told_apart(configs) == {"a": "alpha=0.6", "b": "alpha=0.8", "c": "", "d": ""}
