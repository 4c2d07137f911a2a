"""teammates, pretrain, train and evaluate on the command line, one after the other, as a researcher would."""

import csv
import json

import pytest

from omg_lib.__main__ import main

BATTLE = ["--env", "skirmish:partners", "--n-agents", "3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny pool, a prior and two saved runs."""
    folder = tmp_path_factory.mktemp("made")
    pool, prior = folder / "pool", folder / "prior.safetensors"
    small = ["--algorithms", "iql", "vdn", "--seeds", "4", "--t-max", "60", "--batch-size", "2", "--device", "cpu"]
    assert main(["teammates", *BATTLE, *small, "--out", str(pool)]) == 0
    begin = ["pretrain", *BATTLE, "--teammates", str(pool), "--episodes", "6", "--steps", "5"]
    assert main([*begin, "--out", str(prior)]) == 0
    for learner in ("omg", "iql_actions"):
        options = ["--teammates", str(pool), "--batch-size", "2", "--updates", "1", "--device", "cpu"]
        options += ["--prior", str(prior)] if learner == "omg" else []
        assert main(["train", *BATTLE, "--learner", learner, *options, "--out", str(folder / learner)]) == 0
    return folder


def test_the_pool_says_what_it_holds(made, capsys):
    again = ["teammates", *BATTLE, "--algorithms", "iql", "vdn", "--seeds", "4", "--t-max", "60", "--batch-size", "2"]
    assert main([*again, "--device", "cpu", "--out", str(made / "pool")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("order 1,0 ") and "a script" in line for line in lines)
    assert any(line.startswith("vdn-3 ") and "win rate" in line and "test (non_homologue)" in line for line in lines)
    pool = json.loads((made / "pool" / "pool.json").read_text())
    assert pool["config"]["td_steps"] == 5 and {m["algorithm"] for m in pool["members"]} == {"script", "iql", "vdn"}


def test_the_prior_reports_states_it_never_saw(made, capsys):
    options = ["--teammates", str(made / "pool"), "--episodes", "6", "--steps", "5"]
    assert main(["pretrain", *BATTLE, *options, "--out", str(made / "other.safetensors")]) == 0
    assert capsys.readouterr().out.startswith("held out: reconstruction 0.")
    assert (made / "other.safetensors").read_bytes() == (made / "prior.safetensors").read_bytes()


def test_evaluate_prints_writes_and_draws(made, capsys):
    table, figure = made / "scores.csv", made / "scores.svg"
    runs = [str(made / "omg"), str(made / "iql_actions")]
    options = ["--splits", "train+test", "--episodes", "3", "--out", str(table), "--figure", str(figure)]
    assert main(["evaluate", "--runs", *runs, *options]) == 0
    printed = capsys.readouterr().out.splitlines()
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["learner"] for row in rows} == {"omg", "iql_actions"}
    assert {(row["split"], row["kind"]) for row in rows} == {
        ("train", "homologue"), ("test", "homologue"), ("test", "non_homologue"),
    }  # fmt: skip
    assert len(printed) == 1 + 2 * 3 and "<svg" in figure.read_text()
    for line in printed[1:]:
        learner, mean = line.split()[0], float(line.split()[-7])
        _, split, kind = line[:13], line[27:38].strip(), line[39:53].strip()
        mine = [float(r["win_rate"]) for r in rows if (r["learner"], r["split"], r["kind"]) == (learner, split, kind)]
        assert mean == pytest.approx(sum(mine) / len(mine), abs=6e-4)


def test_evaluate_after_fine_tuning(made, capsys):
    options = ["--splits", "test", "--episodes", "3", "--fine-tune", "6"]
    assert main(["evaluate", "--runs", str(made / "iql_actions"), *options]) == 0
    assert capsys.readouterr().out.count("\n") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "--runs", "nowhere"], ["'nowhere'"]),
        (["evaluate", "--runs", "RUN", "--splits", "exam"], ["splits='exam'", "validation"]),
        (["evaluate", "--runs", "RUN", "--episodes", "0"], ["episodes='0'", "1 or more"]),
        (["evaluate", "--runs", "RUN", "--teammates", "nobody"], ["'nobody'", "pool"]),
        (["evaluate", "--runs", "RUN", "--teammates", "POOL", "--fine-tune", "5"], ["fine_tune=5", "own pool"]),
        (["evaluate", "--runs", "RUN", "--episodes", "3", "--figure", "a.xyz"], ["figure='a.xyz'", ".svg"]),
        (["evaluate", "--runs", "RUN", "--episodes", "3", "--out", "no/such.csv"], ["out=", "cannot be written"]),
        (["train", "--n-agents", "3", "--teammates", "POOL"], ["skirmish:partners", "env=skirmish"]),
        (["train", *BATTLE[:2], "--n-agents", "4", "--teammates", "POOL"], ["n_agents=3", "n_agents=4"]),
        (["train", *BATTLE, "--learner", "vdn", "--teammates", "POOL"], ["vdn", "none"]),
        (["train", *BATTLE, "--learner", "oracle", "--teammates", "none"], ["oracle"]),
        (["train", "--env", "skirmish", "--n-agents", "4", "--prior", "PRIOR"], ["obs_dim=30", "obs_dim=40"]),
        (["train", *BATTLE, "--prior", "nothing"], ["prior='nothing'"]),
        (["teammates", *BATTLE, "--algorithms", "ppo", "--out", "x"], ["algorithms='ppo'", "qmix"]),
        (["teammates", *BATTLE, "--seeds", "none", "--out", "x"], ["seeds='none'", "whole number"]),
        (["pretrain", *BATTLE, "--steps", "-3", "--out", "x"], ["steps='-3'"]),
        (["pretrain", *BATTLE, "--episodes", "5", "--steps", "1", "--out", "no/file"], ["out=", "cannot be written"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(made, capsys, monkeypatch, words, said):
    monkeypatch.chdir(made)
    places = {"RUN": "iql_actions", "POOL": "pool", "PRIOR": "prior.safetensors"}
    assert main([places.get(word, word) for word in words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and len(err) <= 301 and all(part in err for part in said), err
