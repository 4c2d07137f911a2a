"""The hub's settings are read as JupyterHub reads them, and its Dockerfile line by line; no hub is started here."""

import csv
import os
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import traitlets

ROOT = Path(__file__).parents[2]
HUB = ROOT / "benchmarks/hub"
INSTRUCTIONS = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (HUB / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_dockerfile_is_one_that_a_linter_would_pass():
    found = instructions()
    assert {name for name, _ in found} == INSTRUCTIONS
    assert found[0][0] == "FROM" and re.search(r":[\w.-]+$", found[0][1]) and ":latest" not in found[0][1]
    for name, words in found:
        if name == "COPY":
            *sources, _ = words.split()
            assert [source for source in sources if not (ROOT / source).exists()] == []
        if name == "RUN" and "pip install" in words:
            assert words.count("--no-cache-dir") == words.count("pip install")
        assert "sudo" not in words and "ADD" != name
    assert [words for name, words in found if name == "USER"] == ["student"], "nobody works as root"
    assert found[-1][0] == "CMD" and found[-1][1].startswith("["), "signals reach the server, not a shell"
    where = [name for name, _ in found]
    assert where.index("USER") > max(i for i, name in enumerate(where) if name in ("COPY", "RUN"))


def test_an_unset_index_does_not_stop_the_build():
    (line,) = [words for name, words in instructions() if name == "RUN" and "TORCH_INDEX" in words]
    assert line.startswith("if ") and line.endswith("fi")


class Section:
    """A part of traitlets' configuration: any name may be set."""

    def __getattr__(self, name):
        self.__dict__[name] = Section()
        return self.__dict__[name]


class Spawner(traitlets.HasTraits):
    """Stands in for JupyterHub's, which the course does not install."""

    user = SimpleNamespace(id=3, name="ada")
    mem_limit, cpu_limit = 2**30, 1.0

    def user_env(self, env):
        return env


@pytest.fixture
def hub(monkeypatch):
    for name in ("jupyterhub", "jupyterhub.spawner"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["jupyterhub.spawner"].SimpleLocalProcessSpawner = Spawner
    monkeypatch.setattr(sys, "path", [str(HUB), *sys.path])
    yield
    sys.modules.pop("students", None)


@pytest.fixture
def settings(hub, tmp_path, monkeypatch):
    """settings(NAME=value, ...) -> the configuration that the file makes with these variables."""

    def read(**variables):
        monkeypatch.setenv("OMG_HUB_FOLDER", str(tmp_path / "hub"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        made = Section()
        runpy.run_path(str(HUB / "jupyterhub_config.py"), {"get_config": lambda: made})
        return made

    return read


def test_nobody_logs_in_without_a_password_that_was_chosen(settings):
    one, other = settings(), settings()
    assert one.DummyAuthenticator.password != other.DummyAuthenticator.password
    assert settings(OMG_HUB_PASSWORD="chosen").DummyAuthenticator.password == "chosen"
    assert [service["name"] for service in one.JupyterHub.services] == ["idle-culler"]


def test_limits_and_homes_are_what_was_asked_for(settings, tmp_path):
    made = settings(OMG_HUB_CPUS="2", OMG_HUB_MEMORY="1000000")
    assert (made.Spawner.cpu_limit, made.Spawner.mem_limit) == (2.0, 1_000_000)
    assert made.StudentSpawner.homes == str(tmp_path / "hub/homes")
    assert made.StudentSpawner.course == str(ROOT)


def test_a_home_has_notebooks_of_its_own_and_the_data_of_all(hub, tmp_path):
    from students import StudentSpawner

    spawner = StudentSpawner(homes=str(tmp_path), course=str(ROOT))
    spawner.lay_out(os.getuid())
    home = tmp_path / "ada"
    assert (home / "data").resolve() == (ROOT / "data").resolve()
    answered = home / "notebooks/00_start_here.ipynb"
    answered.write_text("answered")
    spawner.lay_out(os.getuid())
    assert answered.read_text() == "answered", "a student's work stays"
    assert home.stat().st_mode & 0o777 == 0o700
    assert spawner.user_env({"HOME": "/"})["HOME"] == str(home)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_students_go_round_the_cores(hub):
    from students import StudentSpawner

    spawner, usable = StudentSpawner(homes="", course=""), sorted(os.sched_getaffinity(0))
    assert spawner.cores() == {usable[3 % len(usable)]}
    spawner.cpu_limit = 1000.0
    assert spawner.cores() == set(usable), "no more than there are"


def test_what_was_measured_is_what_the_page_says():
    with (ROOT / "data/results/hub.csv").open() as file:
        rows = {row["what"]: row for row in csv.DictReader(file)}
    page = (HUB / "README.md").read_text()
    told = re.findall(r"^\| ([^|]+?) \| ([\d,]+) (MB|env-steps/s) \|", page, flags=re.M)
    assert {what for what, _, _ in told} == set(rows)
    for what, value, unit in told:
        scale = 1e6 if unit == "MB" else 1
        assert float(value.replace(",", "")) == pytest.approx(float(rows[what]["median"]) / scale, abs=0.5), what
