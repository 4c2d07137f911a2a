"""Several students at once on a real hub: memory of idle and running servers, limits, and training speed.

    python deploy/hub/measure.py --hub HUB_VENV --proxy PROXY_BIN --students 3 --out data/results/hub.csv

HUB_VENV has jupyterhub and jupyterhub-idle-culler; PROXY_BIN is npm's configurable-http-proxy. Memory is PSS: memory
shared by several processes (mostly libraries) is divided among them. Linux only. Run it as root, like a hub, to make
students different users.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import websocket  # comes with jupyter_server

HERE = Path(__file__).parent.resolve()
ROOT = HERE.parents[1]
COLUMNS = ("what", "students", "median", "low", "high", "unit")
IMPORT = "import omg_lib as omg"
TRAIN = """
import time
import omg_lib as omg
run = omg.Training(omg.OMGConfig(n_agents=8, batch_size=8, batch_size_run=8))
for report in run:
    if report.update == 1:
        began, steps = time.perf_counter(), report.t_env
    elif time.perf_counter() - began > {seconds}:
        print(round((report.t_env - steps) / (time.perf_counter() - began), 1))
        break
"""
CHECKS = {
    "more memory than the limit is a MemoryError, and the kernel lives": (
        "try:\n    x = bytearray({more})\n    print('given')\nexcept MemoryError:\n    print('refused')",
        "refused",
    ),
    "the shared data can be read": (
        "from pathlib import Path\nprint((Path.home() / 'data/results/unseen.csv').is_file())",
        "True",
    ),
    "the shared data cannot be written": (
        "try:\n    open(Path.home() / 'data/results/mine.csv', 'w')\n    print('written')\n"
        "except OSError as error:\n    print(type(error).__name__)",
        "PermissionError",
    ),
    "another student's home is closed": (
        "try:\n    list((Path.home().parent / '{other}').iterdir())\n    print('open')\n"
        "except PermissionError:\n    print('closed')",
        "closed",
    ),
    "no solution and no grade can be read": (
        "import os\nfrom pathlib import Path\nabove = (Path.home() / 'data').resolve().parents\n"
        "print([str(path) for up in (Path.home(), *above) for name in ('source', 'grader', 'gradebook.db')\n"
        "       if os.access(path := up / 'notebooks/assignments' / name, os.R_OK)])",
        "[]",
    ),
    "cores": ("import os\nprint(len(os.sched_getaffinity(0)))", "1"),
}
"""Check -> code run in a student's kernel, and its expected output."""


class Hub:
    """A hub in its own folder, with a token that has all permissions."""

    def __init__(self, venv: Path, proxy: Path, folder: Path, python: str, memory: int) -> None:
        with socket.socket() as probe, socket.socket() as other, socket.socket() as third:
            for one in (probe, other, third):
                one.bind(("127.0.0.1", 0))
            port, hub_port, api_port = (one.getsockname()[1] for one in (probe, other, third))
        self.url, self.token, self.folder = f"http://127.0.0.1:{port}", secrets.token_hex(16), folder
        self.log = folder / "hub.log"
        environment = os.environ | {
            "OMG_HUB_FOLDER": str(folder), "OMG_HUB_PYTHON": python, "OMG_HUB_URL": self.url,
            "OMG_HUB_TOKEN": self.token, "OMG_HUB_MEMORY": str(memory),
        }  # fmt: skip
        command = [
            venv / "bin/python", "-m", "jupyterhub", "-f", HERE / "jupyterhub_config.py",
            f"--JupyterHub.hub_port={hub_port}", f"--ConfigurableHTTPProxy.command={proxy}",
            f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{api_port}",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            list(map(str, command)), env=environment, cwd=folder, stdout=self.log.open("w"), stderr=subprocess.STDOUT
        )
        self.wait(lambda: self.ask("GET", "/hub/api/") is not None)

    def wait(self, condition, seconds: float = 180.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if condition():
                    return
            except OSError:
                pass
            time.sleep(0.5)
        raise RuntimeError("the hub did not respond as expected:\n" + self.log.read_text()[-3000:])

    def ask(self, method: str, path: str, body: object = None) -> object:
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=180) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def start_server(self, name: str) -> None:
        self.ask("POST", f"/hub/api/users/{name}")
        self.ask("POST", f"/hub/api/users/{name}/server")
        self.wait(lambda: self.ask("GET", f"/hub/api/users/{name}")["servers"][""]["ready"])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


class Kernel:
    """A kernel of a student's server, driven over the hub's proxy as a browser drives it."""

    def __init__(self, hub: Hub, name: str) -> None:
        made = hub.ask("POST", f"/user/{name}/api/kernels", {"name": "python3"})
        self.address = hub.url.replace("http", "ws", 1) + f"/user/{name}/api/kernels/{made['id']}/channels"
        self.token = hub.token

    def start(self, code: str) -> None:
        """Send code to run. A connection lasts for one answer: the server closes those without a listener."""
        self.socket = websocket.create_connection(
            self.address, header=[f"Authorization: token {self.token}"], timeout=300, http_no_proxy=["127.0.0.1"]
        )
        self.sent = uuid.uuid4().hex
        header = {"msg_id": self.sent, "msg_type": "execute_request", "username": "", "session": "measure", "date": "",
                  "version": "5.3"}  # fmt: skip
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.socket.send(json.dumps(message))

    def result(self) -> str:
        """Return what the code printed; RuntimeError if it failed."""
        printed, missing = "", {"execute_reply", "idle"}  # they arrive on two channels, in either order
        while missing:
            message = json.loads(self.socket.recv())
            if message.get("parent_header", {}).get("msg_id") != self.sent:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream" and content["name"] == "stdout":
                printed += content["text"]
            if kind == "execute_reply" and content["status"] != "ok":
                raise RuntimeError(str(content)[:2000])
            missing -= {kind, content.get("execution_state")}
        self.socket.close()
        return printed.strip()

    def run(self, code: str) -> str:
        self.start(code)
        return self.result()


def pss(pid: int) -> int:
    """Return the bytes of a process and of all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    mine = next(int(line.split()[1]) * 1024 for line in own if line.startswith("Pss:"))
    return mine + sum(pss(int(child)) for child in children)


def servers(hub: Hub, names: list[str]) -> dict[str, int]:
    """Return student -> process of their server on this hub."""
    found = {}
    for entry in filter(lambda entry: entry.name.isdigit(), Path("/proc").iterdir()):
        try:
            environment, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if str(hub.folder).encode() in environment and b"jupyterhub.singleuser" in command:
            found |= {name: int(entry.name) for name in names if f"JUPYTERHUB_USER={name}\0".encode() in environment}
    return found


def measure(hub: Hub, students: int, seconds: float, memory: int) -> list[dict]:
    """Return one row per figure."""
    rows: list[dict] = []

    def note(what: str, values: list[float], unit: str, count: int = students) -> None:
        row = dict(zip(COLUMNS, (what, count, median(values), min(values), max(values), unit), strict=True))
        rows.append(row)
        print(row, flush=True)

    names = [f"student{k}" for k in range(students)]
    for name in names:
        hub.start_server(name)
    pids = servers(hub, names)
    assert sorted(pids) == names, pids
    time.sleep(5)
    note("hub with proxy and culler", [pss(hub.process.pid) - sum(map(pss, pids.values()))], "bytes")
    note("idle server", [pss(pid) for pid in pids.values()], "bytes")
    kernels = {name: Kernel(hub, name) for name in names}
    for kernel in kernels.values():
        kernel.run(IMPORT)
    note("server with a kernel that has imported the course", [pss(pid) for pid in pids.values()], "bytes")
    alone = float(kernels[names[0]].run(TRAIN.format(seconds=seconds)))
    note("OMG at 8 against 8, one student trains", [alone], "env-steps/s", 1)
    with ThreadPoolExecutor(students) as pool:
        together = list(pool.map(lambda kernel: float(kernel.run(TRAIN.format(seconds=seconds))), kernels.values()))
    note("OMG at 8 against 8, all train at once", together, "env-steps/s")
    note("server whose kernel trains OMG at 8 against 8", [pss(pid) for pid in pids.values()], "bytes")
    for what, (code, expected) in CHECKS.items():
        said = kernels[names[0]].run(code.format(more=memory, other=names[-1]))
        assert said == expected, (what, said, expected)
        print(f"{what}: {said}")
    assert kernels[names[0]].run("print(omg.__name__)") == "omg_lib", "the kernel survived everything"
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hub", type=Path, required=True, metavar="HUB_VENV")
    parser.add_argument("--proxy", type=Path, required=True, metavar="PROXY_BIN")
    parser.add_argument("--python", default=sys.executable, help="the students' Python; every user must reach it")
    parser.add_argument("--folder", type=Path, required=True, help="a new folder that every user may enter")
    parser.add_argument("--students", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="training time of each student")
    parser.add_argument("--memory", type=int, default=2 * 2**30, help="bytes that each student process may use")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(mode=0o755)
    hub = Hub(args.hub.absolute(), args.proxy.absolute(), args.folder.absolute(), args.python, args.memory)
    try:
        rows = measure(hub, args.students, args.seconds, args.memory)
    finally:
        hub.stop()
    if args.out:
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
