"""The installed package, started as a student does: by a user who is not root, has no home and no name, from a
read-only environment, in a folder whose name has spaces and Chinese characters.

By default the environment holds the wheel and sees the packages of the one that runs the tests: nothing is downloaded.
`OMG_WHEELS=FOLDER` (filled by `pip download -c constraints.txt -d FOLDER "WHEEL[lab]"`) installs everything from there
into an empty environment instead; the times of its steps are printed (`pytest -s`).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.pages import READY

pytest.importorskip("build", reason="build is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
WHEELS = os.environ.get("OMG_WHEELS")
STRANGER = 54321
"""A user id without a name."""
ERROR = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]'
NOT_RUN = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === 'code' && !cell.model.executionCount).map(cell => cell.model.id)"""


class Student:
    """Somebody with an environment that holds the wheel, and a folder of their own."""

    def __init__(self, base: Path) -> None:
        self.base, self.folder = base, base / "学生 的 folder"
        self.folder.mkdir()
        self.drop = {}
        if os.getuid() == 0:
            os.chown(self.folder, STRANGER, STRANGER)
            self.drop = {"user": STRANGER, "group": STRANGER, "extra_groups": []}
        self.home = base / "环境"
        subprocess.run([self._interpreter(), "-m", "venv", "--without-pip", str(self.home)], check=True)
        self.python = self.home / "bin/python"
        self._install()

    def _interpreter(self) -> str:
        """Return a Python of this version that the student may run."""
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        for path in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
            try:
                subprocess.run([path, "-c", ""], check=True, cwd="/", **self.drop)
                return path
            except (OSError, subprocess.CalledProcessError):
                continue
        pytest.skip(f"there is no {version} that a user other than root may run")

    def _install(self) -> None:
        """Install the wheel, with what it needs or seeing the packages around; then nobody may write there."""
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(self.base), str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = self.base.glob("*.whl")
        (inside,) = self.home.glob("lib/python3*/site-packages")
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet", "--no-index"]
        if WHEELS:
            start = time.monotonic()
            pins = ["-c", str(ROOT / "constraints.txt"), "--find-links", WHEELS]
            subprocess.run([*pip, *pins, f"omg-lab[lab] @ {wheel.as_uri()}"], check=True)
            print(f"\ninstalled in {time.monotonic() - start:.1f} s")
        else:
            subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
            around = next(path for path in sys.path if path.endswith("site-packages"))
            (inside / "around.pth").write_text(f"import site; site.addsitedir({around!a})\n")
            (self.home / "share").symlink_to(Path(sys.prefix) / "share")
        for path in [inside, *inside.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)

    def start(self, *words: str, folder: Path | None = None) -> subprocess.Popen:
        """Start `omg-lab` with nothing in its environment but PATH and what lets a test drive JupyterLab."""
        config = self.base / "config"
        config.mkdir(exist_ok=True)
        (config / "jupyter_lab_config.json").write_text(json.dumps({"LabApp": {"expose_app_in_browser": True}}))
        found = {"PATH": os.defpath, "JUPYTER_CONFIG_PATH": str(config), "OMP_NUM_THREADS": "1"}
        command, folder = [str(self.python.with_name("omg-lab")), *words], folder or self.folder
        return subprocess.Popen(command, cwd=folder, env=found, text=True, stderr=subprocess.PIPE, **self.drop)


class Lab:
    """A JupyterLab that `omg-lab` has opened: what it said, and the address that it printed."""

    def __init__(self, student: Student) -> None:
        self.began, self.said = time.monotonic(), []
        self.server = student.start("--no-browser")
        for line in self.server.stderr:
            self.said.append(line)
            if found := re.search(r"http://\S+/00_start_here\.ipynb\?token=\w+", line):
                self.address = found[0]
                return
        pytest.fail("JupyterLab did not start:\n" + "".join(self.said)[-2000:])

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.terminate()
        try:
            self.server.communicate(timeout=30)
        except subprocess.TimeoutExpired:  # an AnyIO thread that waits for work can outlive JupyterLab's loop
            self.server.kill()
            self.server.communicate()

    def open(self, browser: object) -> object:
        """Open notebook 00, until its kernel is ready."""
        page = browser.new_page(viewport={"width": 1280, "height": 6000})
        page.set_default_timeout(120_000)
        page.goto(self.address)
        page.wait_for_function(READY)
        print(f"\nnotebook 00 was open, with a kernel, after {time.monotonic() - self.began:.1f} s")
        return page


@pytest.fixture(scope="module")
def student() -> Iterator[Student]:
    base = Path(tempfile.mkdtemp(prefix="omg-lab-"))  # pytest's own folder is closed to other users
    base.chmod(0o755)
    try:
        yield Student(base)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def test_it_is_the_wheel_that_runs(student):
    look = [student.python, "-c", "import omg_lib; print(omg_lib.__file__)"]
    said = subprocess.run(look, cwd=student.folder, env={}, check=True, capture_output=True, text=True, **student.drop)
    assert Path(said.stdout).is_relative_to(student.home)


def test_notebook_00_opens_and_runs_and_the_second_start_lays_nothing(student, browser):
    with Lab(student) as lab:
        page = lab.open(browser)
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_selector(".omg-flow svg")
        print(f"it had run after {time.monotonic() - lab.began:.1f} s")
        assert page.locator(ERROR).all_inner_texts() == [] and page.evaluate(NOT_RUN) == []
        page.close()
    assert lab.said[0] == f"The course is in {student.folder / 'omg-lab'}.\n"
    notebook = student.folder / "omg-lab/notebooks/00_start_here.ipynb"
    before = notebook.stat().st_ino

    with Lab(student) as lab:
        lab.open(browser).close()
    assert lab.said[0].startswith("Opening JupyterLab") and notebook.stat().st_ino == before


def test_a_folder_of_somebody_else_is_one_sentence(student):
    closed = student.base / "closed"
    closed.mkdir(mode=0o555)
    server = student.start("--no-browser", folder=closed)
    _, said = server.communicate(timeout=120)
    assert server.returncode == 2 and said.count("\n") == 1 and "a folder of your own" in said


def test_a_full_disk_is_one_sentence(student):
    small = student.base / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size=1m,uid={STRANGER}", "tmpfs", str(small)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can make a small disk, and not in every container")
    try:
        for _ in range(2):  # the first leaves a disk that is full to the last byte
            server = student.start("--no-browser", folder=small)
            _, said = server.communicate(timeout=120)
            assert server.returncode == 1 and said.count("\n") == 1
            assert "No space left on device" in said and "20 MB free" in said
    finally:
        subprocess.run(["umount", str(small)], check=True)
