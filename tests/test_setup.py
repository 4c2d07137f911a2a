"""The files that set up a machine agree with each other, and `make` does what README.md says."""

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = {extra: [Requirement(text) for text in texts] for extra, texts in PROJECT["optional-dependencies"].items()}
EVERYTHING = BASE + [requirement for extra in EXTRAS.values() for requirement in extra]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
CONSTRAINTS = (ROOT / "constraints.txt").read_text().splitlines()
README = (ROOT / "README.md").read_text()

CONDA_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


# --- environment.yml ---


def conda_packages() -> tuple[dict[str, Requirement], list[str]]:
    """Return the requirements of environment.yml, by their names in pyproject.toml, and the lines of its pip part."""
    (pip_lines,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    lines = [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]
    # conda writes python=3.11 where pip writes python==3.11
    found = [Requirement(re.sub(r"^([\w-]+)=(?=\d)", r"\1==", line)) for line in lines]
    found += [Requirement(line) for line in pip_lines if not line.startswith("-")]
    return {CONDA_NAMES.get(requirement.name, requirement.name): requirement for requirement in found}, pip_lines


def test_environment_has_the_packages_of_pyproject_with_the_same_bounds():
    packages, _ = conda_packages()
    wanted = {requirement.name: requirement.specifier for requirement in BASE + EXTRAS["lab"]}
    asked = {name: requirement.specifier for name, requirement in packages.items()}
    for only_in_conda in ("python", "pip", "git"):
        asked.pop(only_in_conda)
    assert asked == wanted


def test_environment_installs_the_project_on_a_python_that_it_allows():
    packages, pip_lines = conda_packages()
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    assert "-e ." in pip_lines
    (version,) = packages["python"].specifier
    assert Requirement("python" + PROJECT["requires-python"]).specifier.contains(version.version)


SMACV2 = ENVIRONMENT["variables"]["OMG_SMACV2"]


def test_smacv2_is_named_pinned_and_nothing_that_an_environment_needs():
    assert re.fullmatch(r"smacv2 @ git\+https://github\.com/oxwhirl/smacv2\.git@[0-9a-f]{40}", SMACV2)
    assert "smacv2" not in json.dumps(ENVIRONMENT["dependencies"]).lower()


@pytest.mark.slow
def test_the_pip_part_of_the_environment_solves_without_smacv2():
    """What conda installs is taken as given; the rest must be satisfiable, and is here already."""
    _, lines = conda_packages()
    wanted = [ROOT if line == "-e ." else line for line in lines]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-build-isolation", "--no-deps"]
    done = subprocess.run([*command, *wanted], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- constraints.txt ---


def pins() -> dict[str, str]:
    return dict(line.split("==") for line in CONSTRAINTS)


def test_constraints_hold_nothing_but_pins():
    assert [line for line in CONSTRAINTS if not re.fullmatch(r"[a-z0-9-]+==[a-z0-9.]+", line)] == []
    assert sorted(pins()) == [line.split("==")[0] for line in CONSTRAINTS], "sorted, and no name twice"


def test_jsonschema_is_one_that_starts_at_once():
    """Since 4.25 it builds a grammar on import, 2 to 3 seconds of every process of Ray, nbgrader and Jupyter."""
    assert Version(pins()["jsonschema"]) < Version("4.25")


@pytest.mark.parametrize("requirement", EVERYTHING, ids=str)
def test_every_dependency_is_pinned_within_its_bounds(requirement):
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_nothing_that_comes_along_is_left_unpinned():
    """Every installed package that ours depend on, directly or not, has a pin."""
    unpinned, seen, todo = [], set(), list(EVERYTHING)
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if (name, *extras) in seen:
            continue
        seen.add((name, *extras))
        if name not in pins():
            unpinned.append(name)
        for child in map(Requirement, metadata.requires(name) or []):
            if child.marker is None or any(child.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(child)
    assert unpinned == []


# --- what is imported is declared ---


def imported_modules(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"omg_lib", "IPython"}  # ipykernel is IPython's kernel


installed_by = functools.cache(metadata.packages_distributions)
"""Module -> the distributions that installed it; reading every installed file's name takes a second."""


def undeclared(modules: set[str], declared: list[Requirement]) -> set[str]:
    owners = installed_by()
    names = {canonicalize_name(requirement.name) for requirement in declared}
    return {
        module
        for module in modules
        if names.isdisjoint(canonicalize_name(owner) for owner in owners.get(module, [module]))
    }


@pytest.mark.slow
def test_the_library_imports_only_what_is_declared():
    without_test = [r for extra, listed in EXTRAS.items() if extra != "test" for r in listed]
    for path in (ROOT / "omg_lib").rglob("*.py"):
        left = undeclared(imported_modules(path.read_text()), BASE + without_test)
        assert left <= {"smacv2", "pysc2", "s2clientprotocol", "absl"}, path  # by `make smacv2`


def test_notebooks_import_only_what_make_lab_installs():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        magic = re.compile(r"^\s*[%!].*$", re.MULTILINE)
        modules = {module for source in code for module in imported_modules(magic.sub("", source))}
        assert undeclared(modules, BASE + EXTRAS["lab"]) == set(), path


# --- make ---


FAKE_PYTHON = """#!/bin/sh
# Acts as Python: makes a .venv/ whose python is this script, and notes what it is asked to do.
case "$*" in
    *version_info*) exit 0 ;;
    "-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python; touch .venv/pyvenv.cfg ;;
esac
echo "$*" >> calls.log
case "$*" in *pytest*) exit "${PYTEST_EXIT:-0}" ;; esac
"""


class Workshop:
    """A copy of the Makefile with a fake Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "pyproject.toml", "constraints.txt", "environment.yml"):
            shutil.copy(ROOT / name, folder)
        self.python = folder / "fake-python"
        self.python.write_text(FAKE_PYTHON)
        self.python.chmod(0o755)

    def make(self, *targets: str, python: str | None = None, **environment: str) -> subprocess.CompletedProcess:
        # The tests themselves may run under make, which passes its flags and variables down.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(
            [shutil.which("make"), *targets, f"PYTHON={python or self.python}"],
            cwd=self.folder,
            env=inherited | environment,
            capture_output=True,
            text=True,
        )

    def calls(self, about: str) -> list[str]:
        """Return Python's calls since the last look that mention `about`."""
        log = self.folder / "calls.log"
        calls = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [call for call in calls if about in call]


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    return Workshop(tmp_path)


def test_lab_installs_the_base_once_and_opens_the_first_notebook(workshop):
    assert workshop.make("lab").returncode == 0
    calls = workshop.calls("")
    assert calls.count("-m omg_lib compile") <= 1, "at work beside the lab, whose start it does not delay"
    venv, torch, install, lab = (call for call in calls if "compile" not in call)
    assert venv == "-m venv .venv"
    for call, last in ((torch, "torch"), (install, "-e .[lab,fast]")):
        assert "pip install" in call and "-c constraints.txt" in call and call.endswith(last)
    assert "jupyterlab" in lab and lab.endswith("notebooks/00_start_here.ipynb")

    assert workshop.make("lab").returncode == 0
    assert workshop.calls("pip install") == []


def test_the_first_start_says_what_it_does_in_a_few_lines(workshop):
    said = workshop.make("lab").stdout.splitlines()
    assert 4 <= len(said) <= 10 and not any("pip" in line for line in said)


def test_jupyterlab_is_told_not_to_ask_about_news(workshop):
    workshop.make("lab")
    overrides = json.loads((workshop.folder / ".venv/share/jupyter/lab/settings/overrides.json").read_text())
    assert overrides == {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}


def test_tests_add_every_extra_and_leave_the_base_installed(workshop):
    assert workshop.make("lab", "test", "lab").returncode == 0
    *_, full = workshop.calls("-e .")
    for extra in EXTRAS:
        assert re.search(rf"[\[,]{extra}[\],]", full)
    assert workshop.make("test", "lab", "setup").returncode == 0
    assert workshop.calls("pip install") == []


@pytest.mark.parametrize("target", ["setup", "assignments"])
def test_tests_and_teachers_wait_until_the_battle_is_compiled(workshop, target):
    workshop.make(target)
    calls = workshop.calls("")
    assert calls.index("-m omg_lib compile") > max(i for i, call in enumerate(calls) if "pip install" in call)


@pytest.mark.parametrize("target", ["test", "quick", "results"])
def test_tests_compile_the_battle_again_when_its_code_has_changed(workshop, target):
    rules = workshop.folder / "omg_lib/envs/rules.py"
    rules.parent.mkdir(parents=True)
    rules.touch()
    for compiled, changed in ((1, False), (0, False), (1, True)):
        if changed:
            later = (workshop.folder / ".venv/compiled.stamp").stat().st_mtime + 10
            os.utime(rules, (later, later))
        assert workshop.make(target).returncode == 0
        assert len(workshop.calls("-m omg_lib compile")) == compiled


def test_after_the_tests_the_lab_has_nothing_to_install(workshop):
    assert workshop.make("test").returncode == 0
    assert len(workshop.calls("-e .")) == 1
    assert workshop.make("lab").returncode == 0
    assert workshop.calls("pip install") == []


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_a_changed_dependency_is_installed_at_the_next_start(workshop, changed):
    workshop.make("setup")
    workshop.calls("")
    later = (workshop.folder / ".venv/full.stamp").stat().st_mtime + 10
    os.utime(workshop.folder / changed, (later, later))
    workshop.make("setup")
    again = workshop.calls("")
    assert sum(call.endswith("]") for call in again) == 1
    assert "-m venv .venv" not in again


@pytest.mark.parametrize("code", ["1", "5"])  # a test failed; no test was found
def test_make_test_fails_when_pytest_does(workshop, code):
    assert workshop.make("test", PYTEST_EXIT=code).returncode != 0


def test_a_missing_browser_is_named_before_the_tests(workshop):
    missing = workshop.make("test", PATH=only_programs(workshop.folder, "sh", "cp", "mkdir", "touch"))
    assert missing.returncode == 0 and "Chromium was not found" in missing.stdout
    named = workshop.make("test", OMG_CHROMIUM="/opt/chromium")
    assert "Chromium was not found" not in named.stdout


def test_without_a_new_python_one_sentence_says_so(workshop):
    old = workshop.folder / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in (str(old), "no-such-python"):
        result = workshop.make("lab", python=python)
        assert result.returncode != 0
        assert "Python 3.11 or newer" in result.stderr.splitlines()[0]
        assert not (workshop.folder / ".venv").exists()


def test_smacv2_comes_from_the_commit_in_environment_yml(workshop):
    assert workshop.make("smacv2").returncode == 0
    *_, install = workshop.calls("pip install")
    assert install.endswith(SMACV2)


def test_help_lists_every_target_and_readme_names_no_other(workshop):
    listed = set(re.findall(r"^make (\w+)", workshop.make().stdout, re.MULTILINE))
    assert listed >= {"lab", "quick", "test", "setup", "lint", "smacv2", "clean", "help"}
    commands = set(re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE))
    assert commands >= {"lab", "test"}
    assert commands <= listed


# --- continuous integration ---


def only_programs(folder: Path, *names: str) -> str:
    """Return a PATH with these programs and no others."""
    programs = folder / "programs"
    programs.mkdir()
    for name in names:
        (programs / name).symlink_to(shutil.which(name))
    return str(programs)


def run_ci(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", folder / ".ci")
    return subprocess.run(["bash", ".ci/run"], cwd=folder, env=os.environ | environment, capture_output=True, text=True)


def test_ci_fails_when_the_tests_fail(tmp_path):
    (tmp_path / "Makefile").write_text("test:\n\texit 5\n")
    assert run_ci(tmp_path, CI="").returncode != 0


@pytest.mark.parametrize(("user", "prefix"), [("0", ""), ("1000", "sudo ")])
def test_ci_installs_a_missing_browser(tmp_path, user, prefix):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in {
        "dpkg": "exit 1",
        "id": f"echo {user}",
        "apt-get": 'echo "apt-get $*"',
        "sudo": 'echo "sudo $*"',
        "make": 'echo "make $*"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    done = run_ci(tmp_path, CI="true", PATH=path).stdout.splitlines()
    assert done[0] == f"{prefix}apt-get update"
    assert done[1].startswith(f"{prefix}apt-get install") and done[1].endswith("chromium fonts-dejavu")
    assert done[2:] == ["make test"]


def test_ci_script_can_be_executed():
    assert os.access(ROOT / ".ci/run", os.X_OK)


# --- the whole tree ---


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    "forbidden",
    [
        # Written in two halves, so that this file does not name them either.
        "|".join(a + b for a, b in (("py", "pi[.]"), ("python", "hosted"), ("npm", "js[.]"), ("ana", "conda[.]"))),
        r"(?<![\w.~$}])/(?:root|home/\w+|Users/\w+|work)/",
    ],
    ids=["host of a registry", "absolute path"],
)
def test_no_file_names(forbidden):
    found = [
        f"{path.relative_to(ROOT)}: {hit[0]}"
        for path in tracked_files()
        if (text := path.read_bytes().decode(errors="ignore")) and "\0" not in text
        for hit in re.finditer(forbidden, text)
    ]
    assert found == []


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (newest, *_) = re.findall(r"^## ([\d.]+) ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation["version"] == metadata.version("omg-lab") == newest


def test_links_in_readme_lead_somewhere():
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert targets
    made_later = {"build/book/index.html"}  # by make book
    assert [target for target in set(targets) - made_later if not (ROOT / target).exists()] == []
