import copy
import json
import pickle

import pytest
import torch
from tensordict import TensorDict

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.contract import axis_size, contract
from omg_lib.predict import predict
from omg_lib.trace import Recorder, ShapeTrace, stage, trace_of

SIZES = dict(A=8, G=32, R=1, L=120, T=100, O=80, S=168, C=14, Z=64, H=5)
COMMON_AFTER = ["controller.init_hidden", "learner.q_values", "learner.td_loss", "learner.step"]
COMMON_BEFORE = ["runner.run", "buffer.insert_episode_batch", "buffer.sample", "truncate", "to_device"]


@pytest.mark.parametrize(
    ("changes", "middle"),
    [
        (dict(), ["learner.regroup", "learner.omg_loss"]),
        (dict(teammates="none"), ["learner.omg_loss"]),
        (dict(learner="iql"), []),
        (dict(learner="iql", teammates="scripted"), ["learner.regroup"]),
    ],
)
def test_stages_of_each_kind_of_run(changes, middle):
    stages = contract(OMGConfig(**changes))
    assert list(stages) == COMMON_BEFORE + middle + COMMON_AFTER
    rotates = "learner.regroup" in middle
    assert stages["runner.run"][0] == stages["buffer.insert_episode_batch"][0] == (8 if rotates else 1)
    assert ("seat" in stages["runner.run"][1]) == rotates


def test_numbers_of_8m():
    """The course's figures, written out: one check that the contract means what it says."""
    plan = predict(OMGConfig())
    assert [entry.leading for entry in plan.stages] == [1, 1, 256, 256, 256, 32, 32, 32, 32, None, None]
    assert dict(plan.sizes) == SIZES | {"T": 121}
    shapes = {
        ("runner.run", "obs"): (1, 121, 8, 80),
        ("runner.run", "state"): (1, 121, 168),
        ("runner.run", "actions"): (1, 121, 8, 1),
        ("runner.run", "avail_actions"): (1, 121, 8, 14),
        ("runner.run", "seat"): (1, 121, 1),
        ("buffer.sample", "obs"): (256, 121, 8, 80),
        ("to_device", "reward"): (256, 121, 1),
        ("learner.regroup", "state"): (32, 121, 8, 168),
        ("learner.regroup", "filled"): (32, 121, 8, 1),
        ("learner.regroup", "last_actions"): (32, 121, 8, 8),
        ("learner.omg_loss", "candidates"): (32, 120, 8, 5, 64),
        ("learner.omg_loss", "chosen"): (32, 120, 8),
        ("controller.init_hidden", "hidden"): (32, 8, 64),
        ("learner.q_values", "q"): (32, 121, 8, 14),
        ("learner.td_loss", "loss"): (),
    }
    for (name, key), shape in shapes.items():
        assert plan[name].fields[key].shape == shape
    assert "seat" not in plan["learner.regroup"].fields and not plan["learner.step"].fields
    assert plan["buffer.sample"].fields["obs"].bytes == 79_298_560
    dtypes = {key: entry.dtype for key, entry in plan["runner.run"].fields.items()}
    assert {key for key, dtype in dtypes.items() if dtype == "bool"} == {
        "avail_actions",
        "terminated",
        "filled",
    }
    assert {key for key, dtype in dtypes.items() if dtype == "int64"} == {"actions", "seat"}


def test_axes_are_named_and_sized():
    assert axis_size("G*A", SIZES) == 256 and axis_size("T-1", SIZES) == 99 and axis_size("L+1", SIZES) == 121
    assert axis_size("7", {}) == 7 and axis_size("A/R", {"A": 8, "R": 2}) == 4
    for bad in ("", "G*A*R", "A B", "G%A"):
        with pytest.raises(ValueError, match="axis"):
            axis_size(bad, SIZES)
    for entry in trace_of(OMGConfig(), SIZES, "cpu").stages:
        for one in entry.fields.values():
            assert len(one.axes) == len(one.shape)
            assert one.shape == tuple(axis_size(axis, SIZES) for axis in one.axes)


def test_trace_file_follows_schema_1(tmp_path):
    plan = predict(OMGConfig(n_agents=2))
    plan.save(tmp_path / "trace.json")
    data = json.loads((tmp_path / "trace.json").read_text())
    assert data == json.loads(json.dumps(plan.to_dict()))
    assert list(data) == ["schema", "config", "device", "update", "sizes", "stages"]
    assert data["schema"] == 1 and data["config"]["n_agents"] == 2 and data["update"] is None
    assert set(data["sizes"]) == set("AGRLTOSCZH")
    for entry in data["stages"]:
        assert set(entry) == {"name", "calls", "leading", "fields"}, "a prediction has no seconds"
        for one in entry["fields"].values():
            assert set(one) == {"shape", "axes", "dtype", "bytes"} and len(one["shape"]) == len(one["axes"])
    with pytest.raises(ConfigError, match="trace"):
        plan.save(tmp_path / "missing" / "trace.json")


def test_a_trace_cannot_be_changed():
    plan = predict(OMGConfig())
    for change in (
        lambda: plan.sizes.__setitem__("A", 1),
        lambda: plan.config.__setitem__("seed", 1),
        lambda: plan["runner.run"].fields.__setitem__("obs", None),
        lambda: setattr(plan, "update", 3),
        lambda: setattr(plan.stages[0], "calls", 3),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    with pytest.raises(KeyError, match="no stage 'x'"):
        plan["x"]


def test_a_trace_travels_to_another_process():
    plan = predict(OMGConfig(n_agents=2))
    assert pickle.loads(pickle.dumps(plan)).to_dict() == plan.to_dict()
    assert copy.deepcopy(plan).to_dict() == plan.to_dict()


@stage("outer")
def outer(n, fail=False):
    inner(n)
    if fail:
        raise RuntimeError
    return "result", TensorDict({"x": torch.zeros(n, 3)}, batch_size=[n])


@stage("inner")
def inner(n):
    return TensorDict({"y": torch.zeros(n)}, batch_size=[n])


def test_recorder_counts_calls_and_lists_no_inner_stage():
    recorder = Recorder(torch.device("cpu"))
    assert outer(2)[0] == "result" and not recorder._rows, "without a recorder nothing is stored"
    with recorder.recording():
        outer(2)
        outer(4)
        inner(5)
    outer(9)
    assert list(recorder._rows) == ["outer", "inner"]
    assert recorder._rows["outer"]["calls"] == 2 and recorder._rows["inner"]["calls"] == 1
    assert recorder._rows["outer"]["fields"] == {"x": ((4, 3), "float32")}
    assert recorder._rows["outer"]["seconds"] > 0


def test_recorder_survives_a_stage_that_fails_and_copies_do_not_write_back():
    recorder = Recorder(torch.device("cpu"))
    with recorder.recording():
        outer(2)
    copy = recorder.copy()
    with pytest.raises(RuntimeError), copy.recording():
        outer(3, fail=True)
    with copy.recording():
        outer(3)
    assert copy._rows["outer"]["calls"] == 2 and recorder._rows["outer"]["calls"] == 1
    assert recorder._rows["outer"]["fields"] == {"x": ((2, 3), "float32")}


def test_a_saved_trace_is_read_back(tmp_path):
    plan = predict(OMGConfig(n_agents=2, batch_size=2))
    plan.save(tmp_path / "trace.json")
    assert ShapeTrace.load(tmp_path / "trace.json") == plan


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stages": [{}]}', "null", "\x00"])
def test_what_is_no_trace_is_one_sentence(tmp_path, text):
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match="^trace='.*other.json': is not a readable trace"):
        ShapeTrace.load(file)
    with pytest.raises(ConfigError, match="No such file"):
        ShapeTrace.load(tmp_path / "none.json")


def test_a_listener_is_handed_what_each_stage_returned():
    heard = []
    recorder = Recorder(torch.device("cpu"), on_stage=lambda name, fields: heard.append((name, fields["x"])))
    x = torch.ones(2)

    @stage("made")
    def made():
        return "more", TensorDict({"x": x}, batch_size=[2])

    with recorder.recording():
        made()
    with recorder.copy().recording():
        made()
    assert [name for name, _ in heard] == ["made", "made"] and all(one is x for _, one in heard)
