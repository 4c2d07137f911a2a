"""The fence: what a process gives up before it runs a submitted answer, to keep the answer from reading, changing or
reaching anything of the teacher's. Linux only; standard library only, because it travels with `child`.

`child` puts up the fence in each fork. Where bubblewrap works, there is a jail (`jail`) around it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import resource
import signal
import site
import struct
import sys

from grader.seccomp import can_shut_calls, shut_calls

LIBRARIES = list(filter(os.path.isdir, [os.path.dirname(os.__file__), *site.getsitepackages()]))
SYSTEM = ("/usr/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/localtime", "/dev/null", "/dev/urandom")
SCRATCH = "/answer"
"""Where an answer may write: in a jail only, an empty file system that disappears with the answer."""
SCRATCH_SIZE = b"size=16m,nr_inodes=64,mode=700"
LARGEST_FILE = 8 << 20
CREATE, ADD, RESTRICT = 444, 445, 446
"""Landlock's system calls, the same on every processor."""
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_FILE, TRUNCATE = (1 << bit for bit in (0, 1, 2, 3, 8, 14))


def can_shut_files() -> bool:
    """Whether this kernel has Landlock (Linux 5.13 or newer, where it is switched on)."""
    return sys.platform == "linux" and ctypes.CDLL(None).syscall(CREATE, None, 0, 1) >= 1


def can_shut() -> bool:
    """Whether the fence is complete without a jail around it."""
    return can_shut_files() and can_shut_calls()


def own_scratch() -> bool:
    """Mount an empty file system on `SCRATCH`, visible to this process only. Return False outside a jail, or if the
    jail may not mount.
    """
    if sys.platform != "linux" or not os.path.isdir(SCRATCH):
        return False
    libc = ctypes.CDLL(None)
    new_mounts, private, no_programs = 0x20000, 0x44000, 2 | 4 | 8
    return (
        libc.unshare(new_mounts) == 0
        and libc.mount(b"none", b"/", None, private, None) == 0
        and libc.mount(b"answer", SCRATCH.encode(), b"tmpfs", no_programs, SCRATCH_SIZE) == 0
    )


@functools.cache
def readable() -> tuple[str, ...]:
    """Return the paths of Python's standard library, its packages without omg_lib, and the system's libraries."""
    inside = [os.path.join(folder, name) for folder in LIBRARIES for name in os.listdir(folder)]
    hidden = ("omg_lib", "omg-lab", "site-packages", "dist-packages")
    kept = [path for path in inside if not os.path.basename(path).startswith(hidden)]
    beside = os.path.join(sys.base_prefix, "lib")  # conda keeps shared libraries there
    kept += [entry.path for entry in os.scandir(beside) if ".so" in entry.name] if os.path.isdir(beside) else []
    return (*kept, *filter(os.path.exists, SYSTEM))


def shut_files(may_write: bool) -> None:
    """Use Landlock: from now on this process opens no file except `readable()` and, if it may write, `SCRATCH`'s. If
    the kernel supports it, it also opens no TCP connection and sends no signal. Raise OSError if the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE, None, 0, 1)
    rights = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    words = 1 + (version >= 4) + (version >= 6)
    wanted = struct.pack("QQQ", rights, 3, 3)[: 8 * words]
    rules = libc.syscall(CREATE, wanted, len(wanted), 0)
    may = {path: EXECUTE | READ_FILE | (READ_DIR if os.path.isdir(path) else 0) for path in readable()}
    may |= dict.fromkeys(LIBRARIES, READ_DIR)
    if may_write:
        may[SCRATCH] = (READ_FILE | READ_DIR | WRITE_FILE | MAKE_FILE | TRUNCATE) & rights
    for path, allowed in may.items():
        place = os.open(path, os.O_PATH)
        libc.syscall(ADD, rules, 1, struct.pack("<Qi", allowed, place), 0)
        os.close(place)
    no_new_privileges = 38
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.syscall(RESTRICT, rules, 0):
        raise OSError(ctypes.get_errno(), "Landlock")
    os.close(rules)


def address_space() -> int:
    """Return the bytes of address space in use, or 4 GiB if unknown: what Python and torch need varies by build."""
    with contextlib.suppress(OSError), open("/proc/self/statm") as pages:
        return int(pages.read().split()[0]) * resource.getpagesize()
    return 4 << 30


def limit(seconds: int, memory: int) -> None:
    """Limit computing time (seconds), memory beyond current use (bytes) and files; forbid new processes."""
    for name, soft, hard in (
        ("RLIMIT_CPU", seconds, seconds + 1),  # at the soft limit the signal tells why the process ended
        ("RLIMIT_AS", *[address_space() + memory] * 2),
        ("RLIMIT_FSIZE", LARGEST_FILE, LARGEST_FILE),
        ("RLIMIT_NOFILE", 64, 64),
        ("RLIMIT_NPROC", 0, 0),
        ("RLIMIT_CORE", 0, 0),
    ):
        with contextlib.suppress(ValueError, OSError, AttributeError):  # macOS lacks some of them
            resource.setrlimit(getattr(resource, name), (soft, hard))


def end_with_parent() -> None:
    """Make the kernel kill this process when its parent ends, in any way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def hide_memory() -> None:
    """Keep other processes of the same user, including forks of this one, from opening this one's memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0)


def put_up(seconds: int, memory: int) -> None:
    """Give up everything that an answer does not need, as far as this system can. Raise OSError if it refuses."""
    may_write = own_scratch()
    os.chdir(SCRATCH if may_write else "/")
    limit(seconds, memory)
    if can_shut_files():
        shut_files(may_write)
    if can_shut_calls():
        shut_calls(may_write)
