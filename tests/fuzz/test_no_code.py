"""No file that the library reads can run code: no module imports a reader that could."""

import ast
import json
import sys
from pathlib import Path

import pytest
import yaml

from omg_lib.__main__ import main
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.registry import check_named_in_file
from omg_lib.runs.folder import saved_config
from omg_lib.settings.files import PlainYaml, parse_yaml

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "omg_lib").rglob("*.py"))
RUNS_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
PIPES = {"omg_lib/distributed/processes.py"}
"""Modules that talk to processes they have started themselves; they read no file this way."""
SAFE_YAML = {"omg_lib/settings/files.py"}
"""Modules that read YAML with a loader of plain data; a test below holds them to it."""
CELLS = {
    "omg_lib/lessons/museum/exhibit.py", "omg_lib/lessons/assignments/checks.py",
    "omg_lib/lessons/strangers/__init__.py",
}  # fmt: skip
"""Modules that run lines from a module, or from a cell that a student has run; none comes from a file."""
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {("torch", "load"), ("torch", "save"), ("np", "load"), ("np", "save"), ("np", "fromfile"), ("torch", "hub")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_could_run_code_reads_a_file(path):
    name = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found = {name.split(".")[0] for name in names} & RUNS_CODE
            allowed = name in PIPES or (found == {"yaml"} and name in SAFE_YAML)
            assert not found or allowed, f"{name}:{node.lineno} imports {found}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in CALLS or name in CELLS, f"{name}:{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in METHODS, f"{name}:{node.lineno} uses {node.value.id}.{node.attr}"


def test_yaml_is_plain_data():
    assert issubclass(PlainYaml, yaml.SafeLoader) and not issubclass(PlainYaml, yaml.UnsafeLoader)
    for name in SAFE_YAML:
        nodes = [node for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, ast.Call)]
        loads = [ast.unparse(node) for node in nodes if "load" in ast.unparse(node.func)]
        assert [call for call in loads if call.startswith("yaml.")] == ["yaml.load(text, PlainYaml)"]
    with pytest.raises(yaml.YAMLError):
        parse_yaml("lr: !!python/object/apply:os.getcwd []")


def test_what_speaks_by_pipes_opens_no_file():
    for name in PIPES & {path.relative_to(ROOT).as_posix() for path in MODULES}:
        nodes = ast.walk(ast.parse((ROOT / name).read_text()))
        calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        assert not calls & {"open", "os.open", "pickle.load", "Path"}, name


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A stranger's folder with a game that must not run, reachable as a module; whether it ran."""
    (tmp_path / "strangers_game.py").write_text(
        "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda: (tmp_path / "strangers_game.ran").exists()
    sys.modules.pop("strangers_game", None)


@pytest.mark.parametrize(
    "name", ["strangers_game", "strangers_game,N=3", "strangers_game.inner", "antigravity", "no_such"]
)
def test_a_file_cannot_name_a_game_whose_module_is_not_yours(trap, tmp_path, name, capsys):
    settings = OMGConfig(n_agents=3).to_dict() | {"env": f"pettingzoo:{name}"}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="no installed package's; if you trust it, allowed is --import"):
        saved_config(tmp_path)
    for command in (["shapes", "--config", str(tmp_path / "config.json")], ["train", "--resume", str(tmp_path)]):
        assert main(command) == 2
        assert "allowed is --import" in capsys.readouterr().err
    assert not trap() and "antigravity" not in sys.modules


def test_yours_and_those_of_packages_are_read(trap, tmp_path):
    pytest.importorskip("mpe2")
    check_named_in_file("pettingzoo:mpe2.simple_spread_v3,N=3")
    check_named_in_file("skirmish")
    check_named_in_file(None)
    __import__("strangers_game")
    check_named_in_file("pettingzoo:strangers_game")
    assert trap()
