"""PyMARL's and EPyMARL's settings: translated and shown, or refused where the run would silently be another one."""

import dataclasses
from pathlib import Path

import pytest

import omg_lib as omg
from omg_lib.__main__ import main
from omg_lib.settings.pymarl import EPYMARL, FIXED, IGNORED, RENAMED, SAME, is_pymarl, names_table, translate

PAGE = Path(omg.__file__).parent / "settings" / "README.md"
PYMARL = """
runner: "parallel"
mac: "basic_mac"
env: "sc2_v2"
env_args: {map_name: 10gen_zerg, capability_config: {n_units: 5, n_enemies: 5}}
batch_size_run: 4
t_max: 2050000
use_cuda: True
batch_size: 16
buffer_size: 1000
lr: 0.0003
optim_alpha: 0.98
optim_eps: 0.0001
agent: "rnn"
rnn_hidden_dim: 128
obs_agent_id: True
action_selector: "epsilon_greedy"
epsilon_anneal_time: 100000
target_update_interval: 150
agent_output_type: "q"
learner: "q_learner"
double_q: True
mixer: "vdn"
name: "vdn"
save_model: True
"""


def test_a_file_of_pymarl_becomes_the_same_run(tmp_path, capsys):
    (tmp_path / "vdn.yaml").write_text(PYMARL)
    assert main(["shapes", "--config", str(tmp_path / "vdn.yaml")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("A = 5, G = 16, R = 4, L = 200")
    lines = err.splitlines()
    assert len(lines) == 1 + len(PYMARL.split("\n")[1:-1])  # a line for each setting
    assert "t_max=2050000" in err and "steps=2050000" in err and "ignored: --out DIR keeps checkpoints" in err


def test_each_setting_is_translated_and_none_is_lost():
    from omg_lib.settings.files import parse_yaml

    values = parse_yaml(PYMARL)
    found, rows = translate(values)
    assert omg.OMGConfig.from_dict(found) == omg.OMGConfig(
        learner="vdn", env="smacv2:10gen_zerg", n_agents=5, batch_size_run=4, steps=2_050_000, batch_size=16,
        buffer_size=1000, lr=0.0003, optim_alpha=0.98, optim_eps=0.0001, rnn_hidden_dim=128,
        epsilon_anneal_time=100_000, target_update_interval=150,
    )  # fmt: skip
    assert [row.theirs.split("=")[0] for row in rows] == list(values)
    assert all(row.ours or row.why for row in rows)


def test_epymarls_learners_use_adam(capsys):
    values = dict(learner="q_learner", mixer=None, hidden_dim=32, target_update_interval_or_tau=200, use_rnn=True)
    found, rows = translate(values)
    assert found == dict(learner="iql", rnn_hidden_dim=32, target_update_interval=200, optimiser="adam")
    assert rows[-1].ours == "optimiser=adam"


def test_epymarls_settings_of_wandb_are_ignored():
    wandb = dict(use_wandb=False, wandb_team=None, wandb_project=None, wandb_mode="offline", wandb_save_model=False)
    found, rows = translate(wandb | {"learner": "q_learner", "mixer": None, "use_rnn": True})
    assert omg.OMGConfig.from_dict(found) == omg.OMGConfig(learner="iql", optimiser="adam")
    assert all(row.why.startswith("ignored: ") for row in rows[: len(wandb)])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"double_q": False}, "double_q=False: the target here is double Q's, allowed is True"),
        ({"standardise_rewards": True, "use_rnn": False}, "use_rnn=False: the agent here is recurrent"),
        ({"standardise_rewards": True, "use_rnn": False}, "standardise_rewards=True: rewards are not"),
        ({"learner": "coma_learner"}, "learner='coma_learner': allowed in a PyMARL file is q_learner"),
        ({"mixer": "qtran_base"}, "mixer='qtran_base': allowed are null, vdn and qmix"),
        ({"mixer": ["qmix"]}, "mixer=['qmix']"),
        ({"target_update_interval_or_tau": 0.01}, "targets here are copied, not mixed"),
        ({"env": "sc2"}, "env='sc2': this game has no counterpart here: name one with --env"),
        ({"env": "sc2_v2", "env_args": {"capability_config": {"n_units": 5, "n_enemies": 6}}}, "n_enemies=6"),
        ({"env_args": 3}, "env_args=3"),
        ({"runner": "ray"}, "runner='ray': allowed in a PyMARL file are episode and parallel"),
        ({"rnn_hidden_dim": 64, "hidden_dim": 32}, "another name sets rnn_hidden_dim=64"),
        ({"use_cuda": "yes"}, "use_cuda='yes': allowed is True or False"),
        ({"evaluate": True}, "evaluate=True: use the command evaluate, allowed is False"),
        ({"lrr": 0.1}, "config='lrr': there is no such setting; did you mean lr?"),
    ],
)
def test_what_would_silently_be_another_run_is_refused(changes, said):
    values = {"mac": "basic_mac", "learner": "q_learner", "mixer": None} | changes
    with pytest.raises(omg.ConfigError) as error:
        omg.OMGConfig.from_dict(translate(values)[0])
    assert said in str(error.value)


def test_the_command_line_names_what_has_no_counterpart():
    values = {"env": "sc2", "env_args": {"map_name": "8m"}, "learner": "coma_learner", "lr": 0.001}
    assert translate(values, given=("env", "learner"))[0] == {"lr": 0.001}


@pytest.mark.parametrize("values", [{"lr": 1}, {"learner": "iql"}, {"runner": "processes"}, {"env": "skirmish"}, {}])
def test_our_own_settings_are_left_alone(values):
    assert not is_pymarl(values)


def test_the_names_are_those_of_our_fields_and_stand_on_the_page():
    fields = {field.name for field in dataclasses.fields(omg.OMGConfig)}
    assert set(SAME) <= fields and {ours for ours, _ in RENAMED.values()} <= fields
    assert not ({*FIXED, *IGNORED} & fields) and set(EPYMARL) <= {*RENAMED, *FIXED, *IGNORED}
    assert names_table() in PAGE.read_text(encoding="utf-8")
