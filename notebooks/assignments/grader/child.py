"""Runs submitted code, and knows no expected value: a process of its own that reads jobs and writes answers.

Python gets this file, `fence` and `seccomp` as text (`python -I -c`), so they work alone: no omg_lib, no course folder,
a container if need be. The first line of stdin, in JSON, is {"unsafe", "witness", "forget"}: whether to go
on without protection, a path that only the teacher's files have, names of variables that no answer needs. Back comes
what protects the teacher's files here. Then each line is a job, {"limits": {"seconds", "bytes"}, "tasks": [{"sources",
"function", "calls"}]}, and back comes a line for each task.

A job is read by a fork of the first process, and a task runs in a fork of that, which has put up the fence. So nothing
of an answer is left in the memory from which the next student's processes are made.
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
"""Of one task's answers."""
BEGUN = b" "
"""What a fork says when its fence stands, before it runs anything; JSON does not mind it."""
HONEST = {
    "sources": ["import statistics\ndef answer(x):\n    return torch.eye(2) @ torch.eye(2) * statistics.mean([x, 3])"],
    "function": "answer",
    "calls": [[1]],
}
"""A task that the fence must let through, or the fence is wrong."""


# --- data: JSON, never pickle ----------------------------------------------------------------------------------------


def encode(x: object) -> object:
    """Plain data and tensors as JSON; TypeError for anything else."""
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


# --- the answers -----------------------------------------------------------------------------------------------------


class NoLibrary(importlib.abc.MetaPathFinder):
    """The library's own answer is no answer."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] == "omg_lib":
            raise ImportError("an answer must be your own code: omg_lib is not available during grading")


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


def forked(task: dict, limits: dict[str, int], pipe: int) -> None:
    """The life of a fork: it ends here, whatever happens."""
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


def run(task: dict, limits: dict[str, int]) -> str:
    """One task in a fork of its own, which is killed when it has answered or its time is over: what it answered, in one
    line of JSON. RuntimeError if it did not come as far as the answer, which is no student's fault.
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
    """Why a process that said nothing ended."""
    why = {
        signal.SIGXCPU: f"stopped after {seconds} seconds of computing",
        signal.SIGSYS: NO_ANSWER_NEEDS,
    }
    return why.get(os.WTERMSIG(status), "the process ended before it had answered")


def protection(witness: str) -> dict[str, bool]:
    """What keeps an answer from the teacher's files here; RuntimeError if it keeps an honest answer from answering."""
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
    fence.readable()  # is kept, so that no fork looks again
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
    """Do a job; 1 if there was none, or if it could not be done."""
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
