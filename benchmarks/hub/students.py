"""StudentSpawner: servers as local processes that keep to the limits which JupyterHub only writes down.

On a cluster KubeSpawner enforces `cpu_limit` and `mem_limit` with containers; use it there. On one Linux machine this
spawner does so with what the system offers any process.
"""

import os
import resource
import shutil
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Unicode

FIRST_ID = 20_000
"""Where the hub runs as root, student k runs as user FIRST_ID + k, who needs no account on the machine."""


class StudentSpawner(SimpleLocalProcessSpawner):
    """A student's server, with notebooks of their own, the course's `data/` read-only, a share of memory and of cores.

    mem_limit: bytes that each process (the server, each kernel) may ask for; what is more is a MemoryError there, and
    the kernel lives on. cpu_limit: so many cores, the same ones for all of a student's processes.
    """

    homes = Unicode(help="folder of all homes").tag(config=True)
    course = Unicode(help="the checkout that holds notebooks/ and data/").tag(config=True)

    @property
    def home(self) -> Path:
        return Path(self.homes) / self.user.name

    def user_env(self, env):
        env = super().user_env(env)
        return env | {"HOME": str(self.home), "USER": self.user.name, "JUPYTER_PREFER_ENV_PATH": "0"}

    def make_preexec_fn(self, name):
        user, limit, cores = FIRST_ID + self.user.id, self.mem_limit, self.cores()
        self.lay_out(user)
        home = self.home

        def prepare() -> None:  # in the new process, before it becomes the server
            os.umask(0o077)
            if limit:
                resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
            os.sched_setaffinity(0, cores)
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            os.chdir(home)

        return prepare

    def cores(self) -> set[int]:
        """Which cores this student's processes run on: students go round them."""
        usable = sorted(os.sched_getaffinity(0))
        count = max(1, min(len(usable), round(self.cpu_limit or len(usable))))
        return {usable[(self.user.id * count + k) % len(usable)] for k in range(count)}

    def lay_out(self, user: int) -> None:
        """The home: notebooks are copied once, so that answers stay; `data` leads to the one that all share."""
        home, course = self.home, Path(self.course)
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "notebooks").exists():
            shutil.copytree(course / "notebooks", home / "notebooks")
        if not (home / "data").is_symlink():
            (home / "data").symlink_to(course / "data", target_is_directory=True)
        home.chmod(0o700)
        if os.getuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)
