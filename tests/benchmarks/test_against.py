"""Two checkouts in turn: this tree against itself, and what goes wrong in one sentence."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.against import HERE, compare
from tests.helpers import warm


@pytest.mark.slow
def test_a_tree_beside_itself():
    found = compare(HERE, names=("runner_8", "sample"), rounds=2)
    assert set(found["ratios"]) == set(found["seconds"]["this"]) == {"runner_8", "sample"}
    for ratio in found["ratios"].values():
        assert 0.2 < ratio["min"] <= ratio["median"] <= ratio["max"] < 5, "the same work on both sides"
    assert found["seconds"]["other"]["runner_8"]["max"] < found["seconds"]["other"]["sample"]["min"], (
        "one step, one sample"
    )


@pytest.mark.slow
def test_a_checkout_that_cannot_do_it_is_named(tmp_path):
    (tmp_path / "omg_lib").mkdir()
    (tmp_path / "omg_lib" / "__init__.py").touch()
    with pytest.raises(RuntimeError, match=r"cannot do sample: .*ModuleNotFoundError: No module named"):
        compare(tmp_path, names=("sample",), rounds=1)


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--json", "no/such/folder.json")])
def test_bad_input_is_refused_before_any_work(tmp_path, more):
    where = HERE if more else tmp_path
    command = warm.module("benchmarks.against", str(where), *more)
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "allowed is" in done.stderr and "Traceback" not in done.stderr
    assert not Path("no").exists()
