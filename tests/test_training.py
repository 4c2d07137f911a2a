import dataclasses
import random
import threading

import pytest
import torch
from batches import SMALL, echo_registered, short_pretraining

import omg_lib as omg
from omg_lib.checkpoint import RunFolder
from omg_lib.config import ConfigError
from omg_lib.training import Training, resolve_device

ALWAYS = {"loss", "td_loss", "grad_norm", "epsilon", "train_return", "train_win_rate"}
OMG_ONLY = {"omg_loss", "recon_loss", "kl_loss"}


@pytest.fixture(scope="module", autouse=True)
def echo():
    with echo_registered(), short_pretraining(20):
        yield


def small(learner="omg", **changes):
    """Six quick updates; tests of the policy at the end only."""
    common = dict(n_agents=2, batch_size=2, env="echo", learner=learner, updates=6, device="cpu", test_nepisode=4)
    return omg.OMGConfig(**(common | SMALL | changes))


def reports(config, progress=None):
    return omg.run_sequential(config, progress)


def weights(run):
    return torch.cat([w.detach().flatten() for m in run.learner.modules().values() for w in m.parameters()])


# --- what a loop gives ---


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_reports_name_every_metric(learner):
    found = reports(small(learner))
    assert [report.update for report in found] == [1, 2, 3, 4, 5, 6]
    assert all(a.t_env < b.t_env for a, b in zip(found, found[1:], strict=False))
    expected = ALWAYS | (OMG_ONLY if learner == "omg" else set())
    for report in found[:-1]:
        assert set(report.metrics) == expected, "no win_rate before a test"
    assert set(found[-1].metrics) == expected | {"win_rate"}, "the test at the end"
    for report in found:
        assert all(type(value) is float for value in report.metrics.values())
        for rate in ("train_win_rate", "win_rate", "epsilon"):
            assert 0 <= report.metrics.get(rate, 0) <= 1
        m = report.metrics
        if learner == "omg":
            assert m["loss"] == pytest.approx(m["td_loss"] + m["omg_loss"], rel=1e-5)
            assert m["omg_loss"] == pytest.approx(m["recon_loss"] + 0.001 * m["kl_loss"], rel=1e-5)


@pytest.mark.parametrize(("updates", "batch_size_run"), [(1, 1), (3, 1), (3, 2)])
def test_a_run_ends_at_its_updates(updates, batch_size_run):
    run = Training(small(updates=updates, batch_size_run=batch_size_run))
    assert len(list(run)) == updates and run.finished
    assert list(run) == []
    assert run.runner.episode == 2 * 2 + (updates - 1) * 2, "A * G at first, then A for each update"
    assert run.buffer.episodes_in_buffer == run.runner.episode


@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_a_run_without_updates_ends_at_t_max_total(teammates):
    config = small(updates=None, t_max=60, teammates=teammates)
    assert config.t_max_total == (120 if teammates == "scripted" else 60)
    with Training(config) as run:
        t_env = [report.t_env for report in run]
    assert t_env[-1] >= config.t_max_total > t_env[-2]


def test_two_runs_of_one_seed_are_equal_and_of_two_seeds_are_not():
    torch.manual_seed(1)
    first = reports(small())
    torch.manual_seed(2)
    assert reports(small()) == first
    assert [r.metrics for r in reports(small(seed=1))] != [r.metrics for r in first]


def test_a_run_leaves_torchs_own_stream_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    reports(small(updates=2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_the_width_of_the_runner_changes_nothing_with_teammates(learner):
    metrics = [
        [r.metrics for r in reports(small(learner, n_agents=4, teammates="scripted", batch_size_run=width))]
        for width in (1, 2, 4)
    ]
    assert metrics[0] == metrics[1] == metrics[2]


def test_learning_rate_and_data_matter():
    with Training(small()) as run:
        start = weights(run).clone()
        next(iter(run))
        assert not torch.equal(start, weights(run))


# --- the trace ---


def test_every_update_leaves_a_fresh_trace_that_was_predicted():
    config = small()
    plan, traces = omg.predict(config), []
    with Training(config) as run:
        assert run.trace is None
        for report in run:
            assert run.trace.update == report.update
            assert omg.compare(plan, run.trace) == []
            traces.append(run.trace)
    assert len({id(trace) for trace in traces}) == len(traces)
    assert [trace.update for trace in traces] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(dataclasses.FrozenInstanceError):
        traces[0].update = 3


# --- progress ---


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_progress_tells_of_every_phase_in_order(learner):
    heard = []
    reports(small(learner, updates=3), progress=lambda *what: heard.append(what))
    phases = [phase for phase, _, _ in heard]
    expected = ["collect", "prior", "update"] if learner == "omg" else ["collect", "update"]
    assert list(dict.fromkeys(phases)) == expected
    for phase in set(phases):
        done = [d for p, d, _ in heard if p == phase]
        (total,) = {t for p, _, t in heard if p == phase}
        assert done == sorted(done) and 0 < done[0] and done[-1] == total, phase
    assert [(d, t) for p, d, t in heard if p == "update"] == [(1, 3), (2, 3), (3, 3)]


def test_progress_counts_steps_where_no_updates_are_given():
    heard = []
    found = reports(small(updates=None, t_max=40), progress=lambda *what: heard.append(what))
    assert [(d, t) for p, d, t in heard if p == "update"] == [(r.t_env, 80) for r in found]


# --- break, stop, go on ---


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_after_a_break_a_second_loop_goes_on(learner):
    expected = reports(small(learner))
    with Training(small(learner)) as run:
        found = []
        while not run.finished:
            for report in run:
                found.append(report)
                if len(found) in (1, 2, 5):
                    break
    assert found == expected


def without_tests(found):
    """Metrics of each update; a stop may come in the middle of a test, which is then not made."""
    return [(r.update, r.t_env, {k: v for k, v in r.metrics.items() if k != "win_rate"}) for r in found]


@pytest.mark.parametrize("learner", ["iql", "omg"])
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_stopped_at_any_poll_and_continued_is_the_uninterrupted_run(learner, teammates):
    """Stops at the 1st, 2nd, 3rd, ... place where a learner listens, and continues each time."""
    config = small(learner, updates=4, teammates=teammates, horizon=2)
    expected, plan = without_tests(reports(config)), omg.predict(config)
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
        assert loops > 1, "no stop was heard"
        assert without_tests(found) == expected


@pytest.mark.parametrize("phase", ["collect", "prior", "update"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_stopped_in_any_phase_and_continued_is_the_uninterrupted_run(phase, at):
    config = small(updates=3, batch_size=4)
    expected = without_tests(reports(config))
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


@pytest.mark.parametrize("seed", range(2))
def test_stop_from_another_thread_at_random_moments(seed):
    config = small(updates=12, env="skirmish:partners", batch_size=4)
    expected, plan = without_tests(reports(config)), omg.predict(config)
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
    with Training(small()) as run:
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


def test_no_test_after_a_stop():
    with Training(small(updates=3)) as run:
        for report in run:
            if report.update == 2:
                run.stop()
        assert run.update == 2 and run.win_rate is None


def test_playing_by_hand_does_not_disturb_the_loop():
    """A notebook runs the runner, samples the buffer and tests in between."""
    config = small(updates=3)
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
    with Training(small(updates=3)) as run:
        folder = RunFolder.create(tmp_path / "run", run.config)
        run.runner.run()
        for _ in run:
            folder.save(run)
        found = run.buffer.sample(4)
    loaded = omg.load(tmp_path / "run")
    loaded.buffer.samples = run.buffer.samples - 1
    assert (loaded.buffer.sample(4) == found).all()


def test_sampling_by_hand_changes_no_training():
    expected = reports(small())
    with Training(small()) as run:
        found = []
        for report in run:
            found.append(report)
            run.buffer.sample(4)["obs"].zero_()
    assert found == expected


# --- tests of the policy ---


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_testing_changes_no_training(learner):
    config = small(learner, t_max=50, updates=None)
    often = reports(dataclasses.replace(config, test_interval=1))
    seldom = reports(dataclasses.replace(config, test_interval=10**6))
    assert without_tests(often) == without_tests(seldom)
    assert all("win_rate" in report.metrics for report in often)
    assert [("win_rate" in report.metrics) for report in seldom] == [False] * (len(seldom) - 1) + [True]
    assert often[-1].metrics["win_rate"] == seldom[-1].metrics["win_rate"]


def test_testing_by_hand_changes_no_training():
    expected = reports(small())
    with Training(small()) as run:
        found = []
        run.test()
        for report in run:
            found.append(report)
            run.runner.run(test_mode=True)
            assert run.test() == run.test()
    assert found == expected


def test_tests_come_at_their_interval():
    config = small("iql", updates=40, test_interval=50, teammates="none")
    tested, calls = [], []
    with Training(config) as run:
        test = run.test
        run.test = lambda: calls.append(1) or test()
        for report in run:
            tested.append((report.t_env // 50, len(calls)))
    expected, seen = 0, 0
    for index, (crossed, count) in enumerate(tested):
        expected += crossed > seen or index == len(tested) - 1
        seen = crossed
        assert count == expected


@pytest.mark.parametrize("total", [1, 7, 64, 65, 128])
def test_a_test_plays_its_number_of_battles_whatever_the_width(total, monkeypatch):
    with Training(small("iql", test_nepisode=total)) as run:
        rate = run.test()
        assert run._test_runner.test_episode == total
        monkeypatch.setattr("omg_lib.training.TEST_WIDTH", 1)
        run._test_runner = None
        assert run.test() == rate
        assert (rate * total) == pytest.approx(round(rate * total))


# --- learning ---


@pytest.mark.parametrize(("learner", "teammates"), [("iql", "none"), ("iql", "scripted"), ("omg", "scripted")])
def test_a_learned_network_beats_the_untrained_one(learner, teammates):
    """The echo game is won by playing the cue one sees. 128 battles: one standard deviation is at most 0.045."""
    config = small(
        learner,
        teammates=teammates,
        batch_size=16,
        batch_size_run=2,
        updates=120,
        gamma=0.5,
        lr=0.01,
        epsilon_anneal_time=300,
        mix_anneal_time=300,
        target_update_interval=20,
        test_nepisode=128,
        rnn_hidden_dim=32,
    )
    with Training(config) as run:
        untrained = run.test()
        trained = list(run)[-1].metrics["win_rate"]
    assert trained > untrained + 0.4, (untrained, trained)


def test_the_prior_is_fitted_once_on_living_units_and_stays_frozen():
    with Training(small()) as run:
        loop = iter(run)
        next(loop)
        prior, errors = run.learner.prior, list(run.prior_errors)
        fitted = torch.cat([w.flatten() for w in prior.parameters()])
        assert len(errors) == 20 and errors[-1] < errors[0]
        list(loop)
        assert torch.equal(fitted, torch.cat([w.flatten() for w in prior.parameters()]))
        assert run.prior_errors == errors and not any(w.requires_grad for w in prior.parameters())


# --- devices ---


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ConfigError, match=r"device='cuda:99'"):
        Training(small(device="cuda:99"))


def test_closing_twice_is_fine():
    run = Training(small())
    with run:
        next(iter(run))
    run.close()
