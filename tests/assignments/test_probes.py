"""Every escape that was once possible, or that a kernel offers, tried where answers run. Each must work without a
fence; otherwise the test would prove nothing.
"""

import os
import platform
import subprocess
import sys

import pytest
from grader.process import Failed

from tests.helpers.asking import JAIL, PLACES, asked
from tests.helpers.probes import BEFORE, FILLING, MANY_FILES, ONLY_WHERE_ALLOWED, PROBES, X86_ONLY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fence is Linux's")
ALL = PROBES | (X86_ONLY if platform.machine() == "x86_64" else {})


@pytest.fixture
def victim(tmp_path):
    """Return a teacher's file and everything that may not change: its content, its metadata, its neighbours."""
    path = tmp_path / "gradebook.db"
    path.write_text("grades of everybody")
    os.chmod(path, 0o640)
    return path


def state(path) -> tuple:
    found = path.stat()
    return (
        path.read_text(), found.st_mode, found.st_mtime_ns, found.st_ctime_ns, os.listxattr(path),
        sorted(os.listdir(path.parent)),
    )  # fmt: skip


def before(path) -> str:
    return BEFORE.replace("{victim!r}", repr(str(path))).replace("{folder!r}", repr(str(path.parent)))


@pytest.mark.slow
@pytest.mark.parametrize("python", PLACES)
def test_every_way_out_is_closed(python, victim):
    known = state(victim)
    told = asked(python, before(victim), honest="return 7", **ALL)
    assert told.pop("honest") == 7
    assert {name: one for name, one in told.items() if not isinstance(one, Failed)} == {}
    assert state(victim) == known


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_each_way_is_open_where_there_is_no_fence(name, victim, tmp_path):
    body = "".join(f"    {line}\n" for line in ALL[name].splitlines())
    program = f"{before(victim)}\ndef answer():\n{body}\nassert answer() is not None\nprint('out')"
    place = tmp_path / "place"
    place.mkdir()
    found = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True)
    if "out" not in found.stdout and name in ONLY_WHERE_ALLOWED:
        pytest.skip(f"needs {ONLY_WHERE_ALLOWED[name]}")
    assert "out" in found.stdout, found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("python", PLACES)
def test_what_an_answer_writes_is_limited_in_all_and_gone_with_it(python):
    writes = "open('note', 'w').write('mine')\nreturn open('note').read()"
    told = asked(python, full=FILLING, many=MANY_FILES, next="import os\nreturn os.listdir('.')", honest=writes)
    if python == JAIL:
        assert told["honest"] == "mine"
        assert 8 << 20 <= told["full"] <= 16 << 20 and 10 < told["many"] < 64 and told["next"] == []
    else:
        assert told["full"] == told["many"] == 0 and "PermissionError" in told["honest"].why


@pytest.mark.slow
@pytest.mark.parametrize("python", PLACES)
def test_a_call_that_is_not_allowed_ends_the_answer_and_says_so(python):
    told = asked(python, caught="import os\ntry:\n    os.fork()\nexcept BaseException:\n    pass\nreturn 1")
    assert told["caught"].why.startswith("stopped: it made a system call that no answer needs")
