"""StudentSpawner: servers as local processes, within the limits that JupyterHub only records.

On a cluster, use KubeSpawner, which enforces `cpu_limit` and `mem_limit` with containers. On a single Linux machine,
this spawner enforces them with the system's ordinary process limits.
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
"""Allowed student names: each is a valid folder name and cannot refer to any other folder."""

FIRST_ID = 20_000
"""If the hub runs as root, student k runs as user FIRST_ID + k, which needs no account on the machine."""


class StudentSpawner(SimpleLocalProcessSpawner):
    """A student's server, with their own notebooks, the course's read-only `data/`, and limited memory and cores.

    mem_limit: bytes that each process (the server, each kernel) may request; more raises MemoryError there, and the
    kernel survives. cpu_limit: the number of cores, the same ones for all of a student's processes.
    """

    homes = Unicode(help="folder of all homes").tag(config=True)
    course = Unicode(help="the students' copy, with its notebooks/ and data/").tag(config=True)

    @property
    def home(self) -> Path:
        if not re.fullmatch(NAME, self.user.name):
            raise ValueError(f"name {self.user.name!r}: allowed are a-z, digits and . _ @ + -, at most 64 characters")
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
        """Return the cores of this student's processes: students are spread over the cores in turn."""
        usable = sorted(os.sched_getaffinity(0))
        count = max(1, min(len(usable), round(self.cpu_limit or len(usable))))
        return {usable[(self.user.id * count + k) % len(usable)] for k in range(count)}

    def lay_out(self, user: int) -> None:
        """Create the home and let the student's user fill it: root touches nothing in a folder a student can change."""
        home, root = self.home, os.getuid() == 0
        owner = user if root else os.getuid()
        if not os.path.lexists(home):
            taken = [other.name for other in home.parent.iterdir() if root and other.lstat().st_uid == owner]
            if taken:  # the hub has reused the number of a deleted student
                raise PermissionError(f"{home}: the home {taken[0]!r} already belongs to user {owner}: move it away")
            home.mkdir(mode=0o700)
            os.chown(home, owner, owner if root else -1)  # in a folder in which only root can change anything
        elif home.is_symlink() or not home.is_dir() or home.stat().st_uid != owner:
            raise PermissionError(f"{home}: does not belong to user {owner}: chown it, or move it away")
        as_student = {"user": user, "group": user, "extra_groups": []} if root else {}
        command = [self.cmd[0], "-I", "-c", LAYOUT.read_text(), self.course, str(home)]
        done = subprocess.run(command, umask=0o077, cwd="/", capture_output=True, text=True, **as_student)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
            raise RuntimeError(f"{home}: the notebooks could not be laid out ({said})")
