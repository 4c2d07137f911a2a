"""A game and a learner outside the repository: found by --import and by entry points, here, in processes and on Ray."""

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers import warm
from tests.helpers.clusters import cluster_of

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
LEARNER = """
from omg_lib.learners import QLearner


class Weighted(QLearner):
    settings = {"alpha": 0.6}

    def td_weights(self, error, steps):
        return error.abs() ** self.config.extra["alpha"]

    def own_metrics(self, batch, steps, online):
        return {"q_mean": online["q"].mean()}
"""
FAULTY = """
class Bent(Coin):
    def step(self, actions):
        return {}["bent"]


class Bents(Coins):
    def make_game(self):
        return Bent()


omg.envs.register("bents", Bents)
"""
REGISTERED = GAME + '\nomg.envs.register("coins", Coins)\n'
OWN = REGISTERED + LEARNER + '\nomg.learners.register("weighted", Weighted)\n' + FAULTY
FAULT_LINE = OWN.splitlines().index('        return {}["bent"]') + 1
RUN = ["--env", "coins", "--n-agents", "3", "--batch-size", "1", "--updates", "1", "--learner", "iql"]


def omg_lab(folder, *words, **settings):
    command = warm.module("omg_lib", *words)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, **settings)


@pytest.mark.slow
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
def test_ray_finds_it_too(tmp_path, monkeypatch):
    """The actors of `--runner ray`, and the trials of a sweep. What Ray played is loaded and evaluated without it, and
    a fault in one's own game is named as it is anywhere. All of it on one cluster, which takes long to start.
    """
    (tmp_path / "mine.py").write_text(OWN)
    own = ["--import", "mine", "--env", "coins", "--n-agents", "3", "--batch-size", "1", "--learner", "weighted"]
    own += ["--updates", "1", "--set", "test_nepisode=2"]
    with cluster_of(nodes=0) as cluster:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        told = omg_lab(tmp_path, "train", *own, "alpha=0.3", "--runner", "ray", "--out", "on_ray")
        assert told.returncode == 0 and "q_mean" in told.stdout, told.stderr
        told = omg_lab(tmp_path, "train", *own, "--env", "bents", "--runner", "ray")
        assert told.returncode == 1 and "KeyError: 'bent'" in told.stderr, told.stderr
        assert f"(mine.py:{FAULT_LINE})" in told.stderr and told.stderr.count("\n") == 1
        Path(told.stderr.partition("traceback: ")[2].strip()).unlink()
        told = omg_lab(tmp_path, "sweep", *own, "--vary", "alpha=0.1,0.9", "--out", "sweep")
        assert told.returncode == 0, told.stderr
    assert sorted(path.name for path in (tmp_path / "sweep").glob("weighted-*")) == [
        "weighted-n3-b1-seed0-alpha0.1", "weighted-n3-b1-seed0-alpha0.9",
    ]  # fmt: skip
    told = omg_lab(tmp_path, "train", *own, "alpha=0.3", "--out", "here")
    assert told.returncode == 0, told.stderr
    with (tmp_path / "on_ray/metrics.csv").open() as one, (tmp_path / "here/metrics.csv").open() as other:
        rows = [next(csv.DictReader(file)) | {"time": ""} for file in (one, other)]
    assert rows[0] == rows[1] and float(rows[0]["q_mean"])
    look = "import sys, mine, omg_lib as omg\nwith omg.load('on_ray') as run:\n    run.test()\n"
    look += "    print(run.config.extra['alpha'], run.config.runner, 'ray' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert told.stdout == "0.3 local False\n", told.stderr


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["local", "processes"])
def test_a_fault_in_ones_own_game_is_named_with_its_line(tmp_path, runner):
    (tmp_path / "mine.py").write_text(OWN)
    told = omg_lab(tmp_path, "train", "--import", "mine", *RUN, "--env", "bents", "--runner", runner)
    assert told.returncode == 1 and told.stderr.count("\n") == 1
    assert f"the run failed: KeyError: 'bent' (mine.py:{FAULT_LINE}); traceback: " in told.stderr
    written = Path(told.stderr.partition("traceback: ")[2].strip())
    assert 'return {}["bent"]' in written.read_text()
    written.unlink()


PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "coins"
version = "1.0"

[tool.setuptools]
py-modules = ["coins_package"]

[project.entry-points."omg_lib.envs"]
coins = "coins_package:Coins"
broken = "coins_package:Nothing"

[project.entry-points."omg_lib.learners"]
weighted = "coins_package:Weighted"
"""


@pytest.mark.slow
def test_an_installed_package_is_found_by_its_entry_points(tmp_path):
    """Installed with pip, as a user would: its game and its learner, in this process and in those of its games."""
    for needed in ("pip", "setuptools"):
        if find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed: the package cannot be built here")
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    (source / "coins_package.py").write_text(GAME + LEARNER)
    (source / "pyproject.toml").write_text(PROJECT)
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check", "--quiet"]
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(site), str(source)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    installed = {"env": os.environ | {"PYTHONPATH": str(site)}}

    def said(*words):
        told = omg_lab(tmp_path, *words, **installed)
        assert told.returncode == 2 and told.stderr.count("\n") == 1, told.stderr
        return told.stderr

    own = [*RUN, "--runner", "processes", "--learner", "weighted", "--set", "alpha=0.2", "--out", "run"]
    told = omg_lab(tmp_path, "train", *own, **installed)
    assert told.returncode == 0 and "q_mean" in told.stdout, told.stderr
    assert json.loads((tmp_path / "run/config.json").read_text())["extra"] == {"alpha": 0.2}
    assert "n_agents=4: coins allows 3 to 3" in said("shapes", "--env", "coins", "--n-agents", "4")
    broken = said("shapes", "--env", "broken", "--n-agents", "3")
    assert "coins_package:Nothing, which offers it, cannot be loaded (AttributeError" in broken
    assert "coins" in said("shapes", "--env", "coin") and "weighted" in said("shapes", "--learner", "weighed")


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
