"""The paper's own game: what is run, what a state is, and a smoke test of the command."""

import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from omg_lib.envs import make_env
from paper.foraging import ARMS, cells, foraging, summary_of, trajectories
from tests.helpers import warm

ROOT = Path(__file__).parents[2]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_plan_is_the_papers():
    plan = foraging(False, Path("data"))
    assert len(plan.arms) == len(ARMS) == 16 and all(len(arm.seeds) == 5 for arm in plan.arms)
    assert plan.pool_seeds == 10 and plan.algorithms == ("iql",) and set(plan.splits.split("+")) == {
        "train", "validation", "test"
    }  # fmt: skip
    for arm in plan.arms:
        settings = arm.settings
        assert settings["updates"] * settings["batch_size_run"] == 50_000 and settings["batch_size"] * 2 == 32
        assert (settings["network"], settings["rnn_hidden_dim"], settings["dueling"]) == ("mlp", 32, True)
    modes = {arm.name: arm.settings["subgoal_mode"] for arm in plan.arms}
    assert [name for name, mode in modes.items() if mode == "optimistic"] == [
        "omg optimistic", "omg supervised optimistic"
    ]  # fmt: skip


def test_a_state_is_the_other_players_cell():
    env = make_env("foraging", 2, seed=3)
    env.reset()
    place = torch.from_numpy(env.frame()["position"])
    obs = env.obs()[0]
    assert torch.equal(cells(obs), place.flip(0)) and torch.equal(cells(obs + 0.4), place.flip(0))
    path = torch.stack([obs, obs, obs]).unsqueeze(0)  # [G, T, A, O]
    told = trajectories(path, torch.tensor([[1, 2]]))
    assert [len(states) for states in told] == [2, 3] and told[0][0] == tuple(place[1].tolist())


def test_intervals_are_over_seeds_and_opponents():
    def piece(seed, low):
        scores = [{"mean_return": low + k, "length": 10.0} for k in range(3)]
        return {"seed": seed, "scores": scores, "subgoals": {"shares": [0.25, 0.75], "hit_ratio": 0.1 * seed},
                "commit": "abc"}  # fmt: skip

    line = summary_of("omg conservative", [piece(1, 5.0), piece(2, 7.0)])
    assert (line["score"], line["steps"], line["hit_ratio"], line["shares"]) == (7.0, 10.0, 0.15, "25.0 75.0")
    assert line["score_low"] < 5.0 and line["steps_low"] == line["steps_high"] == 10.0
    assert (line["seeds"], line["opponents"]) == (2, 3)


def test_every_published_number_has_its_arm():
    published = rows_of(ROOT / "paper" / "published_foraging.csv")
    assert {row["arm"] for row in published} == set(ARMS) - {"omg released"}
    assert sum(map(float, next(r for r in published if r["shares"])["shares"].split())) == pytest.approx(100)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_runs_every_arm_once(tmp_path):
    command = warm.module("paper", "foraging", "--quick", "--jobs", "2", "--data", str(tmp_path / "data"))
    first = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert first.stdout.count("CPU seconds") == len(ARMS)
    results = tmp_path / "data" / "results"
    rows = rows_of(results / "foraging.csv")
    assert [row["arm"] for row in rows] == list(ARMS) and {row["opponents"] for row in rows} == {"2"}
    assert {row["arm"] for row in rows if not row["hit_ratio"]} == {"d3qn", "naive_om", "liam"}
    horizon = {row["arm"]: len(row["shares"].split()) for row in rows}
    assert (horizon["omg H=10"], horizon["omg H=1"], horizon["omg released"], horizon["liam"]) == (10, 1, 5, 0)
    report = (results / "foraging.md").read_text()
    assert "| omg conservative | 1 |" in report and "| 7.15 |" in report
    piece = json.loads(next(results.glob("pieces/foraging-2/d3qn-*")).read_text())
    assert piece["updates"] == 2 and len(piece["scores"]) == 2 and np.isfinite(piece["tests"]).all()
    again = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "CPU seconds" not in again.stdout and again.stdout.count("already done") == len(ARMS)
