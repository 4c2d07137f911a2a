"""The page for those who bring their own environment: what it says is so, and its example works."""

import re
from pathlib import Path

import pytest
from batches import short_pretraining

from omg_lib import config, envs
from omg_lib.envs import games, processes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "omg_lib/envs/README.md").read_text(encoding="utf-8")


@pytest.fixture
def registries(monkeypatch):
    """What is registered in the test is forgotten after it."""
    monkeypatch.setattr(envs, "ENVIRONMENTS", dict(envs.ENVIRONMENTS))
    monkeypatch.setattr(config, "ENVIRONMENTS", dict(config.ENVIRONMENTS))


def test_the_example_runs_as_it_stands(registries, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 34, "about thirty lines"
    assert "== []" in code
    with short_pretraining():
        exec(compile(code, "README.md", "exec"), {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["iql", "omg"] and all(float(line.split()[1]) for line in lines)
    assert "whispers" in envs.ENVIRONMENTS


def test_what_the_page_tells_is_so():
    fields = re.findall(r"^\| `(\w+)` \|", PAGE.partition("| field of a Moment |")[2].partition("\n\n")[0], flags=re.M)
    assert tuple(fields) == games.Moment._fields
    methods = {"begin", "step", "scripted_actions", "frame", "close"}
    assert methods <= set(vars(games.Game)) and all(f"{name}" in PAGE for name in methods)
    assert processes.PATIENCE == 5 * 60 and "within\nfive minutes" in PAGE
    for file in re.findall(r"`([\w/]+\.py)`", PAGE):
        assert (ROOT / file).is_file() or (ROOT / "omg_lib/envs" / file).is_file(), file


def test_the_project_leads_to_the_page():
    assert "(omg_lib/envs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
