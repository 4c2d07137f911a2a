"""The process in which answers run: its surroundings, its refusal to run unprotected, and its end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from grader import host, jail
from grader.host import UnprotectedError, protection, protection_of, started
from grader.process import Failed, Question, ask
from grader.protection import Protection, platforms

from tests.helpers.asking import WITHOUT_JAIL, needs_fence
from tests.helpers.places import COURSE

pytestmark = pytest.mark.slow
needs_jail = pytest.mark.skipif(not jail.works(), reason="no bubblewrap jail here")
UNKNOWN = ["setarch", "linux32", sys.executable]
"""Python on a processor that the fence does not know: a 32-bit one."""
needs_setarch = pytest.mark.skipif(shutil.which("setarch") is None, reason="no setarch here")
NUMPY = os.path.dirname(np.__file__)
AMPLE = 60
"""Seconds of processor time for what must be answered, a third of those by the clock."""
SEVEN = [Question(["def answer():\n    return 7"], "answer", [()])]


def inside(program: str) -> object:
    """Return what a program prints in the jail, before any fence."""
    text = f"import json, os, socket\nprint(json.dumps({program}))"
    command = [*jail.command(), sys.executable, "-I", "-B", "-c", text]
    return json.loads(subprocess.run(command, check=True, capture_output=True, env={}).stdout)


@needs_jail
def test_the_jail_has_no_network_no_processes_and_no_file_of_the_teachers():
    assert inside("[name for _, name in socket.if_nameindex()]") == ["lo"]
    assert all(int(name) < 10 for name in inside("os.listdir('/proc')") if name.isdigit())
    assert not inside(f"os.path.exists({str(COURSE / 'grader')!r})")
    assert set(inside("os.listdir('/dev')")) == {"null", "urandom"}
    assert "etc" not in inside("os.listdir('/')") or "passwd" not in inside("os.listdir('/etc')")


@needs_jail
def test_nothing_in_the_jail_can_be_written_and_the_library_is_not_there(tmp_path):
    places = ["/", "/answer", "/usr/lib", os.path.dirname(os.__file__), NUMPY, str(tmp_path)]
    assert inside(f"[os.access(place, os.W_OK) for place in {places}]") == [False] * len(places)
    packages = os.path.dirname(NUMPY)
    assert inside(f"os.path.isdir({packages!r}) and not os.path.exists({packages + '/omg_lib/regroup.py'!r})")


@pytest.mark.parametrize("program", [None, "#!/bin/sh\nexit 1\n"], ids=["missing", "refuses"])
def test_a_bubblewrap_that_is_missing_or_refuses_is_no_jail(program, monkeypatch, tmp_path):
    path = tmp_path / "bwrap"
    if program:
        path.write_text(program)
        path.chmod(0o755)
    monkeypatch.setattr(jail.shutil, "which", lambda name: str(path) if program else None)
    assert not jail.works.__wrapped__()


@needs_jail
def test_a_jail_is_around_this_python_and_an_answer_cannot_see_what_is_outside():
    assert protection([sys.executable]).jail
    secret = Question([f"import os\ndef answer():\n    return os.path.exists({str(COURSE)!r})"], "answer", [()])
    assert ask([secret], [sys.executable], 2) == [[False]]


@needs_jail
def test_a_container_of_the_teachers_own_is_known_by_what_it_does_not_hold():
    """A different command starts Python where the course is not: for once with our own jail."""
    container = [*jail.command(), sys.executable]
    found = protection(container)
    assert found.apart and found.enough and not found.jail
    assert str(found).startswith("Answers run apart from the course")
    assert ask(SEVEN, container, 2) == [[7]]


@needs_fence
def test_without_a_jail_landlock_and_the_list_of_calls_are_enough():
    found = protection(WITHOUT_JAIL)
    assert found.enough and found.files and found.calls and not found.jail
    assert str(found) == platforms()["Linux without bubblewrap"]


@needs_setarch
def test_without_a_fence_no_answer_runs_unless_the_teacher_says_so(tmp_path):
    mark = tmp_path / "ran"
    question = Question([f"open({str(mark)!r}, 'w')\ndef answer():\n    return 7"], "answer", [()])
    with pytest.raises(UnprotectedError, match="--unsafe"):
        ask([question], UNKNOWN, 2)
    assert not mark.exists()
    assert ask(SEVEN, UNKNOWN, AMPLE, unsafe=True) == [[7]]
    assert str(protection(UNKNOWN, unsafe=True)).startswith("Nothing keeps answers from your files")


@pytest.mark.slow
@needs_setarch
def test_a_course_is_refused_or_not_by_what_its_settings_say(tmp_path):
    config = tmp_path / "nbgrader_config.py"
    config.write_text(f"c = get_config()\nc.GradeAnswers.python = {UNKNOWN}\n")
    with pytest.raises(UnprotectedError):
        protection_of(tmp_path, unsafe=False)
    assert not protection_of(tmp_path, unsafe=True).enough
    config.write_text(config.read_text() + "c.GradeAnswers.unsafe = True\n")
    assert not protection_of(tmp_path, unsafe=False).enough


def test_each_place_has_one_sentence_and_only_enough_is_called_protection():
    assert all(text.endswith(".") and len(text) <= 300 for text in platforms().values())
    nothing = Protection(jail=False, files=True, calls=False, apart=False, enough=False)
    assert str(nothing).startswith("Nothing keeps")
    container = Protection(jail=False, files=False, calls=True, apart=True, enough=True)
    assert "apart from the course" in str(container) and "Landlock" not in str(container)


def test_one_process_serves_all_and_is_replaced_when_it_is_gone():
    python = ["env", "ONE=process", sys.executable]
    process = started(tuple(python), True).process
    assert ask(SEVEN, python, AMPLE, unsafe=True) == ask(SEVEN, python, AMPLE, unsafe=True) == [[7]]
    assert started(tuple(python), True).process is process and process.poll() is None
    started(tuple(python), True).process.kill()
    started(tuple(python), True).process.wait()
    assert ask(SEVEN, python, AMPLE, unsafe=True) == [[7]]


@pytest.mark.slow
def test_an_interrupted_question_leaves_no_answer_for_the_next():
    python = ["env", "INTERRUPTED=yes", sys.executable]
    ask(SEVEN, python, AMPLE, unsafe=True)
    slow = Question(["import time\ndef answer():\n    time.sleep(1000)"], "answer", [()])
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        with pytest.raises(KeyboardInterrupt):
            ask([Question(["def answer():\n    return 'first'"], "answer", [()]), slow], python, 20, unsafe=True)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ask(SEVEN, python, AMPLE, unsafe=True) == [[7]]


MARK = "a classmate's " + "answer"
SCAN = """
import ctypes
def answer():
    mark = b"a classmate's " + bytes([97, 110, 115, 119, 101, 114])
    found = 0
    for line in open("/proc/self/maps"):
        span, rights, *_ = line.split()
        low, high = (int(part, 16) for part in span.split("-"))
        if rights.startswith("rw"):
            found += ctypes.string_at(low, high - low).count(mark)
    return found
"""
"""Count a text in all writable memory of its process, building it only where it is counted."""


@pytest.mark.skipif(sys.platform != "linux", reason="the list of a process's memory is Linux's")
def test_no_answer_is_left_in_the_memory_that_the_next_student_gets(monkeypatch):
    """Without the fence, an answer can read the map of its memory."""
    open_text = host.PROGRAM.replace("module.main()", "module.fence.put_up = lambda *_: None\nmodule.main()")
    monkeypatch.setattr(host, "PROGRAM", open_text)
    python = ["env", "MEMORY=open", sys.executable]
    classmate = [Question([f"# {MARK}" + " " * 4000 + f"\ndef answer():\n    return {MARK!r}"], "answer", [()])] * 20
    assert ask(classmate, python, AMPLE, unsafe=True) == [[MARK]] * 20
    own = [Question([f"# {MARK}\n{SCAN}"], "answer", [()])]
    [[alone]] = ask([Question([SCAN], "answer", [()])], python, AMPLE, unsafe=True)
    [[after_own]] = ask(own, python, AMPLE, unsafe=True)
    assert alone == 1 < after_own  # the text that it looks for


def test_replies_of_any_depth_harm_nobody_else():
    depths = (1, 300, 900, 980, 990, 1000, 9000, 10**6)
    forged = "b'{\"answers\":' + b'[' * depth + b']' * depth + b'}'"
    answer = f"import os\ndef answer(depth):\n    os.write(3, {forged})\n    os._exit(0)"
    questions = [Question([answer], "answer", [(depth,)]) for depth in depths]
    told = ask(questions + SEVEN, [sys.executable], AMPLE, unsafe=True)
    assert told[-1] == [7] and len(told) == len(questions) + 1
    assert all(isinstance(one, (Failed, list)) for (one,) in told[:-1])


def test_the_process_ends_when_the_grader_is_killed():
    """However long it takes: the test waits for it, and fails by its own time limit if it never ends."""
    program = (
        f"import sys\nsys.path.insert(0, {str(COURSE)!r})\nfrom grader.host import started\n"
        "print(started((sys.executable,), True).process.pid, flush=True)\nsys.stdin.read()"
    )
    grader = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    running = int(grader.stdout.readline())
    assert alive(running)
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    while alive(running):
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
