"""StudentSpawner: servers as local processes that keep to the limits which JupyterHub only writes down.

On a cluster KubeSpawner enforces `cpu_limit` and `mem_limit` with containers; use it there. On one Linux machine this
spawner does so with what the system offers any process.
"""

import os
import re
import resource
import subprocess
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Unicode

LAYOUT = Path(__file__).with_name("layout.py")
NAME = r"[a-z0-9][a-z0-9._@+-]{0,63}"
"""What a student may be called: the name of a folder, and of no other folder than their own."""

FIRST_ID = 20_000
"""Where the hub runs as root, student k runs as user FIRST_ID + k, who needs no account on the machine."""


class StudentSpawner(SimpleLocalProcessSpawner):
    """A student's server, with notebooks of their own, the course's `data/` read-only, a share of memory and of cores.

    mem_limit: bytes that each process (the server, each kernel) may ask for; what is more is a MemoryError there, and
    the kernel lives on. cpu_limit: so many cores, the same ones for all of a student's processes.
    """

    homes = Unicode(help="folder of all homes").tag(config=True)
    course = Unicode(help="the students' copy, with its notebooks/ and data/").tag(config=True)

    @property
    def home(self) -> Path:
        if not re.fullmatch(NAME, self.user.name):
            raise ValueError(f"name {self.user.name!r}: allowed are small letters, digits and . _ @ + -, 64 at most")
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
        """Make the home, and let the student fill it: root touches nothing in a folder that a student can change."""
        home, root = self.home, os.getuid() == 0
        owner = user if root else os.getuid()
        if not os.path.lexists(home):
            taken = [other.name for other in home.parent.iterdir() if root and other.lstat().st_uid == owner]
            if taken:  # a number of somebody who was deleted, which the hub has given again
                raise PermissionError(f"{home}: the home {taken[0]!r} belongs to user {owner} already: move it away")
            home.mkdir(mode=0o700)
            os.chown(home, owner, owner if root else -1)  # in a folder in which only root can change anything
        elif home.is_symlink() or not home.is_dir() or home.stat().st_uid != owner:
            raise PermissionError(f"{home}: belongs to somebody else than user {owner}: chown it, or move it away")
        as_student = {"user": user, "group": user, "extra_groups": []} if root else {}
        command = [self.cmd[0], "-I", "-c", LAYOUT.read_text(), self.course, str(home)]
        done = subprocess.run(command, umask=0o077, cwd="/", capture_output=True, text=True, **as_student)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
            raise RuntimeError(f"{home}: the notebooks could not be laid out ({said})")
