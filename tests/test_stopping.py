"""A run that is left, stopped or played with by hand and then continued ends where the undisturbed one ends."""

import random
import threading

import pytest
import torch

import omg_lib as omg
from omg_lib.runs.folder import RunFolder
from omg_lib.training import Training
from tests.helpers.batches import echo_registered, quick_config, short_pretraining, weights, without_tests


@pytest.fixture(scope="module", autouse=True)
def echo():
    with echo_registered(), short_pretraining(20):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_after_a_break_a_second_loop_goes_on(learner):
    expected = omg.run_sequential(quick_config(learner))
    with Training(quick_config(learner)) as run:
        found = []
        while not run.finished:
            for report in run:
                found.append(report)
                if len(found) in (1, 2, 5):
                    break
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg"])
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_stopped_at_any_poll_and_continued_is_the_uninterrupted_run(learner, teammates):
    """Stops at the 1st, 2nd, 3rd, ... place where a learner checks for a stop, and continues each time."""
    config = quick_config(learner, updates=4, teammates=teammates, horizon=2)
    expected, plan = without_tests(omg.run_sequential(config)), omg.predict(config)
    for first in (1, 2, 3, 4, 6, 8, 10, 13):
        with Training(config) as run:
            listen, polls = run.learner.poll, 0

            def poll(run=run, listen=listen, first=first):
                nonlocal polls
                polls += 1
                if polls % 14 == first:
                    run.stop()
                listen()

            run.learner.poll = poll
            found, loops = [], 0
            while not run.finished:
                loops += 1
                for report in run:
                    found.append(report)
                    assert omg.compare(plan, run.trace) == []
        assert loops > 1, "no stop was noticed"
        assert without_tests(found) == expected


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["collect", "prior", "update"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_stopped_in_any_phase_and_continued_is_the_uninterrupted_run(phase, at):
    config = quick_config(updates=3, batch_size=4)
    expected = without_tests(omg.run_sequential(config))
    heard = []

    def progress(now, done, total):
        heard.append(now)
        if now == phase and heard.count(phase) == at:
            run.stop()

    with Training(config, progress) as run:
        found, loops = [], 0
        while not run.finished:
            loops += 1
            assert loops < 10
            for report in run:
                found.append(report)
                assert omg.compare(omg.predict(config), run.trace) == []
    assert without_tests(found) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_stop_from_another_thread_at_random_moments(seed):
    config = quick_config(updates=12, env="skirmish:partners", batch_size=4)
    expected, plan = without_tests(omg.run_sequential(config)), omg.predict(config)
    moments = random.Random(seed)
    with Training(config) as run:
        found, loops = [], 0
        while not run.finished:
            loops += 1
            timer = threading.Timer(moments.uniform(0.0, 0.3), run.stop) if loops < 12 else None
            if timer:
                timer.start()
            for report in run:
                found.append(report)
                assert omg.compare(plan, run.trace) == []
            if timer:
                timer.join()
    assert loops > 2
    assert without_tests(found) == expected


def test_nothing_of_a_stopped_update_remains():
    with Training(quick_config()) as run:
        loop = iter(run)
        next(loop)
        before, listen = weights(run).clone(), run.learner.poll
        trace, polls = run.trace, []

        def poll():
            polls.append(1)
            if len(polls) == 5:
                run.stop()
            listen()

        run.learner.poll = poll
        assert list(loop) == [] and len(polls) == 5
        assert torch.equal(weights(run), before)
        assert run.update == 1 and run.trace is trace


@pytest.mark.parametrize("ended", ["at its budget", "by a break", "by a stop", "not begun"])
def test_a_stop_where_no_loop_runs_does_nothing_to_the_next(ended):
    with Training(quick_config(updates=3)) as run:
        for _ in run if ended != "not begun" else ():
            if ended == "by a break":
                break
            if ended == "by a stop":
                run.stop()
        update = run.update
        run.stop()
        run.test()
        run.config = quick_config(updates=5)
        assert [report.update for report in run] == list(range(update + 1, 6))


def test_no_test_after_a_stop():
    with Training(quick_config(updates=3)) as run:
        for report in run:
            if report.update == 2:
                run.stop()
        assert run.update == 2 and run.win_rate is None


def test_playing_by_hand_does_not_disturb_the_loop():
    """A notebook runs the runner, samples the buffer and tests in between."""
    config = quick_config(updates=3)
    with Training(config) as run:
        episode = run.runner.run()
        found = []
        for report in run:
            found.append(report)
            assert omg.compare(omg.predict(config), run.trace) == []
            run.buffer.sample(2)
            omg.regroup(run.buffer.sample(4))
            run.buffer.insert_episode_batch(run.runner.run())
    assert [report.update for report in found] == [1, 2, 3] and episode.batch_size[0] == 1


def test_playing_by_hand_does_not_break_checkpoints(tmp_path):
    with Training(quick_config(updates=3)) as run:
        folder = RunFolder.create(tmp_path / "run", run.config)
        run.runner.run()
        for _ in run:
            folder.save(run)
        found = run.buffer.sample(4)
    loaded = omg.load(tmp_path / "run")
    loaded.buffer.samples = run.buffer.samples - 1
    assert (loaded.buffer.sample(4) == found).all()


@pytest.mark.slow
def test_sampling_by_hand_changes_no_training():
    expected = omg.run_sequential(quick_config())
    with Training(quick_config()) as run:
        found = []
        for report in run:
            found.append(report)
            run.buffer.sample(4)["obs"].zero_()
    assert found == expected
