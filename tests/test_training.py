import dataclasses

import pytest
import torch

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.training import Training, resolve_device
from tests.helpers.batches import echo_registered, quick_config, short_pretraining, weights, without_tests

ALWAYS = {"loss", "td_loss", "grad_norm", "epsilon", "train_return", "train_win_rate"}
OMG_ONLY = {"omg_loss", "recon_loss", "kl_loss"}


@pytest.fixture(scope="module", autouse=True)
def echo():
    with echo_registered(), short_pretraining(20):
        yield


# --- what a loop returns ---


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_reports_name_every_metric(learner):
    found = omg.run_sequential(quick_config(learner))
    assert [report.update for report in found] == [1, 2, 3, 4, 5, 6]
    assert all(a.t_env < b.t_env for a, b in zip(found, found[1:], strict=False))
    expected = ALWAYS | (OMG_ONLY if learner == "omg" else set())
    for report in found[:-1]:
        assert set(report.metrics) == expected, "no win_rate before a test"
    assert set(found[-1].metrics) == expected | {"win_rate", "test_return", "test_length"}, "the test at the end"
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
    run = Training(quick_config(updates=updates, batch_size_run=batch_size_run))
    assert len(list(run)) == updates and run.finished
    assert list(run) == []
    assert run.runner.episode == 2 * 2 + (updates - 1) * 2, "A * G at first, then A for each update"
    assert run.buffer.episodes_in_buffer == run.runner.episode


@pytest.mark.slow
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_a_run_without_updates_ends_at_t_max_total(teammates):
    config = quick_config(updates=None, t_max=60, teammates=teammates)
    assert config.t_max_total == (120 if teammates == "scripted" else 60)
    with Training(config) as run:
        t_env = [report.t_env for report in run]
    assert t_env[-1] >= config.t_max_total > t_env[-2]


def test_two_runs_of_one_seed_are_equal_and_of_two_seeds_are_not():
    torch.manual_seed(1)
    first = omg.run_sequential(quick_config())
    torch.manual_seed(2)
    assert omg.run_sequential(quick_config()) == first
    assert [r.metrics for r in omg.run_sequential(quick_config(seed=1))] != [r.metrics for r in first]


def test_a_run_leaves_torchs_own_stream_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    omg.run_sequential(quick_config(updates=2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_the_width_of_the_runner_changes_nothing_with_teammates(learner):
    metrics = [
        [
            r.metrics
            for r in omg.run_sequential(quick_config(learner, n_agents=4, teammates="scripted", batch_size_run=width))
        ]
        for width in (1, 2, 4)
    ]
    assert metrics[0] == metrics[1] == metrics[2]


def test_learning_rate_and_data_matter():
    with Training(quick_config()) as run:
        start = weights(run).clone()
        next(iter(run))
        assert not torch.equal(start, weights(run))


# --- the trace ---


def test_every_update_leaves_a_fresh_trace_that_was_predicted():
    config = quick_config()
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


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_on_stage_is_handed_what_each_stage_returned(learner):
    given = []
    with Training(quick_config(learner, updates=1), on_stage=lambda *what: given.append(what)) as run:
        next(iter(run))
    calls = {stage.name: stage.calls for stage in run.trace.stages}
    assert [name for name, _ in given[-len(calls) + 2 :]] == list(calls)[2:]
    for name, fields in given[-len(calls) :]:
        for key, x in fields.items():
            assert tuple(x.shape) == run.trace[name].fields[key].shape, (name, key)


# --- what a checkpoint asks for ---


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_a_state_that_is_handed_back_is_the_same_state(learner, monkeypatch):
    """From within a round, so that there is a record of what was played for the update to come."""
    with Training(quick_config(learner, updates=4)) as run, Training(quick_config(learner), on_stage=print) as other:
        loop, play = iter(run), run.runner.run
        next(loop)
        monkeypatch.setattr(run.runner, "run", lambda test_mode: run.stop() or play(test_mode))
        assert list(loop) == []
        state = run.state_dict()
        assert state["round"] and state["update"] == 1 and state["episode"] == run.runner.episode > 0
        assert other.state_dict() != state
        other.load_state_dict(state)
        assert other.state_dict() == state and other.learner.updates == 1
        assert other.round.on_stage is print, "the round that was begun goes on telling"


def test_a_round_that_no_run_has_changes_nothing():
    with Training(quick_config()) as run:
        before = run.state_dict()
        with pytest.raises(ValueError, match="not a stage of a round"):
            run.load_state_dict(before | {"update": 7, "round": {"learner.step": {"calls": 1}}})
        assert run.state_dict() == before


def test_a_run_predicts_once(monkeypatch):
    asked = []
    for module in ("omg_lib.training", "omg_lib.memory.peak", "omg_lib.memory.need"):
        monkeypatch.setattr(f"{module}.predict", lambda config: asked.append(config) or omg.predict(config))
    with Training(quick_config()) as run:
        list(run)
    assert asked == [run.config] and run.plan == omg.predict(run.config)


# --- progress ---


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_progress_tells_of_every_phase_in_order(learner):
    heard = []
    omg.run_sequential(quick_config(learner, updates=3), progress=lambda *what: heard.append(what))
    phases = [phase for phase, _, _ in heard]
    expected = ["collect", "prior", "update"] if learner == "omg" else ["collect", "update"]
    assert list(dict.fromkeys(phases)) == expected
    for phase in set(phases):
        done = [d for p, d, _ in heard if p == phase]
        (total,) = {t for p, _, t in heard if p == phase}
        assert done == sorted(done) and 0 < done[0] and done[-1] == total, phase
    assert [(d, t) for p, d, t in heard if p == "update"] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_progress_counts_steps_where_no_updates_are_given():
    heard = []
    found = omg.run_sequential(quick_config(updates=None, t_max=40), progress=lambda *what: heard.append(what))
    assert [(d, t) for p, d, t in heard if p == "update"] == [(r.t_env, 80) for r in found]


# --- tests of the policy ---


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_testing_changes_no_training(learner):
    config = quick_config(learner, t_max=50, updates=None)
    often = omg.run_sequential(dataclasses.replace(config, test_interval=1))
    seldom = omg.run_sequential(dataclasses.replace(config, test_interval=10**6))
    assert without_tests(often) == without_tests(seldom)
    assert all("win_rate" in report.metrics for report in often)
    assert [("win_rate" in report.metrics) for report in seldom] == [False] * (len(seldom) - 1) + [True]
    assert often[-1].metrics["win_rate"] == seldom[-1].metrics["win_rate"]


@pytest.mark.slow
def test_testing_by_hand_changes_no_training():
    expected = omg.run_sequential(quick_config())
    with Training(quick_config()) as run:
        found = []
        run.test()
        for report in run:
            found.append(report)
            run.runner.run(test_mode=True)
            assert run.test() == run.test()
    assert found == expected


def test_where_nobody_can_win_the_policy_is_tested_and_there_is_no_win_rate():
    with Training(quick_config("iql", updates=2)) as run:
        run.env.info = dataclasses.replace(run.env.info, has_winner=False)
        last = list(run)[-1].metrics
        tested = run.play_test()
        assert run.test() is None and tested.win_rate is None and "win_rate" not in last
        assert (tested.test_return, tested.test_length) == (last["test_return"], last["test_length"])
        assert run._test_runner.test_episode == run.config.test_nepisode


@pytest.mark.slow
def test_tests_come_at_their_interval():
    config = quick_config("iql", updates=40, test_interval=50, teammates="none")
    tested, calls = [], []
    with Training(config) as run:
        play = run.play_test
        run.play_test = lambda: calls.append(1) or play()
        for report in run:
            assert ("test_return" in report.metrics) == (len(calls) > (tested[-1][1] if tested else 0))
            tested.append((report.t_env // 50, len(calls)))
    expected, seen = 0, 0
    for index, (crossed, count) in enumerate(tested):
        expected += crossed > seen or index == len(tested) - 1
        seen = crossed
        assert count == expected


@pytest.mark.parametrize("total", [1, 7, 64, 65, 128])
def test_a_test_plays_its_number_of_battles_whatever_the_width(total, monkeypatch):
    with Training(quick_config("iql", test_nepisode=total)) as run:
        rate = run.test()
        assert run._test_runner.test_episode == total
        monkeypatch.setattr("omg_lib.training.TEST_WIDTH", 1)
        run._test_runner = None
        assert run.test() == rate
        assert (rate * total) == pytest.approx(round(rate * total))


# --- learning ---


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "teammates"), [("iql", "none"), ("iql", "scripted"), ("omg", "scripted")])
def test_a_learned_network_beats_the_untrained_one(learner, teammates):
    """The echo game is won by playing the observed cue. 128 battles: one standard deviation is at most 0.045."""
    config = quick_config(
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
    with Training(quick_config()) as run:
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
        Training(quick_config(device="cuda:99"))


def test_closing_twice_is_fine():
    run = Training(quick_config())
    with run:
        next(iter(run))
    run.close()
