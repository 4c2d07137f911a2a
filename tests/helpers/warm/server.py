"""`python -m tests.helpers.warm.server SOCKET`: import everything, then fork a process for each request of `start.py`.

It prints "ready" when it listens, has one thread, and ends when its standard input does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import threading

LARGEST = 2**17
"""Bytes of a request: words, folder and environment."""
ALSO = ("torch._dynamo", "ipykernel.kernelapp", "ipykernel.ipkernel", "ipywidgets")
"""What notebooks and the first step of an optimiser import."""


def load() -> None:
    import omg_lib
    import tests.helpers.light.sitecustomize  # noqa: F401 -- PYTHONPATH is that of the request, not of this server

    found = [one.name for one in pkgutil.walk_packages(omg_lib.__path__, "omg_lib.")]
    for name in (*found, *ALSO):
        if not name.endswith("__main__"):
            importlib.import_module(name)


class Server:
    """Its loop ends in each fork, with the request that the fork is to answer."""

    def __init__(self, path: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen()
        self.waiting = selectors.DefaultSelector()
        self.waiting.register(self.listener, selectors.EVENT_READ, self.accept)
        self.waiting.register(sys.stdin.fileno(), selectors.EVENT_READ, self.end)
        self.forks: set[int] = set()

    def serve(self) -> dict:
        while True:
            for key, _ in self.waiting.select():
                if request := key.data():
                    return request

    def accept(self) -> dict | None:
        connection, _ = self.listener.accept()
        request, files, *_ = socket.recv_fds(connection, LARGEST, 3)
        if not request:
            return None  # killed before it asked
        if (pid := os.fork()) == 0:
            for target, file in enumerate(files):
                os.dup2(file, target)
            self.forget(connection.detach(), *files)
            return json.loads(request)
        for file in files:
            os.close(file)
        self.forks.add(pid)
        ended = os.pidfd_open(pid)
        connection.send(str(pid).encode())
        self.waiting.register(ended, selectors.EVENT_READ, lambda: self.report(connection, ended, pid))
        self.waiting.register(connection, selectors.EVENT_READ, lambda: self.abandon(connection, pid))
        return None

    def report(self, connection: socket.socket, ended: int, pid: int) -> None:
        """The fork has ended: say how to the process that waits for it."""
        self.waiting.unregister(ended)
        os.close(ended)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.forks.remove(pid)
        if connection.fileno() in self.waiting.get_map():
            self.waiting.unregister(connection)
            connection.send(str(code).encode())
        connection.close()

    def abandon(self, connection: socket.socket, pid: int) -> None:
        """The process that waits was killed: so is the fork, which has not been waited for and still has its number."""
        self.waiting.unregister(connection)
        os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """The tests have ended, and with them everything that they started."""
        for pid in self.forks:
            os.kill(pid, signal.SIGKILL)
        sys.exit()

    def forget(self, *files: int) -> None:
        """Close, in a fork, what belongs to the server: with what it waits for go the sockets of the other forks."""
        self.waiting.close()
        self.listener.close()
        for file in files:
            os.close(file)


def answer(request: dict) -> None:
    """Do in a fork what `python -m` would do in a new process."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [os.getcwd(), *filter(None, added)]
    name, *sys.argv[1:] = request["words"]
    sys.stdin = sys.__stdin__ = open(
        0, closefd=False
    )  # the server's would take these files for its own, seekable or not
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    leave(code)


def leave(code: int) -> None:
    """End without taking the modules apart, which would copy the server's memory first."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # kernels read it on import, and end when this process does
    load()
    gc.freeze()  # or each fork's first collection copies all objects
    server = Server(sys.argv[1])
    print("ready", flush=True)
    answer(server.serve())
