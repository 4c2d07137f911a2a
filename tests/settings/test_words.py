"""Settings typed on a command line, or written in a file: each is refused in one sentence or used, none is ignored."""

import argparse
import dataclasses
import functools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import omg_lib as omg
from omg_lib import registry
from omg_lib.__main__ import main
from omg_lib.commands.train import add_options, train_config
from omg_lib.learners import QLearner, register
from omg_lib.settings.words import DEFAULTS, KINDS, kinds_of, settings_of

WAYS = ("--set", "option", "json", "yaml", "toml")
OPTIONS = ("env", "n_agents", "batch_size", "learner", "td_steps", "updates", "t_max", "steps", "device", "seed")
NUMBERS = st.one_of(st.integers(-3, 40), st.floats(-2, 2), st.sampled_from([10**6, 1e-4, 0.5, float("inf")]))
TEXTS = st.one_of(
    NUMBERS.map(str),
    st.sampled_from(
        ["True", "false", "none", "adam", "iql", "omg", "skirmish", "cpu", "next", "mean", "1e-3", "", "x"]
    ),
    st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=8),
)


OWN = {"alpha": 0.6, "deep": 2, "fast": False, "tag": "plain"}
"""Own settings of a registered learner, one of each type."""
OWN_WAYS = ("--set", "--set extra.", "json", "yaml", "toml", "json extra", "yaml extra", "toml extra")


@pytest.fixture(scope="module", autouse=True)
def packages():
    """What packages offer is read once: it takes longer than all else here, and none comes along meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "entry_points", functools.cache(registry.entry_points))
        yield


@pytest.fixture
def tuned(monkeypatch):
    monkeypatch.setattr(registry, "OWN", {})
    register("tuned", type("Tuned", (QLearner,), {"settings": OWN}))


def misspelt(name: str, at: int, letter: str) -> str:
    return name[: at % len(name)] + letter + name[at % len(name) + 1 :]


def right_or_wrong(names) -> st.SearchStrategy[str]:
    right = st.sampled_from(sorted(names))
    return st.one_of(right, st.builds(misspelt, right, st.integers(0, 30), st.sampled_from("abcxyz_")))


NAMES = right_or_wrong(KINDS)


def configured(words):
    """The configuration that `train` would run."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser)
    return train_config(parser.parse_args(words))


def spelled(folder, way, name, text, learner=None):
    """The words of a command line that set this, by way of an option, `--set` or a file."""
    if way.startswith("--set"):
        return ["--set", f"{way.removeprefix('--set').strip()}{name}={text}"]
    if way == "option":
        return [f"--{name.replace('_', '-')}={text}"]
    kind, _, nested = way.partition(" ")
    path = folder / f"settings.{kind}"
    value = json.dumps(settings_of([f"{name}={text}"], learner)[name] if name in kinds_of(learner) else text)
    if kind == "toml" and value == "null":
        value = '"null"'
    line = {"json": f'{{"{name}": {value}}}', "yaml": f"{name}: {value}", "toml": f"{name} = {value}"}[kind]
    if nested:
        line = {"json": f'{{"extra": {line}}}', "yaml": f"extra: {{{line}}}", "toml": f"[extra]\n{line}"}[kind]
    path.write_text(line + "\n")
    return ["--config", str(path)]


def means(kind, text, value):
    """Whether a setting of this kind is what the text says."""
    if value is None:
        return text.lower() in ("none", "null")
    if kind.startswith("int"):
        return type(value) is int and int(text) == value
    if kind.startswith("float"):
        return type(value) is float and float(text) == value
    return text.strip().lower() == str(value).lower() if kind == "bool" else value == text


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES, text=TEXTS, way=st.sampled_from(WAYS))
def test_every_setting_is_refused_or_used(tmp_path, name, text, way):
    if way == "option" and name not in OPTIONS:
        way = "--set"
    try:
        config = configured(spelled(tmp_path, way, name, text))
    except (omg.ConfigError, ValueError) as error:
        assert type(error) is omg.ConfigError and "\n" not in str(error) and len(str(error)) < 700
        return
    assert name in KINDS, f"{name}={text} was ignored"
    assert means(KINDS[name], text, getattr(config, name))
    others = {key: value for key, value in config.to_dict().items() if key != name}
    assert others == {key: value for key, value in DEFAULTS.items() if key != name}


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=right_or_wrong(OWN), text=TEXTS, way=st.sampled_from(OWN_WAYS))
def test_every_own_setting_is_refused_or_used(tuned, tmp_path, name, text, way):
    try:
        config = configured(["--learner", "tuned", *spelled(tmp_path, way, name, text, "tuned")])
    except (omg.ConfigError, ValueError) as error:
        assert type(error) is omg.ConfigError and "\n" not in str(error) and len(str(error)) < 700
        return
    assert name in OWN, f"{name}={text} was ignored"
    assert means(type(OWN[name]).__name__, text, config.extra[name])
    assert config.extra == OWN | {name: config.extra[name]}
    assert config == omg.OMGConfig(learner="tuned", extra=config.extra)


@pytest.mark.parametrize("way", OWN_WAYS)
@pytest.mark.parametrize(("name", "text"), [("alpha", "0.25"), ("deep", "7"), ("fast", "true"), ("tag", "none")])
def test_every_own_setting_can_be_set_and_a_wrong_one_is_named(tuned, tmp_path, way, name, text):
    config = configured(["--learner", "tuned", *spelled(tmp_path, way, name, text, "tuned")])
    assert means(type(OWN[name]).__name__, text, config.extra[name]) and config.extra[name] != OWN[name]
    with pytest.raises(omg.ConfigError, match=f"{name}x"):
        configured(["--learner", "tuned", *spelled(tmp_path, way, f"{name}x", text, "tuned")])
    with pytest.raises(omg.ConfigError, match=name):
        configured(["--learner", "iql", *spelled(tmp_path, way, name, text, "tuned")])
    if name != "tag":
        with pytest.raises(omg.ConfigError, match=f"{name}='much'"):
            configured(["--learner", "tuned", *spelled(tmp_path, way, name, "much", "tuned")])


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_field_can_be_set(name):
    """Each takes its default, written as text, and refuses a word that means nothing."""
    default = DEFAULTS[name]
    text = (
        json.dumps(default) if isinstance(default, dict) else str(default).lower() if default is None else str(default)
    )
    assert getattr(configured(["--set", f"{name}={text}"]), name) == (default if name != "teammates" else "none")
    with pytest.raises(omg.ConfigError, match=name):
        configured(["--set", f"{name}=nothing like it"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--set gama=0.9", "set='gama': there is no such setting; did you mean gamma?"),
        ("--set n-agents=3 n_agents=3", "set='n_agents=3': n_agents=3 is given as well; allowed is one of the two"),
        ("--seed 1 --set seed=1", "seed=1: --set and another option give it; allowed is one of the two"),
        ("--set gamma", "set='gamma': allowed is NAME=VALUE, such as lr=0.001"),
        ("--set lr=1e-3x", "lr='1e-3x': allowed is a finite number"),
        ("--set dueling=yes", "dueling='yes': allowed is True or False"),
        ("--set updates=2 steps=40", "steps=40: --updates 2 ends the run already; allowed is one of the two"),
        ("--steps 40 --t-max 20", "t_max=20: --steps 40 ends the run already; allowed is one of the two"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(capsys, words, said):
    assert main(["train", *words.split()]) == 2
    err = capsys.readouterr().err
    assert err.startswith(said) and err.count("\n") == 1 and len(err) <= 300


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("pretrain --out p.safetensors --set lr=0.1", "lr=0.1: a prior does not depend on it"),
        ("pretrain --out p.safetensors --set learner=iql", "learner='iql': a prior does not depend on it"),
        ("teammates --out pool --set learner=vdn", "learner='vdn': --algorithms names the learners"),
        ("teammates --out pool --set seed=3", "seed=3: --seeds counts the seeds"),
    ],
)
def test_a_command_refuses_the_settings_that_it_does_not_use(tmp_path, monkeypatch, capsys, command, said):
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    assert said in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_steps_are_those_of_the_whole_run():
    config = omg.OMGConfig(steps=4000)
    assert config.has_teammates and config.t_max_total == 4000
    assert dataclasses.replace(config, learner="iql").t_max_total == 4000
    with pytest.raises(omg.ConfigError, match="t_max=50 is given as well"):
        omg.OMGConfig(steps=4000, t_max=50)


@pytest.mark.slow
def test_a_run_of_so_many_steps_ends_there_and_says_nothing_of_seats(capsys):
    words = "train --env skirmish:partners --n-agents 2 --batch-size 1 --device cpu --steps 60"
    assert main([*words.split(), "--set", "test_nepisode=2"]) == 0
    out, err = capsys.readouterr()
    assert 60 <= int(out.split("t_env ")[1].split(",")[0]) < 140 and "seats" not in err


def test_the_help_offers_settings_files_and_modules(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "any setting of OMGConfig" in told and "JSON, YAML or TOML" in told and "--import MODULE" in told
