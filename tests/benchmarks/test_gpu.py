"""The GPU measurement runs on a CPU at small sizes, and its JSON is as documented."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import device as on
from benchmarks.floor import train_flop
from benchmarks.our_side import CPU, Ours
from benchmarks.timing import spread
from omg_lib.episodes import PackedRows, truncate
from omg_lib.plots import recorded_gpu
from omg_lib.system import compiling
from tests.helpers import warm

ROOT = Path(__file__).parents[2]
ROUNDS = 2
PARTS = ("equality", "tests", "train", "stages", "rollouts")
"""Not whole runs: tests/device/test_rehearsal.py has them too."""


def command(*more):
    line = warm.module("benchmarks.gpu", "--device", "cpu", "--quick", "--rounds", str(ROUNDS), *more)
    return subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)


def ordered(values):
    return 0 < values["min"] <= values["median"] <= values["max"]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    target = tmp_path_factory.mktemp("gpu") / "gpu.json"
    told = command("--json", str(target), "--parts", *PARTS)
    assert "iql_float32: the loss differs from the CPU's by" in told.stdout
    return json.loads(target.read_text())


@pytest.mark.slow
def test_the_record_says_where_it_comes_from(result):
    assert {"card", "torch", "cuda", "commit", "machine", "clock", "seconds"} <= result.keys()
    assert result["device"] == "cpu"
    assert result["card"] is None
    assert result["rounds"] == ROUNDS
    assert result["sizes"]["T"] == 121
    assert result["sizes"]["rows"] == 2 * 16
    assert result["tests"]["passed"], result["tests"]


@pytest.mark.slow
def test_both_forms_of_the_gru_agree(result):
    assert result["equality"]["within"]
    for name in ("iql_float32", "omg_float32"):
        assert result["equality"][name]["loss"] <= result["equality"]["tolerance"] == 1e-5
        assert result["equality"][name]["gradients"] < 1e-5


@pytest.mark.slow
def test_times_and_floors(result):
    assert set(result["ms"]) == set(result["peak_bytes"]) == {"iql", "omg", "iql_stepwise"}
    assert set(result["ratios"]) == {"iql_over_iql_stepwise"}
    for values in (*result["ms"].values(), *result["ratios"].values(), *result["rates"].values()):
        assert ordered(values)
    assert set(result["floor"]) == {"arithmetic", "bandwidth", "sequential"}
    slowest, fastest = (1e3 / result["ms"]["iql"][key] for key in ("max", "min"))
    for name, key in (("arithmetic", "matmul"), ("bandwidth", "copy"), ("sequential", "launch")):
        floor, rate = result["floor"][name], result["rates"][key]
        assert ordered(floor)
        least, most = (floor["work"] * x / y for x, y in ((slowest, rate["max"]), (fastest, rate["min"])))
        assert least * (1 - 1e-9) <= floor["min"] <= floor["max"] <= most * (1 + 1e-9), "its work at that rate"
    assert result["floor"]["sequential"]["work"] == 3 * 121


class Done(TorchDispatchMode):
    """What torch does inside: operations, and the bytes that they read and write."""

    def __init__(self):
        super().__init__()
        self.launches = self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        self.launches += 1
        self.bytes += sum(x.nbytes for x in tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor))
        return result


@pytest.mark.slow
def test_no_train_does_less_than_its_floor(monkeypatch):
    """By work, so that no busy machine changes it. Of arithmetic a floor holds one product too much."""
    monkeypatch.setattr(compiling, "loadable", lambda: False)  # torch counts the products of its own GRU only
    ours = Ours(64, learner="iql", n_agents=2)
    batch, learner = truncate(ours.buffer.sample(16)), on.fresh_learner(ours.config, ours.controller.info, CPU)
    with Done() as done, FlopCounterMode(display=False) as counted, on.learning_from(PackedRows):
        learner.train(batch, 0, 0)
    unneeded = 2 * 16 * 2 * learner.agent.rnn.weight_hh_l0.numel()  # back to the hidden states that episodes start with
    assert counted.get_total_flops() == train_flop(batch, learner.agent) - unneeded
    assert on.train_bytes(batch, learner.agent) <= done.bytes
    assert on.train_steps(batch) <= done.launches


@pytest.mark.slow
def test_stages_add_up_to_the_update(result):
    for name, own in (("iql", set()), ("omg", {"learner.regroup", "learner.omg_loss", "learner.draw_noise"})):
        stages = result["stages"][name]
        assert own | {"buffer.sample", "to_device", "learner.read", "learner.step", "update"} <= stages.keys()
        parts = sum(values["min"] for key, values in stages.items() if key != "update")
        assert 0 < parts <= stages["update"]["max"]


@pytest.mark.slow
def test_rollouts(result):
    rollouts = result["rollouts"]
    assert rollouts["refusal"] is None, "on a CPU the runner plays a game of torch's backend"
    for width in result["sizes"]["widths"]:
        for key in ("runner_device", "runner_host", "game_alone"):
            assert ordered(rollouts[f"{key}_{width}"])


def test_the_clock_runs_and_a_cpu_counts_no_tensors():
    clock = on.Clock(torch.device("cpu"))
    assert clock() < clock()
    assert on.peak_bytes(lambda: 1, torch.device("cpu")) is None
    assert spread([2.0, 1.0, 3.0]) == {"median": 2, "min": 1, "max": 3}


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_machine_without_cuda_is_told_so():
    told = subprocess.run(warm.module("benchmarks.gpu"), cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 2
    assert "this machine has 0 CUDA devices" in told.stderr


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("OMG_PYMARL"), reason="OMG_PYMARL names no checkout of oxwhirl/pymarl")
def test_beside_a_checkout(tmp_path):
    target = tmp_path / "gpu.json"
    command("--pymarl", os.environ["OMG_PYMARL"], "--parts", "train", "--json", str(target))
    result = json.loads(target.read_text())
    assert ordered(result["ratios"]["iql_over_pymarl"])
    assert result["pymarl_commit"]


@pytest.mark.slow
def test_a_notebook_can_show_the_record(result, tmp_path):
    (tmp_path / "card.json").write_text(json.dumps(result))
    (table,) = recorded_gpu(tmp_path).tables
    assert table.heads == ("stage", "iql, ms", "omg, ms")
    stages = {row[0]: row[1:] for row in table.rows}
    assert stages["learner.omg_loss"][0] == "" and float(stages["learner.omg_loss"][1]) > 0
    assert float(stages["update"][0]) == pytest.approx(result["stages"]["iql"]["update"]["median"], abs=0.01)
    assert "card.json: no GPU, but " in table.caption and "16 episodes of T = 121" in table.caption
