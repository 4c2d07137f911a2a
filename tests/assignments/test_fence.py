"""Submitted code in its own process: what it may do, what it may not, and that everything it returns is harmless."""

import sys

import numpy as np
import pytest
import torch
from grader import host
from grader.child import decode, encode
from grader.process import Failed, Question, ask

from tests.helpers.asking import PLACES, SECONDS, UNSAFE, asked
from tests.helpers.places import ROOT

FORGER = """
import os
for pipe in range(3, 40):
    try:
        os.write(pipe, b'{"answers": [{"value": {"tensor": ["float32", [1000000000000], ""]}}]}')
    except OSError:
        pass
os._exit(0)
"""


@pytest.mark.parametrize("x", [
    None, True, 3, 2.5, "a", [1, [2]], {"a": [1]},
    torch.arange(6).reshape(2, 3), torch.zeros(0, 2), torch.tensor(1.5, dtype=torch.float64), torch.tensor([True]),
])  # fmt: skip
def test_data_comes_back_as_it_was(x):
    back = decode(encode(x))
    same = torch.equal(back, x) and back.dtype == x.dtype if isinstance(x, torch.Tensor) else back == x
    assert same and type(back) is type(x)


def test_numpy_becomes_torch_or_a_number_and_objects_are_refused():
    assert encode(np.int64(3)) == 3 and encode((1, np.float64(0.5))) == [1, 0.5]
    assert torch.equal(decode(encode(np.arange(3))), torch.arange(3))
    with pytest.raises(TypeError, match="a object is not a valid answer"):
        encode(object())


@pytest.mark.slow
def test_honest_code_computes_and_imports():
    told = asked(
        imports="import collections, math, random, secrets, statistics\nreturn statistics.mean([1, 3])",
        numpy="return np.random.default_rng(0).permutation(3)",
        torch="x = torch.ones(2, requires_grad=True)\nx.sum().backward()\nreturn x.grad",
        home="import os, sysconfig\nreturn os.path.expanduser('~') + sysconfig.get_config_var('userbase')",
        scipy="from scipy import special\nreturn special.stdtrit(2, 0.975)",
        einops='return rearrange(repeat(torch.arange(2), "a -> a b", b=3), "a b -> (b a)")',
    )
    assert told["imports"] == 2 and sorted(told["numpy"].tolist()) == [0, 1, 2]
    assert told["home"] == "//.local"
    assert told["scipy"] == pytest.approx(4.303, abs=5e-4)
    assert told["torch"].tolist() == [1, 1] and told["einops"].tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.slow
def test_a_cell_that_fails_in_its_last_line_has_defined_its_function():
    question = Question(["def answer():\n    return 1\nprint(unknown)"], "answer", [()])
    assert ask([question], [sys.executable], SECONDS, UNSAFE) == [[1]]


@pytest.mark.slow
def test_bad_answers_are_failures_of_their_own_task_only():
    told = asked(
        printed="print(1)",
        exits="import os\nos._exit(0)",
        leaves="import sys\nsys.exit()",
        recursion="return answer()",
        crash="import ctypes\nreturn ctypes.string_at(0)",
        object="return object()",
        huge="return 'x' * 20_000_000",
        bomb="kept = []\nwhile True:\n    kept.append(torch.ones(1 << 24))",
        library="from omg_lib import regroup\nreturn 1",
        loop="while True:\n    pass",
        sleep="import time\ntime.sleep(1000)",
        forged=FORGER,
        fine="return 7",
    )
    assert told.pop("fine") == 7 and told.pop("printed") is None
    assert {name: type(one) for name, one in told.items()} == dict.fromkeys(told, Failed)
    assert "omg_lib is not available" in told["library"].why
    assert told["loop"].why.startswith("stopped after")  # by whichever clock comes first, on a busy machine
    assert told["sleep"].why == f"stopped after {3 * SECONDS} seconds"


@pytest.mark.slow
@pytest.mark.parametrize("python", PLACES)
def test_an_answer_knows_nothing_of_the_teachers_environment(python, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    monkeypatch.setattr(host, "HOSTS", {})
    told = asked(python, environment="import os\nreturn sorted(os.environ.items())")["environment"]
    known = dict(told)
    assert known["OMP_NUM_THREADS"] == "1" and known["HOME"] == "/"
    assert not {"SECRET_TOKEN", "PATH", "TMPDIR"} & set(known)


DESCRIPTORS = """
import os
found = []
for number in range(4096):
    try:
        found.append([number, os.fstat(number).st_mode >> 12])
    except OSError:
        pass
return found
"""
AFTER_THE_REPLY = """
import atexit, os
class Late:
    def __del__(self):
        os.write(3, b'{"answers": [{"value": 6}]}')
global late
late = Late()
atexit.register(late.__del__)
return 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("python", PLACES)
def test_an_answer_inherits_only_its_pipe_and_leaves_nothing_behind(python):
    told = asked(
        python,
        descriptors=DESCRIPTORS.strip(),
        patches="import builtins, json\nbuiltins.len = json.dumps = lambda *_, **__: '{\"answers\": [{\"value\": 6}]}'",
        late=AFTER_THE_REPLY.strip(),
        deaf="import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True:\n    pass",
        flood="import os\nwhile True:\n    os.write(3, bytes(1 << 16))",
        deep="import os\nos.write(3, b'{\"answers\": [' + b'[' * 10**5 + b']' * 10**5 + b']}')\nos._exit(0)",
        fine="return len([1, 2, 3])",
    )
    device, pipe = 2, 1
    assert told["descriptors"] == [[0, device], [1, device], [2, device], [3, pipe]]
    assert told["late"] == 1 and told["fine"] == 3
    assert [isinstance(told[name], Failed) for name in ("deaf", "flood", "deep")] == [True] * 3


@pytest.mark.slow
@pytest.mark.parametrize("python", PLACES)
def test_the_library_is_out_of_reach(python):
    around = "import sys\nsys.meta_path[:] = [x for x in sys.meta_path if type(x).__name__ != 'NoLibrary']\n"
    told = asked(python, around=f"{around}sys.path.insert(0, {str(ROOT)!r})\nimport omg_lib.regroup\nreturn 1")
    assert isinstance(told["around"], Failed)


@pytest.mark.slow
def test_python_may_be_started_by_another_program_such_as_a_containers():
    question = Question(["def answer():\n    import os\n    return os.environ['INSIDE']"], "answer", [()])
    assert ask([question], ["env", "INSIDE=yes", sys.executable], SECONDS, UNSAFE) == [["yes"]]


def test_a_python_that_cannot_start_is_the_teachers_error():
    with pytest.raises(RuntimeError, match="cannot run submissions"):
        ask([Question([], "answer", [()])], [sys.executable, "-X", "importtime=no", "-c", "1/0", "--"], SECONDS, UNSAFE)
