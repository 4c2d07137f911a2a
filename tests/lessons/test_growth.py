"""How an update grows: the same tensors as planned, and nothing runs that does not fit."""

import pytest

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.lessons.growth import PLAYED, grow, learning_bytes, learning_seconds, measure_update, planned


@pytest.mark.parametrize("learner, teammates", [("omg", None), ("iql", "scripted"), ("iql", None)])
def test_a_measured_update_has_the_planned_tensors(learner, teammates):
    config = OMGConfig(n_agents=2, batch_size=3, learner=learner, teammates=teammates, device="cpu")
    plan, trace = planned(config, steps=6), measure_update(config, steps=6, repeats=1)
    wanted = [stage for stage in plan.stages if stage.name not in PLAYED]
    assert [(s.name, s.calls, s.fields) for s in trace.stages] == [(s.name, s.calls, s.fields) for s in wanted]
    assert learning_bytes(trace) == learning_bytes(plan) > 0 and learning_seconds(trace) > 0


def test_battles_that_end_too_soon_are_refused():
    with pytest.raises(ConfigError, match="steps=100"):
        measure_update(OMGConfig(n_agents=2, batch_size=1, env="skirmish:partners", device="cpu"), steps=100)


def test_what_does_not_fit_is_not_run():
    base = OMGConfig(learner="iql", teammates="scripted", device="cpu")
    need = learning_bytes(planned(OMGConfig(n_agents=2, batch_size=2, learner="iql", teammates="scripted"), 5))
    rows = grow(base, n_agents=(2,), batch_sizes=(2, 4), limit=need, steps=5)
    assert [bool(row["refused"]) for row in rows] == [False, True]
    assert rows[0]["bytes"] == rows[0]["planned_bytes"] == need
    assert rows[1]["planned_bytes"] == 2 * need - 4, "everything except the loss doubles"
    assert "seconds" in rows[0] and "seconds" not in rows[1] and "are allowed" in rows[1]["refused"]
    assert rows[1]["multiply_adds"] == 2 * rows[0]["multiply_adds"] and rows[1]["rows"] == 8
