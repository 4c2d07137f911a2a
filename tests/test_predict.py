import dataclasses
from types import MappingProxyType

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import omg_lib as omg
from tests.helpers.batches import SMALL, echo_registered, short_pretraining


def one_update(config):
    """The measured trace of a real update."""
    with short_pretraining(), omg.Training(config) as run:
        assert run.trace is None
        next(iter(run))
        return run.trace


@st.composite
def configurations(draw):
    learner, teammates = draw(st.sampled_from([("iql", None), ("iql", "scripted"), ("omg", None), ("omg", "none")]))
    n_agents = draw(st.integers(2, 6))
    rotates = teammates == "scripted" or (learner, teammates) == ("omg", None)
    widths = [r for r in range(1, n_agents + 1) if n_agents % r == 0] if rotates else [1, 2, 3, 7]
    return omg.OMGConfig(
        n_agents=n_agents,
        batch_size=draw(st.integers(1, 5)),
        env=draw(st.sampled_from(["skirmish:partners", "echo"])),
        learner=learner,
        teammates=teammates,
        horizon=draw(st.sampled_from([1, 2, 5, 50])),
        batch_size_run=draw(st.sampled_from(widths)),
        rnn_hidden_dim=draw(st.sampled_from([3, 64])),
        subgoal_dim=draw(st.sampled_from([2, 64])),
        dueling=draw(st.booleans()),
        td_steps=draw(st.sampled_from([1, 5])),
        seed=draw(st.integers(0, 9)),
        updates=2,
        device="cpu",
    )


@pytest.fixture(scope="module", autouse=True)
def echo():
    with echo_registered():
        yield


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.generate])  # shrinking takes minutes
@given(configurations())
def test_predicted_equals_measured(config):
    trace = one_update(config)
    plan = omg.predict(config)
    assert omg.compare(plan, trace) == []
    assert [entry.name for entry in trace.stages] == [entry.name for entry in plan.stages]
    for measured, planned in zip(trace.stages, plan.stages, strict=True):
        assert {key: one.axes for key, one in measured.fields.items()} == {
            key: one.axes for key, one in planned.fields.items()
        }


@pytest.mark.parametrize("n_agents", [2, 16])
@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_smallest_and_largest_team(learner, n_agents):
    config = omg.OMGConfig(n_agents=n_agents, batch_size=1, learner=learner, batch_size_run=n_agents, device="cpu")
    trace = one_update(config)
    assert omg.compare(omg.predict(config), trace) == []
    assert trace["controller.init_hidden"].fields["hidden"].shape == (1, n_agents, 64)


@pytest.fixture(scope="module")
def measured(echo):
    config = omg.OMGConfig(n_agents=2, batch_size=3, env="echo", updates=1, device="cpu", **SMALL)
    return omg.predict(config), one_update(config)


def changed(trace, name, **changes):
    stages = tuple(dataclasses.replace(s, **changes) if s.name == name else s for s in trace.stages)
    return dataclasses.replace(trace, stages=stages)


def test_any_field_that_differs_is_found(measured):
    plan, trace = measured
    assert omg.compare(plan, trace) == []
    for entry in trace.stages:
        for key, one in entry.fields.items():
            others = [dataclasses.replace(one, dtype="float64" if one.dtype != "float64" else "int32")]
            for axis in range(len(one.shape)):
                shape = tuple(n + (i == axis) for i, n in enumerate(one.shape))
                others.append(dataclasses.replace(one, shape=shape))
            if one.shape:
                others.append(dataclasses.replace(one, shape=one.shape[:-1]))
            for other in others:
                wrong = changed(trace, entry.name, fields=MappingProxyType({**entry.fields, key: other}))
                (found,) = omg.compare(plan, wrong)
                assert (found.stage, found.field) == (entry.name, key)
                assert found.predicted[0] == one.shape and found.measured[0] == other.shape
            without = {k: v for k, v in entry.fields.items() if k != key}
            (found,) = omg.compare(plan, changed(trace, entry.name, fields=MappingProxyType(without)))
            assert (found.stage, found.field, found.measured) == (entry.name, key, None)


def test_calls_leading_axes_and_stages_that_differ_are_found(measured):
    plan, trace = measured
    for entry in trace.stages:
        (found,) = omg.compare(plan, changed(trace, entry.name, calls=entry.calls + 1))
        assert found == omg.Difference(entry.name, "calls", entry.calls, entry.calls + 1)
        (found,) = omg.compare(plan, changed(trace, entry.name, leading=99))
        assert found == omg.Difference(entry.name, "leading", entry.leading, 99)
        fewer = dataclasses.replace(trace, stages=tuple(s for s in trace.stages if s is not entry))
        assert omg.compare(plan, fewer) == [omg.Difference(entry.name, "calls", entry.calls, 0)]
        surprise = dataclasses.replace(entry, name="surprise")
        more = dataclasses.replace(trace, stages=(*trace.stages, surprise))
        assert omg.compare(plan, more) == [omg.Difference("surprise", "calls", 0, entry.calls)]
        extra = {**entry.fields, "extra": trace["truncate"].fields["obs"]}
        (found,) = omg.compare(plan, changed(trace, entry.name, fields=MappingProxyType(extra)))
        assert (found.stage, found.field, found.predicted) == (entry.name, "extra", None)


@pytest.mark.parametrize("steps", [-1, 0, 1, Ellipsis])
def test_a_length_out_of_bounds_is_found(measured, steps):
    plan, trace = measured
    steps = plan.sizes["L"] + 2 if steps is Ellipsis else steps
    (found,) = omg.compare(plan, dataclasses.replace(trace, sizes={**trace.sizes, "T": steps}))
    assert (found.stage, found.field, found.measured) == ("truncate", "T", steps)


def test_a_run_of_another_size_differs_everywhere(measured):
    _, trace = measured
    other = omg.predict(omg.OMGConfig(n_agents=2, batch_size=4, env="echo", device="cpu", **SMALL))
    stages = {found.stage for found in omg.compare(other, trace)}
    assert stages == {
        "buffer.sample",
        "truncate",
        "to_device",
        "learner.regroup",
        "learner.omg_loss",
        "controller.init_hidden",
        "learner.q_values",
    }


def test_the_length_is_what_truncate_returned(measured):
    plan, trace = measured
    assert plan.sizes["T"] == plan.sizes["L"] + 1
    assert trace.sizes["T"] == trace["truncate"].fields["obs"].shape[1] <= plan.sizes["T"]
    assert trace["buffer.sample"].fields["obs"].shape[1] == plan.sizes["L"] + 1
    assert trace.update == 1 and trace.device == "cpu"
    assert all(entry.seconds > 0 for entry in trace.stages)
    assert all(trace.to_dict()["stages"][i]["seconds"] == s.seconds for i, s in enumerate(trace.stages))


def test_predicting_runs_nothing(monkeypatch):
    for name in ("make_env", "Controller"):
        monkeypatch.setattr(f"omg_lib.training.{name}", None)
    assert omg.predict(omg.OMGConfig(n_agents=16, batch_size=300)).sizes["A"] == 16


def test_a_wrong_plan_is_noticed_too():
    plan = omg.predict(omg.OMGConfig(env="skirmish:partners", n_agents=2, batch_size=2, learner="iql"))
    assert omg.compare(plan, plan) == []
    assert [d.stage for d in omg.compare(dataclasses.replace(plan, stages=plan.stages[1:]), plan)] == [
        plan.stages[0].name
    ]
    more = dataclasses.replace(plan, stages=(dataclasses.replace(plan.stages[0], calls=99), *plan.stages[1:]))
    assert [(d.field, d.predicted) for d in omg.compare(more, plan)] == [("calls", 99)]
    assert [d.field for d in omg.compare(plan, dataclasses.replace(plan, stages=plan.stages[::-1]))] == ["order"]
