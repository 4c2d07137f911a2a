"""`import omg_lib` needs only the standard library, and public names load on first use."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import omg_lib
from omg_lib import PUBLIC

STANDARD_ONLY = """
import sys
before = set(sys.modules)
import omg_lib
new = set(sys.modules) - before
tops = {name.partition(".")[0] for name in new} - set(sys.stdlib_module_names)
print(sorted(tops), sorted(name for name in new if name.startswith("omg_lib.")))
"""


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_the_package_loads_the_standard_library_only():
    assert python(STANDARD_ONLY) == "['omg_lib'] []"


def test_importing_the_package_leaves_signals_alone():
    before = "import signal; before = signal.getsignal(signal.SIGINT); import omg_lib; "
    assert python(before + "print(before is signal.getsignal(signal.SIGINT))") == "True"


@pytest.mark.parametrize("name", omg_lib.__all__)
def test_every_public_name_loads(name):
    assert getattr(omg_lib, name).__name__ == name
    assert name in dir(omg_lib)


@pytest.mark.parametrize("name", [one.name for one in pkgutil.walk_packages(omg_lib.__path__, "omg_lib.")])
def test_every_module_can_be_imported(name):
    """Commands load on demand: a name that one of them imports from elsewhere and that is gone would show only then."""
    importlib.import_module(name)


def test_the_table_of_names_is_what_type_checkers_read():
    tree = ast.parse(Path(omg_lib.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    read = {node.module.removeprefix("omg_lib."): tuple(alias.name for alias in node.names) for node in block.body}
    assert read == PUBLIC


NAMED_TWICE = """
import sys
for name in ("predict", "regroup"):
    for first in (f"import omg_lib.{name}", "import omg_lib.training", f"from omg_lib import {name}"):
        for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "omg_lib"]:
            del sys.modules[loaded]
        exec(first)
        import omg_lib as omg
        print(callable(getattr(omg, name)), name, first)
"""
"""Each case starts without the library, but keeps torch, which takes seconds to load."""


@pytest.mark.slow
def test_a_function_wins_over_the_module_of_its_name_whatever_is_imported_first():
    said = python(NAMED_TWICE).splitlines()
    assert len(said) == 6 and [line for line in said if not line.startswith("True")] == []


@pytest.mark.slow
def test_a_room_loads_on_first_use():
    assert python("import omg_lib as omg; print(omg.envs.make_env is omg.make_env)") == "True"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        omg_lib.nothing  # noqa: B018
    assert not hasattr(omg_lib, "_nothing")
