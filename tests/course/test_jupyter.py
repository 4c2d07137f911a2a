"""JupyterLab for the course: the installed one, or one in an environment of its own that sees the library."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from omg_lib import __main__ as commands
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
    course = tmp_path / "课 程"
    (course / ".omg-lab").mkdir(parents=True)
    said, say = heard()
    python = jupyter.ready(course, say)
    assert jupyter.ready(course, say) == python and len(installed) == len(said) == 1
    assert any(requirement.startswith("jupyterlab") for requirement in installed[0])
    look = "import sys, torch, omg_lib; print(sys.prefix); print(torch.__file__)"
    own, torch = subprocess.run([python, "-c", look], check=True, capture_output=True, text=True).stdout.split("\n")[:2]
    assert Path(own) == course / ".omg-lab/venv" and not Path(torch).is_relative_to(course), "torch is seen, not copied"

    monkeypatch.setattr(jupyter, "_around", lambda: ["/another/site-packages"])
    jupyter.ready(course, say)
    assert len(installed) == 2, "made again when the environment around it is another"


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
    (tmp_path / ".omg-lab").mkdir()
    monkeypatch.setattr(jupyter.Path, "home", lambda: tmp_path / "nowhere")
    assert jupyter.environment(tmp_path)["HOME"] == str(tmp_path / ".omg-lab/home")
    assert (tmp_path / ".omg-lab/home").is_dir()


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
