"""Run submitted code: a separate process that reads jobs, writes answers, and knows no expected value.

Python gets this file, `fence` and `seccomp` as text (`python -I -c`), so they work without omg_lib and the course
folder, also in a container. The first line of stdin is JSON, {"unsafe", "witness", "forget"}: whether to go on without
protection, a path that only the teacher's files have, and names of variables that no answer needs. The reply says what
protects the teacher's files here. Each further line is a job, {"limits": {"seconds", "bytes"}, "tasks": [{"sources",
"function", "calls"}]}, and the reply is a line for each task.

A fork of the first process reads a job, and each task runs in a fork of that fork, behind the fence. So no answer
leaves anything in the memory from which the next student's processes are forked.
"""

import base64
import contextlib
import importlib.abc
import json
import os
import select
import signal
import sys
import time
import traceback

import einops
import numpy as np
import torch

from grader import fence
from grader.fence import can_shut

DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "int64", "int32", "bool")}
MOST_BYTES = 8 << 20
"""Largest size of one task's answers."""
BEGUN = b" "
"""What a fork sends once its fence is up, before it runs anything; JSON ignores it."""
HONEST = {
    "sources": ["import statistics\ndef answer(x):\n    return torch.eye(2) @ torch.eye(2) * statistics.mean([x, 3])"],
    "function": "answer",
    "calls": [[1]],
}
"""A task that must work behind the fence; if it does not, the fence is wrong."""


# --- data: JSON, never pickle ----------------------------------------------------------------------------------------


def encode(x: object) -> object:
    """Return plain data and tensors as JSON. Raise TypeError for anything else."""
    if isinstance(x, (np.ndarray, np.generic)):
        x = torch.from_numpy(np.array(x))
        x = x.item() if x.ndim == 0 else x
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().contiguous()
        if str(x.dtype).removeprefix("torch.") not in DTYPES and not x.is_complex():
            x = x.float() if x.is_floating_point() else x.long()
        name = str(x.dtype).removeprefix("torch.")
        if name not in DTYPES:
            raise TypeError(f"a tensor of {name} is not a valid answer; allowed are {', '.join(DTYPES)}")
        return {"tensor": [name, list(x.shape), base64.b64encode(x.numpy().tobytes()).decode()]}
    if isinstance(x, dict):
        return {"dict": [[str(key), encode(value)] for key, value in x.items()]}
    if isinstance(x, (list, tuple)):
        return [encode(part) for part in x]
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    raise TypeError(f"a {type(x).__name__} is not a valid answer")


def decode(x: object) -> object:
    """Return what `encode` was given. Raise ValueError, TypeError or KeyError for anything else."""
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


# --- the answers -----------------------------------------------------------------------------------------------------


class NoLibrary(importlib.abc.MetaPathFinder):
    """Blocks omg_lib, because an answer must not call the library's own."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] == "omg_lib":
            raise ImportError("an answer must be your own code: omg_lib is not available during grading")


CELL = "<answer {}>"
"""The file name of an answer cell in a traceback."""


def say(error: BaseException, sources: list[str]) -> object:
    """Return what went wrong without the exception's message: Python's type, and the last line in an answer cell."""
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
    """Run the answer cells, then the function on each call. Return {"error"} or {"answers": [{"value"} or {"error"}]}.

    As in a notebook, a cell that fails in its last line has still run the lines before.
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


def forked(task: dict, limits: dict[str, int], pipe: int) -> None:
    """Run a task in a fork, and end the fork, whatever happens."""
    try:
        os.setsid()
        fence.end_with_parent()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.dup2(pipe, 3)
        os.closerange(4, 1 << 16)
        fence.put_up(limits["seconds"], limits["bytes"])
        os.write(3, BEGUN)
        text = json.dumps(answers(task)).encode()
        while text:
            text = text[os.write(3, text) :]
    finally:
        os._exit(0)


def read(pipe: int, seconds: int) -> tuple[bytes, str]:
    """Return what comes through the pipe until it is closed, and why reading ended early, "" if it did not."""
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


def run(task: dict, limits: dict[str, int]) -> str:
    """Run one task in a new fork, which is killed when it has answered or its time is up. Return its answer as one line
    of JSON. Raise RuntimeError if the fork did not reach the answer, which is not the student's fault.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        forked(task, limits, writing)
    os.close(writing)
    text, early = read(reading, 3 * limits["seconds"])
    os.close(reading)
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if not text.startswith(BEGUN):
        raise RuntimeError(f"the fence around an answer could not be put up (status {status}{early and ', '}{early})")
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text) if not early else {}
        if isinstance(found, dict) and found:
            return json.dumps(found)
    return json.dumps({"error": early or ended(status, limits["seconds"])})


NO_ANSWER_NEEDS = "stopped: it made a system call that no answer needs, such as to start a process or use the network"


def ended(status: int, seconds: int) -> str:
    """Return why a process that sent nothing ended."""
    why = {
        signal.SIGXCPU: f"stopped after {seconds} seconds of computing",
        signal.SIGSYS: NO_ANSWER_NEEDS,
    }
    return why.get(os.WTERMSIG(status), "the process ended before it had answered")


def protection(witness: str) -> dict[str, bool]:
    """Return what protects the teacher's files here. Raise RuntimeError if an honest answer fails behind it."""
    given = run(HONEST, {"seconds": 10, "bytes": 1 << 30})
    if given != json.dumps({"answers": [{"value": encode(2 * torch.eye(2))}]}):
        raise RuntimeError(f"an honest answer cannot be asked here: {given}")
    files, calls, apart = fence.can_shut_files(), fence.can_shut_calls(), not os.path.exists(witness)
    return {"files": files, "calls": calls, "apart": apart, "enough": can_shut() or (calls and apart)}


def main() -> None:
    asked = json.loads(sys.stdin.buffer.readline())
    torch.set_num_threads(1)
    sys.meta_path.insert(0, NoLibrary())
    fence.hide_memory()
    for name in asked["forget"]:
        os.environ.pop(name, None)
    os.environ["HOME"] = "/"  # else Python asks the system whose home it is, by libraries that make refused calls
    fence.readable()  # cached here, so no fork has to look again
    found = protection(asked["witness"])
    print(json.dumps(found), flush=True)
    if not (found["enough"] or asked["unsafe"]):
        return
    while select.select([0], [], [])[0]:
        pid = os.fork()
        if pid == 0:
            fence.end_with_parent()
            os._exit(work(sys.stdin.buffer.readline()))
        if os.waitpid(pid, 0)[1]:
            return


def work(line: bytes) -> int:
    """Do a job. Return 0, or 1 if there was none or it failed."""
    if not line:
        return 1
    try:
        job = json.loads(line)
        for task in job["tasks"]:
            print(run(task, job["limits"]), flush=True)
    except Exception as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0
