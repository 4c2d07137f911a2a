"""The jail around the process that runs answers: bubblewrap, if it is installed and may create namespaces.

Inside there is no network, no other process, and no file but a read-only Python. It ends with the grader.
"""

from __future__ import annotations

import functools
import os
import shutil
import site
import subprocess
import sys

from grader.fence import SCRATCH

ZONES = "/usr/share/zoneinfo"
SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime", ZONES)
NAMESPACES = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN")
"""New user, process, network, IPC, host name and cgroup namespaces. The capability is valid inside them only: with it
each answer mounts its own small file system, and then drops it (`fence`)."""


def homes() -> list[str]:
    """Return the folders whose `bin` and `lib` make up this Python: its environment, the base installation, and all
    folders that the links between them name.
    """
    path, found = sys.executable, [sys.prefix, sys.base_prefix]
    while os.path.islink(path):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
        found.append(os.path.dirname(os.path.dirname(path)))
    return list(dict.fromkeys(found))


def command() -> list[str]:
    """Return the prefix for a command that starts this Python in the jail."""
    python = [os.path.join(home, part) for home in homes() for part in ("bin", "lib", "lib64", "pyvenv.cfg")]
    packages = site.getsitepackages()
    shown = filter(os.path.exists, dict.fromkeys([*SYSTEM, *python, *packages]))
    library = [os.path.join(folder, "omg_lib") for folder in packages]
    made = [shutil.which("bwrap") or "bwrap", *NAMESPACES]
    for path in shown:
        made += ["--ro-bind", path, path]
    for path in filter(os.path.isdir, library):
        made += ["--tmpfs", path]
    for device in ("/dev/null", "/dev/urandom"):
        made += ["--dev-bind", device, device]
    return [*made, "--proc", "/proc", "--dir", SCRATCH, "--remount-ro", "/", "--chdir", "/"]


@functools.cache
def works() -> bool:
    """Whether this Python starts in the jail on this machine. Tries it."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return False
    trial = [*command(), sys.executable, "-I", "-S", "-c", ""]
    return subprocess.run(trial, capture_output=True).returncode == 0
