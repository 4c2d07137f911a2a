"""The page "Your own learner": its examples run from a package outside the repository, found by its entry points."""

import csv
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import omg_lib as omg
from omg_lib import registry
from omg_lib.__main__ import main
from omg_lib.learners import QLearner
from tests.helpers import warm

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "omg_lib/learners/README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
NAMES = {"prioritised": "Prioritised", "counting": "Counting", "calm": "Calm"}
SMALL = "--env skirmish:partners --n-agents 2 --batch-size 2 --device cpu --updates 1".split()


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """An installed package with the examples, as pip leaves it, without their calls of `register`."""
    folder = tmp_path_factory.mktemp("site")
    code = "\n".join(re.sub(r"^.*register\(.*$", "", example, flags=re.M) for example in EXAMPLES[:3])
    (folder / "my_package.py").write_text(code)
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    offered = {**{name: f"my_package:{cls}" for name, cls in NAMES.items()}, "broken": "no_package:Mine"}
    lines = [f"{name} = {where}" for name, where in offered.items()]
    (info / "entry_points.txt").write_text("\n".join(["[omg_lib.learners]", *lines]) + "\n")
    return folder


def command(package, *words):
    here = os.environ | {"PYTHONPATH": str(package)}
    run = warm.module("omg_lib", *words)
    return subprocess.run(run, cwd=package, env=here, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_installed_learner_trains_and_resumes_on_the_command_line(package, name, tmp_path):
    out = tmp_path / name
    own = {"prioritised": {"alpha": 0.9}, "calm": {"calm": 0.3}}.get(name, {})
    (tmp_path / "own.json").write_text(json.dumps(own | {"learner": name, "test_nepisode": 4}))
    words = ["train", *SMALL, "--config", str(tmp_path / "own.json"), "--out", str(out)]
    done = command(package, *words)
    assert done.returncode == 0, done.stderr
    done = command(package, "train", "--resume", str(out), "--updates", "2")
    assert done.returncode == 0, done.stderr
    saved = json.loads((out / "config.json").read_text())
    assert saved["learner"] == name and saved["extra"] == own
    with (out / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["update"] for row in rows] == ["1", "2"] and all(row["loss"] for row in rows)
    column = {"counting": "q_mean", "calm": "own_loss"}.get(name)
    assert column is None or all(float(row[column]) is not None for row in rows)
    done = command(package, "evaluate", "--runs", str(out), "--splits", "train", "--episodes", "2")
    assert done.returncode == 0 and name in done.stdout, done.stderr


@pytest.mark.slow
def test_shapes_knows_the_stage_of_an_installed_learner(package):
    done = command(package, "shapes", "--learner", "calm", "--n-agents", "2")
    assert done.returncode == 0 and "learner.jumps" in done.stdout, done.stderr


@pytest.mark.slow
def test_a_package_that_does_not_load_is_one_sentence(package):
    done = command(package, "shapes", "--learner", "broken")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "learner='broken'" in done.stderr and "no_package" in done.stderr
    done = command(package, "shapes", "--learner", "nobody")
    assert done.returncode == 2 and "prioritised" in done.stderr, "installed names are allowed ones"


def test_the_page_names_what_is_there():
    hooks = re.findall(r"^\|[^|]*\| `(\w+)", PAGE, flags=re.M)
    assert len(hooks) == 8 and all(hasattr(QLearner, hook) for hook in hooks)
    weights = EXAMPLES[0].partition("class")[2].strip().splitlines()
    assert sum(bool(line) for line in weights) == 5, "prioritised weights in five lines"
    assert "(omg_lib/learners/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_callback_of_the_page_logs():
    class Log:
        def __init__(self):
            self.rows, self.ended = [], 0

        def log(self, values, step):
            self.rows.append((step, values))

        def finish(self):
            self.ended += 1

    space, log = {}, Log()
    exec(compile(EXAMPLES[3], "README.md", "exec"), space)
    config = omg.OMGConfig(env="skirmish:partners", n_agents=2, batch_size=2, learner="iql", updates=1, test_nepisode=2)
    with omg.Training(config, callbacks=[space["WandB"](log)]) as run:
        (report,) = run
    assert log.rows == [(report.t_env, report.metrics)] and log.ended == 1


@pytest.mark.slow
def test_a_resumed_run_knows_its_own_settings_and_keeps_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(registry, "OWN", {})
    omg.learners.register("tuned", type("Tuned", (QLearner,), {"settings": {"alpha": 0.6}}))
    out, small = str(tmp_path / "run"), ["--set", "test_nepisode=2", "alpha=0.5"]
    assert main(["train", *SMALL, "--learner", "tuned", "--out", out, *small]) == 0
    assert main(["train", "--resume", out, "--updates", "2", "--set", "lr=0.1", "alpha=0.5"]) == 0
    capsys.readouterr()
    for words, said in (
        ("alpha=0.4", "alpha=0.4 here and 0.5 there; only updates, t_max, steps, lr"),
        ("alhpa=0.4", "set='alhpa': there is no such setting; did you mean alpha?"),
    ):
        assert main(["train", "--resume", out, "--updates", "3", "--set", words]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(registry, "OWN", {})
    assert main(["train", "--resume", out, "--updates", "3"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("learner='tuned': allowed are iql, vdn") and "--import yours" in err
    with pytest.raises(omg.ConfigError, match="learner='tuned'.*--import yours"):
        omg.load(out)


def test_a_fault_in_ones_own_code_names_its_line_and_where_the_traceback_is(tmp_path, monkeypatch, capsys):
    """One line says the file and line of the fault; the traceback is written, or printed with --debug."""
    (tmp_path / "faulty.py").write_text(
        "from omg_lib.learners import QLearner\n\n\nclass Faulty(QLearner):\n"
        "    def td_weights(self, error, steps):\n        return {}['weights']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(registry, "OWN", {})
    import importlib

    omg.learners.register("faulty", importlib.import_module("faulty").Faulty)
    assert main(["train", *SMALL, "--learner", "faulty"]) == 1
    err = capsys.readouterr().err.splitlines()[-1]
    assert len(err) <= 300 and "the run failed: KeyError: 'weights' (faulty.py:6); traceback: " in err
    text = Path(err.partition("traceback: ")[2]).read_text()
    assert "Traceback" in text and "return {}['weights']" in text
    assert main(["train", *SMALL, "--learner", "faulty", "--debug"]) == 1
    err = capsys.readouterr().err
    assert "return {}['weights']" in err and "traceback: " not in err
    assert len(list(tmp_path.glob("omg-lab-*.txt"))) == 1
    assert main(["train", *SMALL, "--learner", "nobody", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
