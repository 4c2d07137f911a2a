"""JupyterLab for the course: the installed one, or one in an environment of its own that sees the library."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from omg_lib import __main__ as commands
from omg_lib.commands import lab
from omg_lib.config import ConfigError
from omg_lib.course import jupyter
from omg_lib.system.starcraft import Check

LACKING = [Check("jupyterlab", False, "not installed")]
OFFLINE = "WARNING: Retrying: [Errno -3] Temporary failure in name resolution\nERROR: No matching distribution found"


def heard() -> tuple[list[str], object]:
    said: list[str] = []
    return said, said.append


def test_an_installed_jupyterlab_is_used(tmp_path):
    said, say = heard()
    assert jupyter.ready(tmp_path, say) == Path(sys.executable)
    assert said == [] and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_elsewhere_the_course_gets_its_own_and_keeps_it(tmp_path, monkeypatch):
    installed = []
    monkeypatch.setattr(jupyter, "extra_checks", lambda extra: LACKING)
    monkeypatch.setattr(jupyter, "_install", lambda python, requirements: installed.append(requirements))
    own = tmp_path / "课 程"
    own.mkdir()
    said, say = heard()
    python = jupyter.ready(own, say)
    assert jupyter.ready(own, say) == python and len(installed) == len(said) == 1
    assert any(requirement.startswith("jupyterlab") for requirement in installed[0])
    look = "import sys, torch, omg_lib; print(sys.prefix); print(torch.__file__)"
    looked = subprocess.run([python, "-c", look], check=True, capture_output=True, text=True)
    home, torch = looked.stdout.splitlines()
    assert Path(home).parent == own and not Path(torch).is_relative_to(own), "torch is seen, not copied"

    monkeypatch.setattr(jupyter, "_around", lambda: ["/another/site-packages"])
    assert jupyter.ready(own, say) != python and len(installed) == 2, "another environment around it has its own"
    assert python.parents[1].name in said[-1] and "delete what you no longer use" in said[-1]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (OFFLINE, "check the network"),
        ("error: Failed to fetch: dns error", "check the network"),
        ("ERROR: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: something else\n", "something else"),
        ("", "said nothing"),
    ],
)
def test_a_failed_installation_is_one_sentence_and_is_tried_again(output, said, tmp_path, monkeypatch):
    monkeypatch.setattr(jupyter, "extra_checks", lambda extra: LACKING)
    real = subprocess.run

    def fail(words, **options):
        if "install" not in words:
            return real(words, **options)
        return subprocess.CompletedProcess(words, 1, "", output)

    monkeypatch.setattr(jupyter.subprocess, "run", fail)
    for _ in range(2):
        with pytest.raises(ConfigError) as error:
            jupyter.ready(tmp_path, lambda sentence: None)
        assert said in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) <= 300


def test_without_pip_and_uv_it_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(jupyter, "find_spec", lambda name: None)
    monkeypatch.setattr(jupyter.shutil, "which", lambda name: None)
    monkeypatch.delenv("UV", raising=False)
    with pytest.raises(ConfigError, match=r"pip install \"omg-lab\[lab\]\""):
        jupyter._install(Path(sys.executable), ["jupyterlab"])


def test_the_first_notebook_is_opened_and_news_are_not_asked_for(tmp_path):
    words = jupyter.command(Path("python"), tmp_path, 9000, browser=False)
    assert words[1:3] == ["-c", jupyter.LAUNCH] and "--no-browser" in words
    assert {"--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb", "--ServerApp.port=9000"} <= set(words)
    found = jupyter.environment(tmp_path)
    (overrides,) = tmp_path.rglob("default_setting_overrides.json")
    assert overrides.parents[1] == Path(found["JUPYTER_CONFIG_PATH"].split(os.pathsep)[-1])
    assert json.loads(overrides.read_text())["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


def test_widgets_of_the_environment_around_have_their_half_of_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", "/mine")
    own, around = jupyter.environment(tmp_path)["JUPYTER_PATH"].split(os.pathsep)
    assert own == "/mine" and Path(around) == Path(sys.prefix, "share", "jupyter")


def test_without_a_home_the_course_has_one(tmp_path, monkeypatch):
    monkeypatch.setattr(jupyter.Path, "home", lambda: tmp_path / "nowhere")
    assert jupyter.environment(tmp_path)["HOME"] == str(tmp_path / "home")
    assert (tmp_path / "home").is_dir()


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    monkeypatch.setattr(jupyter, "has_home", lambda: False)
    monkeypatch.setattr(jupyter.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path / f"omg-lab-{os.getuid()}"


def test_the_own_folder_is_the_users_alone(homeless, tmp_path):
    assert jupyter.own_folder() == jupyter.own_folder() == homeless and homeless.stat().st_mode & 0o777 == 0o700
    homeless.chmod(0o770)
    with pytest.raises(ConfigError, match="you alone can write"):
        jupyter.own_folder()
    homeless.rmdir()
    (tmp_path / "a_strangers").mkdir(mode=0o700)
    homeless.symlink_to(tmp_path / "a_strangers")
    with pytest.raises(ConfigError, match="you alone can write"):
        jupyter.own_folder()
    homeless.unlink()
    homeless.write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        jupyter.own_folder()


HOSTILE = [
    f"{folder}{name}.py"
    for folder in ("", ".omg-lab/", ".omg-lab/home/.jupyter/")
    for name in ("jupyter_config", "jupyter_server_config", "jupyter_lab_config", "jupyterlab", "ssl", "sitecustomize")
]


def test_starting_a_strangers_course_runs_nothing_that_lies_in_it(homeless, tmp_path, monkeypatch):
    course, started = tmp_path / "course", []
    for name in HOSTILE:
        path = course / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")

    def start(program, words, found):
        started.append(subprocess.run([*words, "--show-config"], env=found, capture_output=True, text=True))
        raise SystemExit

    monkeypatch.chdir(course)
    monkeypatch.setattr(lab, "course_folder", lambda here: here)
    monkeypatch.setattr(lab, "lay", lambda folder: [])
    monkeypatch.setattr(lab.os, "execve", start)
    with pytest.raises(SystemExit):
        commands.main(["lab", "--no-browser"])
    assert str(course) in started[0].stdout and not (tmp_path / "ran").exists(), started[0].stderr


@pytest.mark.parametrize("port", ["0", "65536", "x", "80.5"])
def test_a_wrong_port_is_one_line(port, capsys):
    assert commands.main(["lab", "--port", port]) == 2
    assert "a whole number from 1 to 65535" in capsys.readouterr().err


def test_a_port_in_use_is_one_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert commands.main(["lab", "--port", str(taken.getsockname()[1])]) == 2
    out, err = capsys.readouterr()
    assert "is in use" in err and err.count("\n") == 1 and out == ""


@pytest.mark.parametrize(
    ("words", "run"),
    [
        ([], ["lab"]),
        (["--port", "9000"], ["lab", "--port", "9000"]),
        (["--help"], ["--help"]),
        (["train", "--x"], ["train", "--x"]),
    ],
)
def test_the_console_script_is_the_commands_and_alone_opens_the_course(words, run, monkeypatch):
    asked = []
    monkeypatch.setattr(commands, "main", lambda argv: asked.append(argv) or 0)
    monkeypatch.setattr(commands.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["omg-lab", *words])
    assert commands.omg_lab() == 0 and asked == [run]
