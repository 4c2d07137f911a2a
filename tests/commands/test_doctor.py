"""The doctor's row about the compiled battle."""

import pytest

from omg_lib.__main__ import main
from omg_lib.commands import doctor
from omg_lib.envs import compiled


@pytest.mark.parametrize("ready, state, said", [
    (True, "ok", "the battle is compiled"), (False, "optional", "-> python -m omg_lib compile"),
])  # fmt: skip
def test_it_says_whether_the_battle_is_compiled(monkeypatch, capsys, installed, ready, state, said):
    installed["numba"] = "0.68.1"
    monkeypatch.setattr(compiled, "ready", lambda: ready)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if " skirmish " in line and "battle" in line)
    assert line.startswith(state) and said in out


def test_without_numba_there_is_only_its_own_row(installed):
    installed["numba"] = None
    assert doctor.battle() == []
