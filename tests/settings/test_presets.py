"""Presets: what they set, on the command line, in a run's folder, resumed, predicted."""

import json

import pytest

import omg_lib as omg
from omg_lib.__main__ import main
from omg_lib.config import ConfigError
from omg_lib.settings.presets import PRESETS

SHORT = ["--env", "foraging", "--n-agents", "2", "--set", "batch_size=1", "updates=1", "test_nepisode=1", "device=cpu"]


def config(name, env="skirmish", **changes):
    return omg.OMGConfig.from_dict(omg.preset(name, env) | {"env": env, "n_agents": 2} | changes)


def test_the_paper_has_two_columns_and_horizons():
    foraging, smac, released = config("paper", "foraging"), config("paper"), config("released")
    assert (foraging.horizon, smac.horizon, released.horizon) == (5, 10, 5)
    assert (foraging.network, foraging.rnn_hidden_dim, foraging.dueling) == ("mlp", 32, True)
    assert (foraging.optimiser, foraging.lr, foraging.target_update_interval) == ("adam", 0.005, 100)
    assert (foraging.epsilon_start, foraging.epsilon_finish, foraging.epsilon_anneal_time) == (0.5, 0.05, 4500)
    assert (smac.network, smac.optimiser, smac.lr, smac.target_update_interval) == ("rnn", "rmsprop", 0.0005, 200)
    assert (released.learner, released.dueling, smac.dueling, smac.learner) == ("omg_released", False, True, "omg")
    fields = released.bootstrap_subgoal, released.q_subgoal, released.test_subgoal
    assert fields == ("next", "inferred", "sample") and all(released.extra.values())


def test_only_known_presets():
    with pytest.raises(ConfigError, match="preset='code': allowed are paper, released"):
        omg.preset("code")
    assert main(["shapes", "--preset", "code"]) == 2


@pytest.mark.parametrize("name", PRESETS)
def test_shapes_of_a_preset_are_measured_too(name):
    with omg.Training(config(name, "foraging", batch_size=1, updates=1, test_nepisode=1, device="cpu")) as run:
        list(run)
        assert omg.compare(omg.predict(run.config), run.trace) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_on_the_command_line_is_saved_and_resumed(name, tmp_path, capsys):
    switch = ["--set", "kl_switched=false"] if name == "released" else []
    folder = str(tmp_path / "run")
    assert main(["train", "--preset", name, *SHORT, *switch, "--set", "horizon=3", "--out", folder]) == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    expected = omg.preset(name, "foraging") | {"batch_size": 1, "updates": 1, "horizon": 3, "n_agents": 2}
    assert {key: saved[key] for key in expected} == expected, "options win over a preset"
    if name == "released":
        assert saved["extra"]["kl_switched"] is False and saved["extra"]["value_of_all"] is True
    assert main(["train", "--resume", folder, "--updates", "2"]) == 0
    assert "update 2" in capsys.readouterr().out
    with omg.load(folder) as run:
        assert run.update == 2 and run.explain(0)["chosen"].max() >= 0
    assert main(["train", "--resume", folder, "--preset", name, "--updates", "3"]) == 2
    assert "goes without --config and --preset" in capsys.readouterr().err


def test_a_file_wins_over_a_preset_and_an_option_over_both(tmp_path, capsys):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"env": "foraging", "n_agents": 2, "batch_size": 3, "horizon": 2}))
    command = ["shapes", "--preset", "paper", "--config", str(path), "--horizon", "4"]
    assert main(command) == 0
    told = capsys.readouterr().out.splitlines()[0]
    assert "G = 3" in told and "H = 4" in told and "C = 6" in told
    assert main(["shapes", "--preset", "released", "--learner", "iql", "--n-agents", "2"]) == 0
