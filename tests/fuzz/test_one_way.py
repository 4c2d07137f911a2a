"""Files are opened, written and removed in one way, by `omg_lib.system.places`: no module bypasses it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "omg_lib").rglob("*.py"))
SYSTEMS_OWN = {
    "omg_lib/system/places.py": "it is the way",
    "omg_lib/system/limits.py": "reads /proc and the control groups",
    "omg_lib/system/starcraft.py": "reads the head of an installed program",
    "omg_lib/system/doctor.py": "reads the project's own pyproject.toml, and needs nothing but the standard library",
    "omg_lib/flow/page.py": "reads the package's own modules and styles",
    "omg_lib/system/compiling.py": "reads the package's own modules, and marks what numba keeps",
    "omg_lib/course/laying.py": "copies the package's own course into a new folder",
    "omg_lib/system/streams.py": "opens the null device where a stream is closed",
}
"""Modules that may open files directly, and why: none of these files can come from another person."""
NAMES = {"open", "save_file", "load_file", "safe_open"}
METHODS = {
    "open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "rmdir", "touch", "symlink_to",
    "hardlink_to", "rename",
}  # fmt: skip
"""Methods of a path. `files.write_text(path)` is a function, and `draft.write(...)` an open file."""
MODULE_CALLS = {
    "os": {"open", "replace", "rename", "remove", "unlink", "truncate", "mkfifo"},
    "shutil": {"rmtree", "copy", "copy2", "copyfile", "copytree", "move"},
    "json": {"load", "dump"},
    "np": {"load", "save", "savez", "fromfile", "loadtxt", "genfromtxt", "memmap"},
}


def own_ways(tree: ast.AST) -> list[str]:
    """Return the calls that open, write, rename or remove a file by its path."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call, owner = node.func, getattr(node.func, "value", None)
        if isinstance(call, ast.Name) and call.id in NAMES:
            found.append(f"{node.lineno}: {call.id}")
        elif isinstance(call, ast.Attribute) and isinstance(owner, ast.Name) and owner.id in MODULE_CALLS:
            found += [f"{node.lineno}: {owner.id}.{call.attr}"] * (call.attr in MODULE_CALLS[owner.id])
        elif isinstance(call, ast.Attribute) and call.attr in METHODS and ast.unparse(owner) not in ("files", "here"):
            found.append(f"{node.lineno}: {ast.unparse(call)}")
        elif isinstance(call, ast.Attribute) and call.attr == "savefig":
            to_memory = node.args and ast.unparse(node.args[0]) in ("text", "out")
            found += [] if to_memory else [f"{node.lineno}: savefig"]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_opens_files_by_itself(path):
    if path.relative_to(ROOT).as_posix() not in SYSTEMS_OWN:
        assert own_ways(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "open(p)", "Path(p).open('a')", "p.read_text()", "(a / b).write_bytes(x)", "os.replace(a, b)", "json.load(f)",
        "shutil.rmtree(p)", "safe_open(p, 'np')", "figure.savefig(path)", "np.load(p)", "io.open(p)", "p.rename(q)",
    ],
)  # fmt: skip
def test_the_look_finds_what_it_looks_for(line):
    assert own_ways(ast.parse(line))
