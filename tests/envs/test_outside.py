"""A game outside the repository: found by --import and by an entry point, in this process, in others and on Ray."""

import subprocess
import sys

import pytest

from tests.helpers.clusters import ray_folder

GAME = """
import numpy as np
import omg_lib as omg
from omg_lib.envs.games import Game, Games, Moment


class Coin(Game):
    def begin(self, chance):
        self.chance = chance
        return Moment(np.ones((3, 2)), np.zeros(1), True)

    def step(self, actions):
        return Moment(np.full((3, 2), self.chance.random()), np.zeros(1), True, rewards=float(sum(actions)))


class Coins(Games):
    sizes = range(3, 4)

    @classmethod
    def describe(cls, n_agents):
        return omg.EnvInfo("coins", n_agents, 2, 1, 2, 4, has_winner=False)

    def make_game(self):
        return Coin()
"""
REGISTERED = GAME + '\nomg.envs.register("coins", Coins)\n'
RUN = ["--env", "coins", "--n-agents", "3", "--batch-size", "1", "--updates", "1", "--learner", "iql"]


def omg_lab(folder, *words, **settings):
    command = [sys.executable, "-m", "omg_lib", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, **settings)


@pytest.mark.parametrize("runner", ["local", "processes"])
def test_a_module_registers_a_game(tmp_path, runner):
    (tmp_path / "my_game.py").write_text(REGISTERED)
    told = omg_lab(tmp_path, "train", "--import", "my_game", *RUN, "--runner", runner, "--out", "run")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("coins iql: update 1,")
    again = omg_lab(tmp_path, "train", "--resume", "run", "--updates", "2")
    assert again.returncode == 2 and "--import yours" in again.stderr
    again = omg_lab(tmp_path, "train", "--import", "my_game", "--resume", "run", "--updates", "2")
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_ray_finds_it_too(tmp_path):
    """The actors of `--runner ray`, and the trials of a sweep."""
    pytest.importorskip("ray")
    (tmp_path / "my_game.py").write_text(REGISTERED)
    with ray_folder():
        told = omg_lab(tmp_path, "train", "--import", "my_game", *RUN, "--runner", "ray")
        assert told.returncode == 0, told.stderr
        sizes = ["--env", "coins", "--n-agents", "3", "--batch-size", "1", "--learner", "iql", "--updates", "1"]
        told = omg_lab(tmp_path, "sweep", "--import", "my_game", *sizes, "--vary", "lr=0.1,0.01", "--out", "sweep")
        assert told.returncode == 0, told.stderr
    assert sorted(path.name for path in (tmp_path / "sweep").glob("iql-*")) == [
        "iql-n3-b1-seed0-lr0.01", "iql-n3-b1-seed0-lr0.1",
    ]  # fmt: skip


def test_an_installed_package_is_found_by_its_entry_point(tmp_path):
    (tmp_path / "coins_package.py").write_text(GAME)
    about = tmp_path / "coins-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: coins\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[omg_lib.envs]\ncoins = coins_package:Coins\nbroken = coins_package:Nothing\n"
    )
    told = omg_lab(tmp_path, "train", *RUN, "--runner", "processes")
    assert told.returncode == 0, told.stderr
    told = omg_lab(tmp_path, "shapes", "--env", "coins", "--n-agents", "4")
    assert told.returncode == 2 and "n_agents=4: coins allows 3 to 3" in told.stderr
    told = omg_lab(tmp_path, "shapes", "--env", "broken", "--n-agents", "3")
    assert told.returncode == 2
    assert "coins_package:Nothing, which offers it, cannot be loaded (AttributeError" in told.stderr
    told = omg_lab(tmp_path, "shapes", "--env", "coin")
    assert told.returncode == 2 and "coins" in told.stderr


@pytest.mark.parametrize(
    ("text", "module", "said"),
    [
        ("1 / 0", "mine", "import='mine': it cannot be imported (ZeroDivisionError: division by zero, mine.py line 1)"),
        ("import nowhere_to_be_found", "mine", "No module named 'nowhere_to_be_found', mine.py line 1"),
        ("raise SystemExit('no')", "mine", "SystemExit: no, mine.py line 1"),
        ("", "absent", "No module named 'absent'"),
        ("", "mine.py", "No module named 'mine.py'"),
        ("", "../mine", "allowed is a module's name as in Python"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, capsys, text, module, said):
    from omg_lib.__main__ import main

    (tmp_path / "mine.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    assert main(["shapes", "--import", module]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
