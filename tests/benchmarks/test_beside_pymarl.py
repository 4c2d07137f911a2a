"""The scalar adapter of skirmish plays the same game, and an interrupted file of curves can be continued."""

import os

import numpy as np
import pytest
import torch

from benchmarks import beside_pymarl as beside
from benchmarks.beside_pymarl import ScalarSkirmish
from omg_lib.envs import make_env
from omg_lib.seeds import TEST_EPISODES


def test_the_face_plays_the_battles_of_the_batch():
    rows, n = 3, 3
    batched = make_env("skirmish", n, batch=rows, seed=7)
    batched.reset(first=TEST_EPISODES)
    faces = [ScalarSkirmish(n, seed=7) for _ in range(rows)]
    for row, face in enumerate(faces):
        face.episode = TEST_EPISODES + row
        face.reset()
        assert face.env.episode.tolist() == [TEST_EPISODES + row]
    generator, over = np.random.default_rng(0), np.zeros(rows, bool)
    while not over.all():
        obs, state, avail = batched.obs(), batched.state(), batched.avail_actions()
        actions = (generator.random(avail.shape) * avail.numpy()).argmax(axis=-1)
        reward, done, info = batched.step(torch.from_numpy(actions))
        for row in np.flatnonzero(~over):
            face = faces[row]
            assert np.array_equal(np.stack(face.get_obs()), obs[row])
            assert np.array_equal(face.get_state(), state[row])
            assert face.get_avail_actions() == avail[row].int().tolist()
            earned, ended, outcome = face.step(torch.from_numpy(actions[row]))
            assert (earned, ended) == (float(reward[row]), bool(done[row]))
            assert outcome == {key: bool(value[row]) for key, value in info.items()}
        over |= done.numpy()


def test_the_face_tells_smacs_sizes():
    sizes = ScalarSkirmish(8).get_env_info()
    assert (sizes["obs_shape"], sizes["state_shape"], sizes["n_actions"]) == (80, 168, 14)
    assert sizes["episode_limit"] == ScalarSkirmish(8).episode_limit


def test_a_curve_is_tested_at_its_start_when_due_and_at_its_end():
    played, tests = iter(range(40, 1000, 40)), []
    rows = beside.curve(lambda: next(played), lambda: tests.append(0) or 0.5, steps=250, interval=100)
    assert [row["t_env"] for row in rows] == [0, 120, 200, 280]
    assert len(tests) == 4
    seconds = [row["seconds"] for row in rows]
    assert seconds[0] == 0
    assert seconds == sorted(seconds)


def test_what_the_file_holds_is_not_run_again(tmp_path):
    path = tmp_path / "curves.csv"
    assert beside.missing(path, 2) == [("pymarl", 0), ("ours", 0), ("pymarl", 1), ("ours", 1)]
    rows = [{"t_env": 0, "win_rate": 0.0, "seconds": 0.0}, {"t_env": 105, "win_rate": 0.5, "seconds": 1.25}]
    for side, seed in (("pymarl", 0), ("ours", 1), ("ours", 0)):
        beside.add(path, side, seed, rows)
    assert beside.missing(path, 2) == [("pymarl", 1)]
    assert path.read_text().splitlines()[:3] == ["side,seed,t_env,win_rate,seconds", "pymarl,0,0,0.0,0.0",
                                                 "pymarl,0,105,0.5,1.25"]  # fmt: skip
    for panel, label in zip(beside.draw(beside.held(path)).axes, beside.PANELS.values(), strict=True):
        assert panel.get_xlabel() == label
        assert len(panel.lines) == 2
    assert [line.get_label() for line in panel.lines] == ["PyMARL's IQL", "ours"]


@pytest.mark.slow
def test_our_side_learns_on_its_own():
    rows = beside.ours(seed=1, steps=900, interval=10_000, battles=4)
    assert [row["t_env"] >= 900 for row in rows] == [False, True]
    assert all(0 <= row["win_rate"] <= 1 for row in rows)


@pytest.mark.skipif(not os.environ.get("OMG_PYMARL"), reason="OMG_PYMARL names no checkout of oxwhirl/pymarl")
def test_pymarls_side_learns():
    rows = beside.pymarl(os.environ["OMG_PYMARL"], seed=1, steps=900, interval=10_000, battles=4)
    assert [row["t_env"] >= 900 for row in rows] == [False, True]
    assert rows[1]["seconds"] > rows[0]["seconds"] == 0
