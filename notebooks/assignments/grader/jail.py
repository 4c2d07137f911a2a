"""The jail around the process that runs answers: bubblewrap, where it is installed and may make namespaces.

Inside there are no network, no other process, and no file but a Python that can only be read; it ends with the grader.
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
"""User, process, network, IPC, host name and cgroup of its own. The capability counts in these namespaces only: each
answer gets a small file system of its own with it, and gives it up (`fence`)."""


def homes() -> list[str]:
    """The folders whose `bin` and `lib` make up this Python: of its environment, of what that is built on, and all
    that the links between them name.
    """
    path, found = sys.executable, [sys.prefix, sys.base_prefix]
    while os.path.islink(path):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
        found.append(os.path.dirname(os.path.dirname(path)))
    return list(dict.fromkeys(found))


def command() -> list[str]:
    """What stands before a command that starts this Python, to start it in the jail."""
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
    """Whether this machine can put this Python into the jail: by doing it."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return False
    trial = [*command(), sys.executable, "-I", "-S", "-c", ""]
    return subprocess.run(trial, capture_output=True).returncode == 0
