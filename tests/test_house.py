"""The house: modules import only rooms above their own, every room has a line in README, and paths in prose exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers.order import FIRST

ROOT = Path(__file__).parents[1]
ROOMS = (
    "words",
    "errors",
    "registry",
    "config",
    "seeds",
    "system",
    "settings",
    "provenance",
    "contract",
    "trace",
    "envs",
    "episodes",
    "gates",
    "gru",
    "networks",
    "opponents",
    "subgoals",
    "acting",
    "teammates",
    "controller",
    "faults",
    "runner",
    "buffer",
    "regroup",
    "predict",
    "memory",
    "learners",
    "explain",
    "distributed",
    "callbacks",
    "training",
    "runs",
    "experiment",
    "checks",
    "lessons",
    "plots",
    "flow",
    "widgets",
    "course",
    "commands",
    "__main__",
)
"""Every room of omg_lib, from the top down: a module or a folder."""
LONGEST = 400
MADE_LATER = {"notebooks/assignments/release", "notebooks/zh/assignments", "data/gpu", "data/gpu/CARD.json"}
"""Paths in prose that a command makes."""
PROSE = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*/**/*.md"), *ROOT.glob("notebooks/**/*.ipynb"), ROOT / "Makefile"]
    if not any(
        part.startswith(".") or part in ("build", "runs", "node_modules") for part in path.relative_to(ROOT).parts
    )
)
PATH = re.compile(r"(?<![\w/.-])(?:omg_lib|tests|benchmarks|paper|deploy|data|notebooks)/[\w./-]*\w")
MODULE = re.compile(r"(?<![\w/.])(?:omg_lib|benchmarks|paper)(?:\.[a-z_]\w*)+")


def modules() -> dict[str, Path]:
    """Return every module of omg_lib by its dotted name."""
    found = {}
    for path in sorted((ROOT / "omg_lib").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def room(module: str) -> str:
    """Return the room of a module; "" for omg_lib itself, which loads its names on first use."""
    return module.partition(".")[2].partition(".")[0]


def imported(path: Path) -> set[str]:
    """Return the modules of omg_lib that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in whole}
    return {name for name in found if room(name) and name.startswith("omg_lib.")}


def test_the_list_names_every_room():
    assert sorted(ROOMS) == sorted({room(name) for name in MODULES} - {""})


@pytest.mark.slow
@pytest.mark.parametrize("module", [name for name in MODULES if room(name)])
def test_a_module_imports_only_rooms_above_it(module):
    own = ROOMS.index(room(module))
    below = {name for name in imported(MODULES[module]) if ROOMS.index(room(name)) > own}
    assert not below, f"{module} reaches down to {sorted(below)}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_readme_has_a_line_for_each_room():
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w/]+)` \|", table.partition("<!-- rooms -->")[2].partition("<!-- end -->")[0], re.M)
    names = [part.rstrip("/") for part in listed]
    assert names == list(ROOMS)


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_in_prose_exist(path):
    text = path.read_text(encoding="utf-8")
    missing = [name for name in PATH.findall(text) if not exists(name)]
    missing += [name for name in MODULE.findall(text) if not importable(name)]
    assert not missing


def exists(name: str) -> bool:
    return name in MADE_LATER or any((ROOT / f"{name}{ending}").exists() for ending in ("", ".md"))


def importable(name: str) -> bool:
    """Return whether a dotted name begins with an existing module and continues with a name in that module's text."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:end])
        for source in (base.with_suffix(".py"), base / "__init__.py"):
            if source.exists():
                return end == len(parts) or parts[end] in source.read_text(encoding="utf-8")
    return False


def test_the_files_that_are_to_be_run_first_exist():
    assert [name for name in FIRST if not (ROOT / "tests" / name).is_file()] == []
    assert len(set(FIRST)) == len(FIRST)
