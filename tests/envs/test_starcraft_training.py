"""Complete training on smacv2 against the protocol double; see `test_starcraft_double` for what this proves."""

import os
from functools import partial

import numpy as np
import pytest

import omg_lib as omg
from benchmarks.starcraft_recording import record
from omg_lib.envs import GameLost, make_env
from omg_lib.lessons.starcraft import HERE, OneUpdate, one_update

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # from the foreign packages

TIMEOUT = 4
"""Seconds that a game may take to answer."""


def training(n, updates=2, **settings):
    return omg.OMGConfig(env="smacv2", n_agents=n, batch_size=2, updates=updates, test_nepisode=2, **settings)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_omg_trains_and_every_prediction_holds(n, double_at):
    double_at()
    config = training(n)
    with omg.Training(config) as run:
        reports = list(run)
        assert omg.compare(omg.predict(config), run.trace) == []
        assert "win_rate" in reports[-1].metrics and run._test_runner.env is run.env, "no second game for the tests"
    assert len(reports) == 2 and all(np.isfinite(report.metrics["loss"]) for report in reports)
    assert run.trace.sizes["O"] == 16 * n + 2 and run.trace.sizes["S"] == n * (n + 19)


@pytest.mark.parametrize("fault", ["exit_at_step", "silent_at_step"])
def test_training_goes_on_when_a_game_is_lost_and_learns_the_same(fault, double_at, monkeypatch):
    """The half episode is dropped, reported, and replayed: nothing of it reaches the buffer."""
    monkeypatch.setattr("omg_lib.training.make_env", partial(make_env, timeout=TIMEOUT))
    config = training(2, updates=1)
    double_at()
    with omg.Training(config) as run:
        first = run.runner.run()
    double_at(**{fault: 5})
    with omg.Training(config) as run:
        with pytest.warns(UserWarning, match="a game was lost .*its episode is dropped and played again"):
            again = run.runner.run()
        assert [again[key].equal(first[key]) for key in first.keys()] == [True] * len(first.keys())
        assert len(list(run)) == 1


def test_a_game_that_dies_every_time_ends_the_run(double_at):
    double_at(exit_at_step=2, again=True)
    with omg.Training(training(2)) as run, pytest.warns(UserWarning, match="lost"), pytest.raises(GameLost):
        run.runner.run()


def test_notebook_11s_recording_is_made_so(double_at, tmp_path):
    """The script leaves SC2PATH as it was, and its recording matches the prediction."""
    double_at()
    record(training(2, updates=None), tmp_path / "double.json", frames=2)
    update = OneUpdate.load(tmp_path / "double.json")
    assert os.environ["SC2PATH"] == str(tmp_path)
    assert omg.compare(omg.predict(update.config), update.trace) == [] and len(update.frames) == 2
    live = one_update(training(2), tmp_path / "double.json")
    assert (live.source, live.config.batch_size) == (HERE, 1), "if the game is found it is played, with one group"
