"""The hub's settings are read as JupyterHub reads them, its Dockerfile line by line; no hub is started here."""

import csv
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import traitlets

ROOT = Path(__file__).parents[2]
HUB = ROOT / "deploy/hub"
INSTRUCTIONS = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, with continued lines joined."""
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
    assert [words for name, words in found if name == "USER"] == ["student"], "the container does not run as root"
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
    """A fake of JupyterHub's, which the course does not install."""

    user = SimpleNamespace(id=3, name="ada")
    mem_limit, cpu_limit = 2**30, 1.0
    cmd = (sys.executable, "-m", "jupyterhub.singleuser")

    def user_env(self, env):
        return env


@pytest.fixture
def hub(monkeypatch):
    for name in ("jupyterhub", "jupyterhub.spawner"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["jupyterhub.spawner"].SimpleLocalProcessSpawner = Spawner
    monkeypatch.setattr(sys, "path", [str(HUB), *sys.path])
    yield
    for name in ("students", "layout"):
        sys.modules.pop(name, None)


@pytest.fixture
def course(tmp_path):
    """A students' copy, reduced to what a hub checks."""
    course = tmp_path / "student-copy"
    (course / "notebooks" / "assignments" / "a1").mkdir(parents=True)
    (course / "notebooks" / "assignments" / "a1" / "a1.ipynb").write_text("{}")
    (course / "notebooks" / "00_start_here.ipynb").write_text("{}")
    (course / "data").mkdir()
    above = Path(tempfile.gettempdir()).resolve()
    for folder in (tmp_path, *tmp_path.resolve().relative_to(above).parents[:-1]):
        (above / folder).chmod(0o755)  # pytest closes them, and a student of a hub that runs as root is another user
    return course


@pytest.fixture
def settings(hub, course, tmp_path, monkeypatch):
    """settings(NAME=value, ...) -> the configuration that the file creates with these variables."""
    umask = os.umask(0o022)

    def read(**variables):
        monkeypatch.setenv("OMG_HUB_COURSE", str(course))
        monkeypatch.setenv("OMG_HUB_FOLDER", str(tmp_path / "hub"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        made = Section()
        runpy.run_path(str(HUB / "jupyterhub_config.py"), {"get_config": lambda: made})
        return made

    yield read
    os.umask(umask)


def test_nobody_logs_in_without_a_password_that_was_chosen(settings):
    one, other = settings(), settings()
    assert one.DummyAuthenticator.password != other.DummyAuthenticator.password
    assert settings(OMG_HUB_PASSWORD="chosen").DummyAuthenticator.password == "chosen"
    assert [service["name"] for service in one.JupyterHub.services] == ["idle-culler"]


def test_limits_and_homes_are_what_was_asked_for(settings, course, tmp_path):
    made = settings(OMG_HUB_CPUS="2", OMG_HUB_MEMORY="1000000")
    assert (made.Spawner.cpu_limit, made.Spawner.mem_limit) == (2.0, 1_000_000)
    assert made.StudentSpawner.homes == str(tmp_path / "hub/homes")
    assert made.StudentSpawner.course == str(course)


def test_the_hubs_files_are_its_own_and_a_student_passes_through_to_a_home(settings, tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "hub.sqlite").write_text("of an earlier version")
    (folder / "hub.sqlite").chmod(0o644)
    settings()
    assert (folder / "hub.sqlite").stat().st_mode & 0o777 == 0o600
    (folder / "made-later").touch()
    assert (folder / "made-later").stat().st_mode & 0o777 == 0o600
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / "homes")] == [0o711, 0o711]


@pytest.mark.parametrize("name", ["..", ".", ".ssh", "a/b", "", "a\n", "Ada", "a" * 65])
def test_no_student_is_called_like_another_folder(name, hub, settings, course, tmp_path):
    from students import StudentSpawner

    assert re.match(settings().Authenticator.username_pattern, name) is None
    spawner = StudentSpawner(homes=str(tmp_path / "hub/homes"), course=str(course))
    spawner.user = SimpleNamespace(id=3, name=name)
    with pytest.raises(ValueError, match="allowed are"):
        spawner.lay_out(os.getuid())


def spawner_of(course: Path, homes: Path) -> object:
    from students import StudentSpawner

    homes.mkdir(exist_ok=True)
    homes.chmod(0o711)
    spawner = StudentSpawner(homes=str(homes), course=str(course))
    spawner.cmd = (python_of_a_student(),)
    return spawner


def python_of_a_student() -> str:
    """This Python, if the tests run as an ordinary user; as root, one that a student can run, too."""
    if os.getuid() != 0:
        return sys.executable
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run([python, "-I", "-c", "import shutil"], user=20_003, group=20_003, check=True, cwd="/")
            return python
        except (OSError, subprocess.CalledProcessError):
            continue
    pytest.skip("no Python lies where a student's user can reach it")


def user_of(spawner) -> int:
    return 20_000 + spawner.user.id if os.getuid() == 0 else os.getuid()


def test_a_home_has_notebooks_of_its_own_and_the_data_of_all(hub, course, tmp_path):
    spawner = spawner_of(course, tmp_path / "homes")
    user = user_of(spawner)
    spawner.lay_out(user)
    home = tmp_path / "homes/ada"
    assert {path.lstat().st_uid for path in (home, *home.rglob("*"))} == {user}
    assert (home / "data").resolve() == (course / "data").resolve()
    answered = home / "notebooks/00_start_here.ipynb"
    answered.write_text("answered")
    spawner.lay_out(user)
    assert answered.read_text() == "answered", "a student's work stays"
    assert home.stat().st_mode & 0o777 == 0o700
    assert spawner.user_env({"HOME": "/"})["HOME"] == str(home)


def test_a_copy_that_was_interrupted_is_made_whole(hub, course, tmp_path, monkeypatch):
    from layout import lay_out

    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(shutil, "copytree", lambda source, target: Path(target).mkdir() or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lay_out(course, home)
    monkeypatch.undo()
    lay_out(course, home)
    assert (home / "notebooks/assignments/a1/a1.ipynb").is_file()
    assert sorted(path.name for path in home.iterdir()) == ["data", "notebooks"]


# --- what no student gets --------------------------------------------------------------------------------------------

TEACHERS = [
    *("source", "grader", "gradebook.db", "submitted", "autograded", "feedback", "grades.csv", "nbgrader_config.py")
]


@pytest.mark.parametrize("name", [*(f"notebooks/assignments/{name}" for name in TEACHERS), "tests/assignments",
                                  "tests/helpers/answers", "notebooks/elsewhere/gradebook.db"])  # fmt: skip
def test_the_hub_does_not_start_from_a_tree_with_something_of_a_teachers(name, settings, course, capsys):
    (course / name).mkdir(parents=True)
    with pytest.raises(SystemExit) as stopped:
        settings()
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1
    assert f"{name} is for teachers only: name the tree that make student-copy makes" in said


def test_the_hub_does_not_start_from_this_checkout_nor_from_nothing(hub):
    from layout import refusal

    if (ROOT / "notebooks/assignments/source").is_dir():
        assert "for teachers only" in refusal(ROOT, apart=False)
    assert "it has no notebooks/" in refusal(ROOT / "nowhere", apart=False)


def test_the_hub_does_not_start_where_students_can_walk_to_the_solutions(hub, course, tmp_path):
    from layout import refusal

    inner = tmp_path / "checkout" / "build" / "student-copy"
    shutil.copytree(course, inner)
    assert refusal(inner, apart=True) == ""
    source = tmp_path / "checkout" / "notebooks" / "assignments" / "source"
    source.mkdir(parents=True)
    (tmp_path / "checkout" / ".git").mkdir(mode=0o700)
    if all(folder.stat().st_mode & 0o001 for folder in tmp_path.parents):
        assert f"students could read {source}: close it with chmod go-rwx" in refusal(inner, apart=True)
    source.parent.chmod(0o700)
    assert refusal(inner, apart=True) == ""


def test_the_image_is_built_of_the_students_copy():
    (check,) = [words for name, words in instructions() if name == "RUN" and words.startswith("test ")]
    assert "! -e notebooks/assignments/source" in check and "-f notebooks/assignments/a1/a1.ipynb" in check
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*", "only listed files go in"
    back = [line[1:] for line in lines if line.startswith("!")]
    copied = [words.split()[:-1] for name, words in instructions() if name == "COPY"]
    assert sorted(back) == sorted(source for sources in copied for source in sources)
    again_out = {line.split("/")[-1].rstrip("*") for line in lines[1 + len(back) :]}
    assert set(TEACHERS) <= again_out


# --- links -----------------------------------------------------------------------------------------------------------

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only a hub that runs as root changes owners")
SWAP = """
import os, sys
home, victim = sys.argv[1:]
os.chdir(home)
os.makedirs("own/notebooks", exist_ok=True)
open("own/a1.ipynb", "w").close()
os.symlink(victim, "link")
while True:
    for one in ("own", "link"):
        try:
            os.rename(one, "notebooks")
            os.rename("notebooks", one)
        except OSError:
            pass
"""


@root_only
def test_root_changes_the_owner_of_a_new_home_and_of_nothing_in_it(hub, course, tmp_path, monkeypatch):
    spawner, changed, really = spawner_of(course, tmp_path / "homes"), [], os.chown
    monkeypatch.setattr(os, "chown", lambda path, *more: changed.append(path) or really(path, *more))
    for _ in range(2):
        spawner.lay_out(20_003)
    assert changed == [tmp_path / "homes/ada"]


@pytest.mark.slow
@root_only
def test_a_link_that_is_swapped_in_while_root_lays_out_takes_no_file(hub, course, tmp_path):
    victim = tmp_path / "of-root"
    victim.mkdir(mode=0o755)
    (victim / "a1.ipynb").write_text("secret")
    (victim / "a1.ipynb").chmod(0o600)
    spawner = spawner_of(course, tmp_path / "homes")
    spawner.lay_out(20_003)
    home = tmp_path / "homes/ada"
    shutil.rmtree(home / "notebooks")
    command = [python_of_a_student(), "-I", "-c", SWAP, str(home), str(victim)]
    student = subprocess.Popen(command, user=20_003, group=20_003, extra_groups=[])
    try:
        done = 0
        for _ in range(20):
            try:
                spawner.lay_out(20_003)
                done += 1
            except RuntimeError as error:
                assert "could not be laid out" in str(error)
        assert student.poll() is None and done > 0
    finally:
        student.kill()
        student.wait()
    for path in (victim, victim / "a1.ipynb"):
        assert path.stat().st_uid == 0
    assert (victim / "a1.ipynb").read_text() == "secret" and os.listdir(victim) == ["a1.ipynb"]


@pytest.mark.parametrize("inside", ["notebooks", "data", ".notebooks"])
def test_a_link_in_a_home_leads_nowhere(inside, hub, course, tmp_path):
    spawner, home, victim = spawner_of(course, tmp_path / "homes"), tmp_path / "homes/ada", tmp_path / "victim"
    user = user_of(spawner)
    spawner.lay_out(user)
    shutil.rmtree(home / "notebooks")
    victim.mkdir(mode=0o777)
    (home / inside).unlink(missing_ok=True)
    (home / inside).symlink_to(victim)
    try:
        spawner.lay_out(user)
    except RuntimeError as error:
        assert inside == ".notebooks" and "could not be laid out (FileExistsError" in str(error)
    assert list(victim.iterdir()) == []


def test_a_home_of_somebody_else_is_not_handed_over(hub, course, tmp_path):
    spawner = spawner_of(course, tmp_path / "homes")
    (tmp_path / "homes/ada").symlink_to(course)
    with pytest.raises(PermissionError, match="does not belong to user"):
        spawner.lay_out(user_of(spawner))
    (tmp_path / "homes/ada").unlink()
    spawner.lay_out(user_of(spawner))
    if os.getuid() == 0:
        spawner.user = SimpleNamespace(id=3, name="bob")  # the hub reuses the number of a deleted student
        with pytest.raises(PermissionError, match="'ada' already belongs to user 20003"):
            spawner.lay_out(20_003)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_students_go_round_the_cores(hub):
    from students import StudentSpawner

    spawner, usable = StudentSpawner(homes="", course=""), sorted(os.sched_getaffinity(0))
    assert spawner.cores() == {usable[3 % len(usable)]}
    spawner.cpu_limit = 1000.0
    assert spawner.cores() == set(usable), "no more than exist"


def test_what_was_measured_is_what_the_page_says():
    with (ROOT / "data/results/hub.csv").open() as file:
        rows = {row["what"]: row for row in csv.DictReader(file)}
    page = (HUB / "README.md").read_text()
    told = re.findall(r"^\| ([^|]+?) \| ([\d,]+) (MB|env-steps/s) \|", page, flags=re.M)
    assert {what for what, _, _ in told} == set(rows)
    for what, value, unit in told:
        scale = 1e6 if unit == "MB" else 1
        assert float(value.replace(",", "")) == pytest.approx(float(rows[what]["median"]) / scale, abs=0.5), what
