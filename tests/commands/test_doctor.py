"""The doctor's row about what is compiled."""

import pytest

from omg_lib.__main__ import main
from omg_lib.commands import doctor
from omg_lib.system import compiling


@pytest.mark.parametrize("ready, state, said", [
    (True, "ok", "the battle and the GRU"), (False, "optional", "-> python -m omg_lib compile"),
])  # fmt: skip
def test_it_says_what_is_compiled(monkeypatch, capsys, installed, ready, state, said):
    installed["numba"] = "0.68.1"
    monkeypatch.setattr(compiling, "ready", lambda: ready)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if " compiled " in line and "battle" in line)
    assert line.startswith(state) and said in out


def test_without_numba_there_is_only_its_own_row(installed):
    installed["numba"] = None
    assert doctor.compiled() == []
