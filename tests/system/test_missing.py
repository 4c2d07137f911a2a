"""Whatever package is missing or broken, `doctor` prints its table and other commands say one sentence."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from omg_lib.system.doctor import FOR_DEVELOPERS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = [texts for name, texts in PROJECT["optional-dependencies"].items() if name not in FOR_DEVELOPERS]
PACKAGES = [re.match(r"[\w-]+", text)[0] for texts in (PROJECT["dependencies"], *EXTRAS) for text in texts]

BLOCK = """
import sys
from importlib import metadata
real = metadata.version
def version(name):
    if name in blocked:
        raise metadata.PackageNotFoundError(name)
    return real(name)
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
def block(*names):
    blocked.update(names)
    for name in [name for name in sys.modules if name.partition(".")[0] in blocked]:
        del sys.modules[name]
    metadata.version = version
    sys.meta_path.insert(0, Blocked())
blocked = set()
"""
EACH = """
import os, torch
for name in sys.argv[1:]:
    print("===", name, flush=True)
    if os.fork() == 0:
        block(name)
        from omg_lib.__main__ import main
        code = main(["doctor"])
        sys.stdout.flush()
        os._exit(code)
    if os.wait()[1]:
        sys.exit(f"the doctor failed without {name}")
"""


def python(*words: str, code: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", BLOCK + code, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)


def run(command: str, *blocked: str) -> subprocess.CompletedProcess:
    code = f"block(*{blocked!r}); sys.argv[1:] = ['{command}']; from omg_lib.__main__ import main; sys.exit(main())"
    return python(code=code)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_the_doctor_names_each_package_that_is_missing_and_exits_0():
    names = [name for name in PACKAGES if name != "torch"]
    done = python(*names, code=EACH)
    assert done.returncode == 0, done.stderr
    parts = re.split(r"^=== (.+)\n", done.stdout, flags=re.M)[1:]
    assert parts[::2] == names
    for name, table in zip(names, parts[1::2], strict=True):
        assert re.search(rf"^(fix|optional) +{name} +not installed", table, re.M), name


@pytest.mark.parametrize("blocked", [("torch",), tuple(PACKAGES)], ids=["torch", "everything"])
def test_the_doctor_runs_without_torch_and_without_anything(blocked):
    done = run("doctor", *blocked)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^fix +torch +not installed", done.stdout, re.M)
    assert re.search(r"^\w+ +StarCraft II ", done.stdout, re.M)


@pytest.mark.slow
def test_another_command_says_which_package_does_not_load():
    done = run("train", "tensordict")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and len(done.stderr) <= 301
    assert "command='train'" in done.stderr and "'tensordict'" in done.stderr and "doctor" in done.stderr


@pytest.mark.slow
def test_a_package_that_breaks_while_it_loads_is_one_sentence(tmp_path):
    (tmp_path / "tqdm.py").write_text("raise OSError('libbroken.so: cannot open shared object file')\n")
    code = "sys.argv[1:] = ['train']; from omg_lib.__main__ import main; sys.exit(main())"
    done = python(code=code, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "libbroken.so" in done.stderr


def test_help_needs_the_standard_library_only():
    done = run("--help", *PACKAGES)
    assert (done.returncode, done.stderr) == (0, "")
    assert "doctor" in done.stdout
