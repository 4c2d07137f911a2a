"""Ray for tests: small, silent, in its own folder, and removed afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from omg_lib.distributed.ray_runner import QUIET, start_here
from omg_lib.runner import ATTEMPTS

ROOT = Path(__file__).parents[2]
STORE = 80 * 2**20
"""Bytes of an object store; Ray needs at least about 75 MiB."""
SMALL = dict(object_store_memory=STORE, include_dashboard=False)


@contextmanager
def ray_folder() -> Iterator[str]:
    """A place where Ray may write, with a short name (for its sockets), and an environment that its processes inherit.

    Every process still running with it afterwards is killed.
    """
    folder = tempfile.mkdtemp(prefix="omg-ray-", dir="/tmp")
    os.mkdir(f"{folder}/ray")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "5")  # else Ray waits a minute for a lost head
        patch.setenv("RAY_health_check_period_ms", "500")  # a dead node fails 5 checks at once, a busy one has 50 s
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
        patch.delenv("RAY_ADDRESS", raising=False)
        try:
            yield folder
        finally:
            for process in processes_of(folder):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            shutil.rmtree(folder, ignore_errors=True)


def processes_of(folder: str, title: str = "") -> list[psutil.Process]:
    """Return other processes that were started for this folder and have `title` in their command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            mine = process.pid == os.getpid() or process.environ().get("RAY_TMPDIR") != folder
            if not mine and title in " ".join(process.cmdline()):
                found.append(process)
    return found


@contextmanager
def ray_here(cpus: int = 2) -> Iterator[object]:
    """The module `ray`, connected to a cluster on this machine only."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    with ray_folder():
        start_here(num_cpus=cpus, **SMALL)
        try:
            yield ray
        finally:
            ray.shutdown()


def patiently(start: Callable[[], Any]) -> Any:
    """Ray gives up on a node that takes more than half a minute to start; on a busy machine it may take longer."""
    for _ in range(ATTEMPTS - 1):
        with suppress(Exception):
            return start()
    return start()


class Cluster:
    """A head and `nodes` workers of one CPU each, on this machine, without what only shows a cluster to people.

    `address` is for RAY_ADDRESS.
    """

    def __init__(self, nodes: int, folder: str) -> None:
        from ray.cluster_utils import Cluster as Made

        one = SMALL | {"num_cpus": 1, "include_log_monitor": False, "no_monitor": True}
        self.folder, self.made = folder, patiently(lambda: Made(initialize_head=True, head_node_args=one))
        self.address, self.head = self.made.address, self.made.head_node
        self.workers = [patiently(lambda: self.made.add_node(wait=False, **one)) for _ in range(nodes)]
        self.made.wait_for_nodes(timeout=120)

    def trial_of_worker(self) -> tuple[psutil.Process, Path] | None:
        """Return the process that is running a trial on the first worker, and the trial's folder."""
        with suppress(psutil.Error):
            for process in processes_of(self.folder, "ray::ImplicitFunc"):
                locked = [Path(file.path).parent for file in process.open_files() if file.path.endswith("/.lock")]
                if process.ppid() == self.workers[0].all_processes["raylet"][0].process.pid and locked:
                    return process, locked[0]
        return None

    def kill_worker(self, trial: psutil.Process) -> None:
        """Kill the first worker and the trial it is running together, as if its machine had lost power."""
        trial.suspend()
        self.kill(self.workers[0])
        trial.kill()

    def kill(self, node: object) -> None:
        for infos in node.all_processes.values():
            for info in infos:
                info.process.kill()


@contextmanager
def cluster_of(nodes: int) -> Iterator[Cluster]:
    pytest.importorskip("ray", reason="Ray is not installed")
    with ray_folder() as folder:
        cluster = Cluster(nodes, folder)
        try:
            yield cluster
        finally:
            cluster.made.shutdown()
