"""The wheel: what is in it, how large it is, that it is remade byte by byte, and that the index would take it."""

import hashlib
import posixpath
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

pytest.importorskip("build", reason="build is not installed")
pytest.importorskip("hatchling", reason="hatchling is not installed")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LARGEST = 15_000_000
FILES = "omg_lib/course/files/"


def python(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> list[list[Path]]:
    """The source distribution and the wheel, made twice."""
    both = []
    for number in range(2):
        folder = tmp_path_factory.mktemp(f"dist-{number}")
        done = python("-m", "build", "--no-isolation", "--outdir", str(folder), ".")
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
        both.append(sorted(folder.iterdir()))
    return both


@pytest.fixture
def wheel(made) -> zipfile.ZipFile:
    (path,) = [path for path in made[0] if path.suffix == ".whl"]
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_it_is_remade_byte_by_byte(made):
    first, second = ([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in each] for each in made)
    assert first == second and [name.rpartition(".")[2] for name, _ in first] == ["whl", "gz"]


def test_it_is_small(made):
    assert all(path.stat().st_size < LARGEST for path in made[0])


def test_it_carries_the_course_and_nothing_of_a_teachers(wheel):
    carried = {name.removeprefix(FILES) for name in wheel.namelist() if name.startswith(FILES)}
    notebooks = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= carried and len(notebooks) >= 13
    assert {"notebooks/glossary.md", "notebooks/images/flow_panel.png", "data/README.md"} <= carried
    pages = {"course/constraints.txt", "py.typed", "provenance/README.md", "flow/module/panel.js"}
    assert {f"omg_lib/{page}" for page in pages} <= set(wheel.namelist())
    teachers = re.compile(r"assignments?/.*ipynb|grader|SYLLABUS|GUIDE|tests/")
    assert [name for name in wheel.namelist() if teachers.search(name)] == []


def test_every_link_and_every_recorded_file_that_a_notebook_names_is_there(wheel):
    names = {name.removeprefix(FILES) for name in wheel.namelist()}
    for name in [name for name in names if name.endswith(".ipynb")]:
        text = wheel.read(FILES + name).decode()
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text) + re.findall(r"(?:\.\./)+data/[\w./-]*\w", text):
            path = posixpath.normpath((Path(name).parent / link).as_posix())
            missing = path not in names and not any(other.startswith(path) for other in names)
            assert not missing or path == "data/gpu", f"{name}: {link}"  # data/gpu comes when it was measured


def test_the_library_alone_brings_no_jupyter(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    base = [line for line in message_from_bytes(wheel.read(name)).get_all("Requires-Dist") if "extra ==" not in line]
    assert len(base) >= 8 and not re.search(r"jupyter|\bipy|notebook|traitlets", " ".join(base))


def test_an_index_would_take_it(made):
    pytest.importorskip("twine", reason="twine is not installed")
    done = python("-m", "twine", "--no-color", "check", "--strict", *map(str, made[0]))
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout


def test_what_is_installed_here_fits_together():
    done = python("-m", "pip", "check")
    assert done.returncode == 0, done.stdout


def test_the_project_says_what_it_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["keywords"] and project["urls"]
    versions = [line.rpartition(" :: ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
