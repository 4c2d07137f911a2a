"""Runs submitted code, and knows no expected value: a process of its own that reads a job and writes answers.

Python gets this file as text (`python -I -c`), so it works alone: no omg_lib, no course folder, a container if need
be. A job is JSON on stdin, {"limits": {...}, "tasks": [{"sources", "function", "calls"}]}; back comes a first line,
that it is ready, and one line of JSON for each task. Each task runs in a fork, behind a fence: no file but
Python's own, no network, no further process.
"""

import base64
import contextlib
import ctypes
import importlib.abc
import json
import os
import platform
import resource
import select
import shutil
import signal
import site
import struct
import sys
import tempfile
import time
import traceback

import einops
import numpy as np
import torch

DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "int64", "int32", "bool")}
MOST_BYTES = 8 << 20
"""Of one task's answers."""
NO_NEW_PRIVILEGES = 38
REFUSED = {
    "x86_64": [56, 57, 58, 435, 59, 322, 41, 53, 62, 200, 234, 424],
    "aarch64": [220, 435, 221, 281, 198, 199, 129, 130, 131, 424],
}
"""Numbers of the calls clone, fork, vfork, clone3, execve, execveat, socket, socketpair, kill, tkill, tgkill,
pidfd_send_signal; ARM has neither fork nor vfork."""
LIBRARIES = [os.path.dirname(os.__file__), *site.getsitepackages()]


# --- data: JSON, never pickle ----------------------------------------------------------------------------------------


def encode(x: object) -> object:
    """Plain data and tensors as JSON; TypeError for anything else."""
    if isinstance(x, (np.ndarray, np.generic)):
        x = torch.from_numpy(np.array(x))
        x = x.item() if x.ndim == 0 else x
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().contiguous()
        name = str(x.dtype).removeprefix("torch.")
        if name not in DTYPES:
            raise TypeError(f"a tensor of {name} is no answer, allowed are {', '.join(DTYPES)}")
        return {"tensor": [name, list(x.shape), base64.b64encode(x.numpy().tobytes()).decode()]}
    if isinstance(x, dict):
        return {"dict": [[str(key), encode(value)] for key, value in x.items()]}
    if isinstance(x, (list, tuple)):
        return [encode(part) for part in x]
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    raise TypeError(f"a {type(x).__name__} is no answer")


def decode(x: object) -> object:
    """What `encode` wrote; ValueError, TypeError or KeyError if it did not write it."""
    if isinstance(x, list):
        return [decode(part) for part in x]
    if isinstance(x, dict) and "dict" in x:
        return {str(key): decode(value) for key, value in x["dict"]}
    if isinstance(x, dict):
        name, shape, data = x["tensor"]
        raw = bytearray(base64.b64decode(data, validate=True))
        flat = torch.frombuffer(raw, dtype=DTYPES[name]) if raw else torch.empty(0, dtype=DTYPES[name])
        return flat.reshape([int(n) for n in shape])
    return x


# --- the fence -------------------------------------------------------------------------------------------------------


class NoLibrary(importlib.abc.MetaPathFinder):
    """The library's own answer is no answer."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] == "omg_lib":
            raise ImportError("an answer is your own code: omg_lib is not there while you are graded")


def readable() -> list[str]:
    """Python's standard library and packages without omg_lib, and the system's libraries."""
    inside = [os.path.join(folder, name) for folder in LIBRARIES for name in os.listdir(folder)]
    hidden = ("omg_lib", "omg-lab", "site-packages", "dist-packages")
    kept = [path for path in inside if not os.path.basename(path).startswith(hidden)]
    system = ["/usr/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/localtime", "/dev/null", "/dev/urandom"]
    return kept + [path for path in system if os.path.exists(path)]


def shut_files(writable: str) -> bool:
    """Landlock (Linux 5.13 or newer): from here on this process opens no file but `readable()` and its own folder, and
    where the kernel can say so opens no TCP connection and signals nobody. False where there is no Landlock.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    create, add, restrict = 444, 445, 446
    version = libc.syscall(create, None, 0, 1) if sys.platform == "linux" else -1
    if version < 1:
        return False
    rights = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    words = 1 + (version >= 4) + (version >= 6)
    wanted = struct.pack("QQQ", rights, 3, 3)[: 8 * words]
    rules = libc.syscall(create, wanted, len(wanted), 0)
    execute, read_file, read_dir = 1, 4, 8
    may = {path: execute | read_file | (read_dir if os.path.isdir(path) else 0) for path in readable()}
    for path, allowed in (may | dict.fromkeys(LIBRARIES, read_dir) | {writable: rights}).items():
        place = os.open(path, os.O_PATH)
        libc.syscall(add, rules, 1, struct.pack("<Qi", allowed, place), 0)
        os.close(place)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    done = libc.syscall(restrict, rules, 0) == 0
    os.close(rules)
    return done


def shut_calls() -> bool:
    """seccomp: from here on this process starts no other, runs no program, opens no socket and sends no signal; and if
    it is root's, it loses root's powers. False where the system is not Linux on a usual processor.
    """
    refused = REFUSED.get(platform.machine()) if sys.platform == "linux" else None
    if refused is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    load, jump_if_equal, answer, allow, not_permitted = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050001
    steps = [(load, 0, 0, 0)]  # the number of the call; then jump to the last step if it is one of these
    steps += [(jump_if_equal, len(refused) - k, 0, number) for k, number in enumerate(refused)]
    steps += [(answer, 0, 0, allow), (answer, 0, 0, not_permitted)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    set_filter, by_program = 22, 2
    return libc.prctl(set_filter, by_program, struct.pack("HP", len(steps), ctypes.addressof(program)), 0, 0) == 0


def can_shut() -> bool:
    """Whether `shut_files` and `shut_calls` will work here."""
    known = sys.platform == "linux" and platform.machine() in REFUSED
    return known and ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1


def address_space() -> int:
    """Bytes that this process has taken, where the system tells: Python and torch alone take what their build needs."""
    with contextlib.suppress(OSError), open("/proc/self/statm") as pages:
        return int(pages.read().split()[0]) * resource.getpagesize()
    return 4 << 30


def fence(limits: dict[str, int], folder: str) -> None:
    """Give up everything that an answer does not need."""
    os.chdir(folder)
    for name, soft, hard in (
        ("RLIMIT_CPU", limits["seconds"], limits["seconds"] + 1),  # at the soft one the kernel says why it ends it
        ("RLIMIT_AS", *[address_space() + limits["bytes"]] * 2),
        ("RLIMIT_FSIZE", MOST_BYTES, MOST_BYTES),
        ("RLIMIT_NOFILE", 64, 64),
        ("RLIMIT_NPROC", 0, 0),
        ("RLIMIT_CORE", 0, 0),
    ):
        with contextlib.suppress(ValueError, OSError, AttributeError):  # macOS knows not all of them
            resource.setrlimit(getattr(resource, name), (soft, hard))
    shut_files(folder)
    shut_calls()


# --- the answers -----------------------------------------------------------------------------------------------------


CELL = "<answer {}>"
"""What an answer cell is called in a traceback."""


def say(error: BaseException, sources: list[str]) -> object:
    """What went wrong, without the exception's own words: Python's type, and the last place in an answer cell."""
    if type(error) is NotImplementedError:
        return "not answered"
    kind = next(one.__name__ for one in type(error).__mro__ if one.__module__ == "builtins")
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename, error.lineno))
    for name, line in reversed(places):
        for cell in range(len(sources)):
            if name == CELL.format(cell):
                return {"kind": kind, "cell": cell, "line": line}
    return {"kind": kind, "cell": None, "line": None}


def answers(task: dict) -> dict:
    """Run the answer cells, then the function on each call: {"error"} or {"answers": [{"value"} or {"error"}]}.

    As in a notebook, a cell that fails in its last line has still done what stands before.
    """
    failed = f"there is no function {task['function']}"
    names = {"__name__": "answer", "np": np, "torch": torch} | {"rearrange": einops.rearrange, "repeat": einops.repeat}
    for cell, source in enumerate(task["sources"]):
        try:
            exec(compile(source, CELL.format(cell), "exec"), names)
        except BaseException as error:  # SystemExit too
            failed = say(error, task["sources"])
    if not callable(names.get(task["function"])):
        return {"error": failed}
    given = []
    for args in task["calls"]:
        try:
            given.append({"value": encode(names[task["function"]](*decode(args)))})
        except BaseException as error:
            given.append({"error": say(error, task["sources"])})
    return {"answers": given}


def forked(task: dict, limits: dict[str, int], folder: str, pipe: int) -> None:
    """The life of a fork: it ends here, whatever happens."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        fence(limits, folder)
        text = json.dumps(answers(task)).encode()
        while text:
            text = text[os.write(pipe, text) :]
    finally:
        os._exit(0)


def read(pipe: int, seconds: int) -> tuple[bytes, str]:
    """What comes through the pipe until it is closed; and why reading ended early, if it did."""
    deadline, got = time.monotonic() + seconds, b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return got, f"stopped after {seconds} seconds"
        part = os.read(pipe, 1 << 16)
        if not part:
            return got, ""
        got += part
        if len(got) > MOST_BYTES:
            return got, "the answers are too large"


def run(task: dict, limits: dict[str, int]) -> dict:
    """One task in a fork of its own, which is killed when it has answered or its time is over."""
    folder = tempfile.mkdtemp()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        forked(task, limits, folder, writing)
    os.close(writing)
    text, early = read(reading, 3 * limits["seconds"])
    os.close(reading)
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    shutil.rmtree(folder, ignore_errors=True)
    if not early and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        early = f"stopped after {limits['seconds']} seconds of computing"
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text) if not early else {}
        if isinstance(found, dict) and found:
            return found
    return {"error": early or "the process ended before it had answered"}


def main() -> None:
    job = json.load(sys.stdin.buffer)
    torch.set_num_threads(1)
    sys.meta_path.insert(0, NoLibrary())
    print("ready" if can_shut() else "ready, without a fence", flush=True)
    for task in job["tasks"]:
        print(json.dumps(run(task, job["limits"])), flush=True)


if __name__ == "__main__":
    main()
