"""Processes that begin with torch and the library imported: forks of one process that has imported them.

Importing takes 3 to 6 seconds of CPU: nearly half of what the notebooks of the course need in all. `server.py` imports
everything once and forks; `start.py` is the process that a test starts and waits for: it passes its signals on to the
fork, and ends as the fork does.

Where no process can be forked safely (anywhere but on Linux), the same calls start ordinary processes.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
WORKS = sys.platform == "linux" and hasattr(os, "pidfd_open")
ALWAYS = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
"""One thread, as only such a process forks safely; and what a kernel tells matplotlib before importing it."""


@cache
def _socket(owner: int) -> str:
    """Start the server of this process and return its address; it ends with this process."""
    folder = tempfile.mkdtemp(prefix="omg-warm-")
    path = f"{folder}/socket"
    # Without RAY_TMPDIR: tests end every process of a cluster by it, and the server serves later tests too.
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_TMPDIR")}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.warm.server", path], cwd=ROOT, env=kept | ALWAYS, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    assert server.stdout.readline() == b"ready\n"
    return path


def module(name: str, *words: str) -> list[str]:
    """Return the command that runs `python -m name words`."""
    if not WORKS:
        return [sys.executable, "-m", name, *words]
    return [sys.executable, "-S", "-E", str(HERE / "start.py"), _socket(os.getpid()), name, *words]


@cache
def kernels() -> dict[str, str]:
    """Return environment variables with which Jupyter's kernel `python3` starts warm."""
    if not WORKS:
        return {}
    folder = Path(_socket(os.getpid())).parent / "kernels" / "python3"
    folder.mkdir(parents=True)
    command = module("ipykernel_launcher", "-f", "{connection_file}")
    described = {"argv": command, "display_name": "Python 3", "language": "python", "metadata": {"debugger": True}}
    (folder / "kernel.json").write_text(json.dumps(described))
    paths = [str(folder.parents[1]), os.environ.get("JUPYTER_PATH")]
    return {"JUPYTER_PATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def warm_kernels() -> Iterator[None]:
    """Kernels that this process starts inside are warm."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in kernels().items():
            patch.setenv(name, value)
        yield
