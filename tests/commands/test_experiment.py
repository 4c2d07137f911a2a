"""teammates, pretrain, train and evaluate on the command line, one after another, as a researcher would run them."""

import csv
import json
import shutil

import pytest

from omg_lib.__main__ import main
from omg_lib.config import OMGConfig
from omg_lib.teammates.pool import Member, Pool, TeammateSet

BATTLE = ["--env", "skirmish:partners", "--n-agents", "3"]
SCRIPTS = (Member("nearest"),)
SETS = (TeammateSet("nearest", "train", "homologue", ("nearest",) * 2),)


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


@pytest.mark.slow
def test_the_pool_says_what_it_holds(made, capsys):
    again = ["teammates", *BATTLE, "--algorithms", "iql", "vdn", "--seeds", "4", "--t-max", "60", "--batch-size", "2"]
    assert main([*again, "--device", "cpu", "--out", str(made / "pool")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("order 1,0 ") and "a script" in line for line in lines)
    assert any(line.startswith("vdn-3 ") and "win rate" in line and "test (non_homologue)" in line for line in lines)
    pool = json.loads((made / "pool" / "pool.json").read_text())
    assert pool["config"]["td_steps"] == 5 and {m["algorithm"] for m in pool["members"]} == {"script", "iql", "vdn"}


@pytest.mark.slow
def test_the_prior_reports_states_it_never_saw(made, capsys):
    options = ["--teammates", str(made / "pool"), "--episodes", "6", "--steps", "5"]
    assert main(["pretrain", *BATTLE, *options, "--out", str(made / "other.safetensors")]) == 0
    assert capsys.readouterr().out.startswith("held out: reconstruction 0.")
    assert (made / "other.safetensors").read_bytes() == (made / "prior.safetensors").read_bytes()


@pytest.mark.slow
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


@pytest.mark.slow
def test_evaluate_after_fine_tuning(made, capsys):
    options = ["--splits", "test", "--episodes", "3", "--fine-tune", "6"]
    assert main(["evaluate", "--runs", str(made / "iql_actions"), *options]) == 0
    assert capsys.readouterr().out.count("\n") == 3


@pytest.mark.slow
def test_runs_of_other_settings_are_no_seeds_of_one_configuration(made, capsys):
    """Lines of different folders have different labels; one folder counts once, however its path is written."""
    options = ["--teammates", str(made / "pool"), "--batch-size", "2", "--updates", "1", "--device", "cpu"]
    for name, more in (("td5", ["--td-steps", "5"]), ("seed1", ["--seed", "1"])):
        words = ["train", *BATTLE, "--learner", "iql_actions", *options, *more, "--out", str(made / name)]
        assert main(words) == 0
    capsys.readouterr()
    table = made / "apart.csv"
    runs = [str(made / name) for name in ("iql_actions", "td5", "seed1")] + [str(made / "td5" / ".." / "iql_actions")]
    words = ["--splits", "train", "--episodes", "3", "--out", str(table), "--figure", str(made / "apart.svg")]
    assert main(["evaluate", "--runs", *runs, *words]) == 0
    head, *lines = (line.split() for line in capsys.readouterr().out.splitlines())
    assert "settings" in head and len(lines) == 2
    assert [(line[3], line[-3]) for line in lines] == [("td_steps=1", "2"), ("td_steps=5", "1")]
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["run"], row["settings"]) for row in rows} == {
        (runs[0], "td_steps=1"), (runs[1], "td_steps=5"), (runs[2], "td_steps=1"),
    }  # fmt: skip
    shutil.copytree(made / "seed1", made / "copy")
    assert main(["evaluate", "--runs", runs[2], str(made / "copy"), "--splits", "train"]) == 2
    assert "the same seed and settings as" in capsys.readouterr().err


@pytest.mark.slow
def test_fine_tuning_tests_with_the_battles_that_were_asked_for(made, capsys):
    table = made / "tuned.csv"
    options = ["--splits", "test", "--episodes", "5", "--fine-tune", "3", "--out", str(table)]
    assert main(["evaluate", "--runs", str(made / "iql_actions"), *options]) == 0
    with table.open() as file:
        assert {row["episodes"] for row in csv.DictReader(file)} == {"5"}


@pytest.mark.slow
def test_a_run_whose_training_has_not_ended_is_named(made, capsys):
    folder = shutil.copytree(made / "iql_actions", made / "unfinished")
    settings = json.loads((folder / "config.json").read_text()) | {"updates": 9}
    (folder / "config.json").write_text(json.dumps(settings))
    assert main(["evaluate", "--runs", str(folder), "--splits", "train", "--episodes", "3"]) == 0
    assert f"{folder}: its training stands at update 1 and has not ended" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "--figure", "no/such.svg"], ["figure='no/such.svg'", "folder that exists"]),
        (["evaluate", "--figure", "scores.pdf"], ["figure='scores.pdf'", ".svg or .png"]),
        (["evaluate", "--figure", "scores"], ["figure='scores'", ".svg or .png"]),
        (["evaluate", "--out", "no/such.csv"], ["out='no/such.csv'", "folder that exists"]),
        (["evaluate", "--out", "pool"], ["out='pool'", "not a regular file"]),
        (["evaluate", "--out", "long" * 99], ["out=", "cannot be written"]),
        (["evaluate", "--splits", "validation"], ["splits='validation'", "it has"]),
        (["evaluate", "--fine-tune", "4"], ["fine_tune=4", "each of the 3 seats", "3 or 6"]),
        (["pretrain", "--out", "prior.pt"], ["out='prior.pt'", "ends in .safetensors"]),
        (["pretrain", "--out", "prior.safetensors/in.safetensors"], ["cannot be written"]),
        (["teammates", "--out", "prior.safetensors"], ["out='prior.safetensors'", "cannot be written"]),
        (["teammates", "--out", "prior.safetensors/pool"], ["cannot be written"]),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_written_or_played_is_refused_before_the_work(made, capsys, monkeypatch, words, said):
    def work(*args, **kwargs):
        raise AssertionError("the work has begun")

    for name in ("experiment.scores.load", "commands.pretrain.pretrain", "experiment.train_pool.train_member"):
        monkeypatch.setattr(f"omg_lib.{name}", work)
    monkeypatch.chdir(made)
    command, *options = words
    Pool("skirmish:partners", 3, SCRIPTS, SETS).save("scripts")
    settings = json.loads((made / "iql_actions" / "config.json").read_text()) | {"teammates": "scripts"}
    (made / "scripted").mkdir(exist_ok=True)
    (made / "scripted" / "config.json").write_text(json.dumps(settings))
    given = ["--runs", "scripted", "--splits", "train"] if command == "evaluate" else BATTLE
    before = sorted(made.iterdir())
    assert main([command, *given, *options]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and len(err) <= 301 and all(part in err for part in said), err
    assert sorted(made.iterdir()) == before, "nothing is left behind"


def test_a_missing_folder_for_a_prior_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["pretrain", *BATTLE, "--teammates", "scripted", "--episodes", "5", "--steps", "1"]
    assert main([*words, "--out", "runs/new/prior.safetensors"]) == 0, capsys.readouterr().err
    assert (tmp_path / "runs" / "new" / "prior.safetensors").is_file()


def test_a_run_of_a_learner_that_the_paper_does_not_have_is_drawn(tmp_path, capsys):
    run, figure = str(tmp_path / "run"), tmp_path / "scores.svg"
    words = ["train", *BATTLE, "--learner", "qmix", "--batch-size", "2", "--updates", "1", "--device", "cpu"]
    assert main([*words, "--out", run]) == 0
    assert main(["evaluate", "--runs", run, "--episodes", "4", "--figure", str(figure)]) == 0, capsys.readouterr().err
    assert "<svg" in figure.read_text()


def test_a_run_in_which_all_seats_learn_is_evaluated_and_has_nobody_to_tune_with(tmp_path, capsys):
    words = ["train", *BATTLE, "--learner", "iql", "--batch-size", "2", "--updates", "1", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    evaluate = ["evaluate", "--runs", str(tmp_path / "run"), "--episodes", "4"]
    assert main([*evaluate, "--out", str(tmp_path / "scores.csv")]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "iql"
    with (tmp_path / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["teammates"], row["split"], row["episodes"]) == ("itself", "", "4")
    assert main([*evaluate, "--fine-tune", "3"]) == 2
    assert "all seats learn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("games", "more", "said"),
    [
        (["predator_prey"], ["--figure", "a.svg"], ["figure='a.svg'", "no winner"]),
        (["predator_prey"], ["--figure", "a.txt"], ["figure='a.txt'", ".svg or .png"]),
        (["predator_prey", "skirmish"], [], ["runs=2", "runs of one kind"]),
    ],
)
def test_returns_are_not_drawn_as_win_rates_nor_mixed_with_them(tmp_path, capsys, monkeypatch, games, more, said):
    pytest.importorskip("mpe2", reason="predator_prey needs the extra envs")
    monkeypatch.chdir(tmp_path)
    for env in games:
        settings = OMGConfig(env=env, n_agents=3, learner="iql_actions").to_dict()
        (tmp_path / env).mkdir()
        (tmp_path / env / "config.json").write_text(json.dumps(settings))
    assert main(["evaluate", "--runs", *games, "--splits", "train", *more]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and all(part in err for part in said), err


@pytest.mark.slow
def test_one_return_says_nothing_about_its_spread(tmp_path, capsys):
    run = str(tmp_path / "run")
    words = ["train", "--env", "foraging", "--n-agents", "2", "--learner", "iql", "--teammates", "none"]
    assert main([*words, "--updates", "1", "--batch-size", "1", "--device", "cpu", "--out", run]) == 0
    capsys.readouterr()
    assert main(["evaluate", "--runs", run, "--episodes", "3"]) == 0
    head, line = capsys.readouterr().out.splitlines()[-2:]
    assert "return  95 % interval" in head and " unknown " in line and "inf" not in line


def test_the_pool_calls_a_policy_of_a_game_without_winners_no_script(tmp_path, capsys):
    pytest.importorskip("mpe2", reason="predator_prey needs the extra envs")
    words = "teammates --env predator_prey --n-agents 2 --algorithms iql --seeds 1 --t-max 20 --batch-size 1"
    words += " --device cpu --set test_nepisode=2"
    assert main([*words.split(), "--out", str(tmp_path / "pool")]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("iql-0 "))
    assert "a policy" in line and "script" not in line


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
        (["pretrain", *BATTLE, "--episodes", "5", "--steps", "1", "--out", "file"], ["out=", ".safetensors"]),
    ],
)
@pytest.mark.slow
def test_bad_input_is_one_line_and_exit_code_2(made, capsys, monkeypatch, words, said):
    monkeypatch.chdir(made)
    places = {"RUN": "iql_actions", "POOL": "pool", "PRIOR": "prior.safetensors"}
    assert main([places.get(word, word) for word in words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and len(err) <= 301 and all(part in err for part in said), err
