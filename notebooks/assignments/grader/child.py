"""Runs submitted code, and knows no expected value: a process of its own that reads a job and writes answers.

Python gets this file as text (`python -I -c`), so it works alone: no omg_lib, no course folder, a container if need be.
A job is JSON on stdin, {"limits": {...}, "tasks": [{"sources", "function", "calls"}]}; after a line "ready" one line of JSON comes
back for each task. Each task runs in a fork, behind a fence: no file but Python's own, no network, no further process.
"""

import base64
import contextlib
import ctypes
import importlib.abc
import json
import os
import resource
import select
import shutil
import signal
import site
import struct
import sys
import tempfile
import time

import einops
import numpy as np
import torch

DTYPES = {str(x).removeprefix("torch."): x for x in (torch.float32, torch.float64, torch.int64, torch.int32, torch.bool)}
MOST_BYTES = 8 << 20
"""Of one task's answers."""
NOBODY = 65534
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
    no_new_privileges = 38
    done = libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0 and libc.syscall(restrict, rules, 0) == 0
    os.close(rules)
    return done


def fence(limits: dict[str, int], folder: str) -> None:
    """Give up everything that an answer does not need."""
    os.chdir(folder)
    new_user, new_network = 0x10000000, 0x40000000
    if sys.platform == "linux":  # an empty network, where this kernel lets us have one
        ctypes.CDLL(None).unshare(new_network if os.getuid() == 0 else new_user | new_network)
    shut_files(folder)
    if os.getuid() == 0:  # root may do what it likes, whatever the limits
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    for name, most in {
        "RLIMIT_CPU": limits["seconds"],
        "RLIMIT_AS": limits["bytes"],
        "RLIMIT_FSIZE": MOST_BYTES,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
    }.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):  # macOS knows not all of them
            resource.setrlimit(getattr(resource, name), (most, most))


# --- the answers -----------------------------------------------------------------------------------------------------


def say(error: BaseException) -> str:
    if type(error) is NotImplementedError:
        return "not answered"
    return f"{type(error).__name__}: {error}"[:300].rstrip(": ")


def answers(task: dict) -> dict:
    """Run the answer cells, then the function on each call: {"error"} or {"answers": [{"value"} or {"error"}]}."""
    names = {"__name__": "answer", "np": np, "torch": torch} | {"rearrange": einops.rearrange, "repeat": einops.repeat}
    try:
        for source in task["sources"]:
            exec(compile(source, "<answer>", "exec"), names)
    except BaseException as error:  # SystemExit too
        return {"error": say(error)}
    if not callable(names.get(task["function"])):
        return {"error": f"there is no function {task['function']}"}
    given = []
    for args in task["calls"]:
        try:
            given.append({"value": encode(names[task["function"]](*decode(args)))})
        except BaseException as error:
            given.append({"error": say(error)})
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
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
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
    print("ready", flush=True)
    for task in job["tasks"]:
        print(json.dumps(run(task, job["limits"])), flush=True)


if __name__ == "__main__":
    main()
