"""A run's peak memory is known before it runs; if there is too little, the message names sizes that would fit."""

import gc
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch

import omg_lib as omg
from omg_lib.__main__ import main
from omg_lib.config import RunError
from omg_lib.learners.q_learner import QLearner
from omg_lib.memory import peak
from omg_lib.memory.peak import TooLargeError, largest, predicted_peak, usual_rows
from omg_lib.system.limits import GIB, free_memory
from omg_lib.trace import stage
from omg_lib.widgets import FlowModel, FlowPanel
from tests.helpers.batches import echo_registered, short_pretraining

ROOT = Path(__file__).parents[2]
SIZES = [
    dict(learner="iql", n_agents=8, batch_size=32),
    dict(learner="omg", n_agents=8, batch_size=8),
]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process held at its peak")
@pytest.mark.slow
def test_the_prediction_is_within_a_quarter_or_200_megabytes_of_the_measured_peak():
    command = [sys.executable, "-m", "benchmarks.peaks", "--sizes", json.dumps(SIZES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(rows) == len(SIZES)
    for row in rows:
        assert abs(row["predicted"] - row["measured"]) < max(0.25 * row["measured"], 200e6), row


def test_a_prediction_grows_with_all_that_makes_a_run_larger():
    small = omg.OMGConfig(n_agents=4, batch_size=8, buffer_size=500)
    for change in (dict(n_agents=5), dict(batch_size=9), dict(buffer_size=600), dict(horizon=6)):
        larger = predicted_peak(omg.OMGConfig(**dict(n_agents=4, batch_size=8, buffer_size=500) | change))
        assert larger.total > predicted_peak(small).total, change
    few = predicted_peak(omg.OMGConfig(n_agents=4, batch_size=8, updates=3))
    assert few.episodes < 0.05 * predicted_peak(omg.OMGConfig(n_agents=4, batch_size=8)).episodes


def test_a_game_lasts_as_long_as_it_may_where_it_is_not_played_beforehand():
    assert usual_rows("foraging", 3) == (51.0, 51)
    mean, most = usual_rows("skirmish", 4)
    assert 10 < mean < most <= 121


@pytest.fixture
def little(monkeypatch):
    """A process with exactly the memory that 4 agents in batches of 8 need."""
    room = predicted_peak(omg.OMGConfig(n_agents=4, batch_size=8, device="cpu")).total + peak.LIBRARIES
    monkeypatch.setattr(peak, "free_memory", lambda: room)
    return room


def test_beyond_what_there_is_a_sentence_has_both_numbers_and_what_fits(little):
    with pytest.raises(TooLargeError) as error:
        omg.Training(omg.OMGConfig(n_agents=8, batch_size=8, device="cpu"))
    sentence, needed = str(error.value), predicted_peak(omg.OMGConfig(n_agents=8, batch_size=8, device="cpu")).total
    assert f"memory='{(needed + peak.LIBRARIES) / GIB:.2f} GiB'" in sentence and len(sentence) < 300
    assert f"can allocate {little / GIB:.2f} GiB more; what fits is n_agents=4" in sentence
    assert error.value.fits["n_agents"] == 4
    for name, size in error.value.fits.items():
        omg.Training(omg.OMGConfig(**dict(n_agents=8, batch_size=8, device="cpu") | {name: size})).close()


def test_the_largest_that_fits_is_the_largest():
    config = omg.OMGConfig(n_agents=6, batch_size=20, buffer_size=200, device="cpu")
    room = predicted_peak(omg.OMGConfig(n_agents=6, batch_size=13, buffer_size=200, device="cpu")).total
    assert largest(config, room)["batch_size"] == 13
    assert largest(config, 1000) == {}


def test_what_fits_is_found_by_halving(monkeypatch):
    config = omg.OMGConfig(n_agents=16, batch_size=50_000, buffer_size=10**6, learner="iql", device="cpu")
    room = predicted_peak(omg.OMGConfig.from_dict(config.to_dict() | {"batch_size": 33_333})).total
    asked = []
    monkeypatch.setattr(peak, "predicted_peak", lambda one: asked.append(one) or predicted_peak(one))
    assert largest(config, room)["batch_size"] == 33_333
    assert len(asked) <= 5 + 17, "the logarithm of each number of sizes"


def test_a_game_of_pettingzoo_has_one_size_and_is_refused_with_a_sentence(monkeypatch, capsys):
    pytest.importorskip("mpe2")
    monkeypatch.setattr(peak, "free_memory", lambda: 2 * GIB)
    long = ["--env", "pettingzoo:mpe2.simple_spread_v3,max_cycles=30000", "--n-agents", "3", "--batch-size", "200"]
    assert main(["train", *long, "--device", "cpu"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "GiB more; what fits is batch_size=" in err and "n_agents=" not in err


@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_a_card_that_auto_finds_is_counted_as_a_card(monkeypatch, learner):
    sizes = dict(n_agents=3, batch_size=4, learner=learner)
    here, auto, card = (omg.OMGConfig(**sizes, device=device) for device in ("cpu", "auto", "cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert predicted_peak(auto) == predicted_peak(here)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert predicted_peak(auto) == predicted_peak(card)
    assert predicted_peak(auto).update > predicted_peak(here).update


def test_the_command_line_refuses_it_with_exit_code_2(little, capsys):
    assert main(["train", "--n-agents", "8", "--batch-size", "8"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "GiB more; what fits is n_agents=4" in err


@pytest.mark.slow
def test_the_panel_offers_what_fits(monkeypatch):
    free = predicted_peak(omg.OMGConfig(n_agents=8, batch_size=20, learner="iql", buffer_size=1024)).total
    monkeypatch.setattr(peak, "free_memory", lambda: free + peak.LIBRARIES)
    panel = FlowPanel(n_agents=8, batch_size=64, learner="iql", device="cpu")
    model = panel.model
    model.start(1)
    assert model.wait(120) and model.state == "idle" and "what fits is " in model.status
    assert set(model.offers) == {"n_agents", "batch_size"}
    assert panel.view["offers"] == model.offers
    size = model.offers["batch_size"]
    panel._handle_custom_msg({"do": "set", "settings": {"batch_size": size}, "seq": 1, "from": "a"}, [])
    assert model.settings["batch_size"] == size and panel.view["offers"] == {}
    model.start(1)
    assert model.wait(120) and model.reports and model.status == "Finished at update 1"


def test_a_limit_of_the_process_itself_counts():
    """Not the machine's memory: what `ulimit -v` leaves."""
    code = (
        "import resource, omg_lib.system.limits as m\n"
        "held = int(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmSize'))) * 1024\n"
        "resource.setrlimit(resource.RLIMIT_AS, (held + 2**28, resource.RLIM_INFINITY))\n"
        "assert 0 < m.free_memory() <= 2**28, m.free_memory()\n"
    )
    if free_memory() is None:
        pytest.skip("this system does not say what is free")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


# --- running out of memory during a run ---


@pytest.fixture
def exhausted(monkeypatch):
    """The third call of a stage runs out of memory while it holds a large tensor; later calls work."""
    calls, held, q_values = [0], [], QLearner.q_values.__wrapped__

    def failing(self, *args, **kwargs):
        calls[0] += 1
        if calls[0] == 3:
            large = torch.ones(1000)
            held.append(weakref.ref(large))
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return q_values(self, *args, **kwargs)

    monkeypatch.setattr(QLearner, "q_values", stage("learner.q_values")(failing))
    return held


@pytest.fixture(scope="module", autouse=True)
def quick():
    with echo_registered(), short_pretraining():
        yield


def test_no_memory_left_stops_the_run_with_a_sentence_and_lets_go_of_its_tensors(exhausted):
    settings = dict(env="echo", n_agents=2, batch_size=2, learner="iql", device="cpu", updates=5, test_nepisode=2)
    with omg.Training(omg.OMGConfig(**settings)) as run:
        sentence = "^update 3: cpu has no memory left; allowed are smaller values of n_agents=2"
        with pytest.raises(RunError, match=sentence) as error:
            list(run)
        assert error.value.__context__ is None and exhausted[0]() is None
        assert all(weight.grad is None for weight in run.learner.agent.parameters())
        assert [report.update for report in run] == [3, 4, 5], "the checkpoint resumes with enough memory"


def trainings() -> set[int]:
    """The runs that something still refers to."""
    gc.collect()
    return {id(x) for x in gc.get_objects() if type(x) is omg.Training}


@pytest.mark.slow
def test_after_it_the_panel_says_so_and_the_next_run_works(exhausted):
    alive = trainings()  # those that the traceback of an earlier test may hold
    model = FlowModel(n_agents=2, batch_size=2, learner="iql", device="cpu")
    model.start()
    assert model.wait(120) and model.state == "idle"
    assert model.status.startswith("update 3: cpu has no memory left")
    assert model._job.training is None and trainings() <= alive
    assert model.run(1).update == 1 and model.status == "Finished at update 1"
