"""The tests' warm processes (tests/helpers/warm) do what ordinary ones do."""

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.helpers import warm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not warm.WORKS, reason="processes are forked safely on Linux only"),
]


@pytest.fixture
def program(tmp_path):
    """program(text) -> the command that runs it as a module, in the folder where it lies."""

    def command(text: str) -> list[str]:
        (tmp_path / "program.py").write_text(text)
        return warm.module("program", "a", "b c")

    return command


def test_a_module_has_its_words_folder_environment_and_streams_and_torch_at_once(program, tmp_path):
    text = "import os, sys\nprint('torch' in sys.modules, __name__, sys.argv[1:])\n"
    text += "print(os.getcwd(), os.environ['X'], input())"
    environment = os.environ | {"X": "ü"}
    done = subprocess.run(
        program(text), cwd=tmp_path, env=environment, input="in\n", capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout == f"True __main__ ['a', 'b c']\n{tmp_path} ü in\n", done.stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [("", 0), ("1 / 0", 1), ("import sys; sys.exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9)],
)
def test_it_ends_as_the_module_ends(program, tmp_path, text, code):
    assert subprocess.run(program(text), cwd=tmp_path, stderr=subprocess.DEVNULL).returncode == code


def test_many_run_at_once(program, tmp_path):
    command = program("import sys\nprint(input(), file=sys.stderr)")
    pipes = dict(stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(3)]
    heard = [process.communicate(f"{number}\n")[1] for number, process in reversed(list(enumerate(running)))]
    assert heard == ["2\n", "1\n", "0\n"] and [process.returncode for process in running] == [0, 0, 0]


SLOW = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_stops_the_process_stops_the_module(program, tmp_path, number):
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with subprocess.Popen(program(SLOW), cwd=tmp_path, **pipes) as process:
        fork = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
        assert process.wait() == -number
    fork.wait(timeout=120)


def test_forks_end_with_the_tests_that_started_them(tmp_path):
    (tmp_path / "program.py").write_text(SLOW)
    tests = (
        "import subprocess; from tests.helpers.warm import module\n"
        "fork = subprocess.Popen(module('program'), stdout=subprocess.PIPE)\n"
        "print(fork.stdout.readline().decode())"
    )
    here = os.environ | {"PYTHONPATH": os.pathsep.join([str(warm.ROOT), str(tmp_path)])}
    done = subprocess.run([sys.executable, "-c", tests], env=here, capture_output=True, text=True, check=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(timeout=120)
