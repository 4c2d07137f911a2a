"""seccomp: the system calls that a submitted answer may make. Any other call ends its process.

Standard library only: `child` runs this file where there is no course folder. The calls that Python and torch need were
found by tracing the four reference solutions; the others only read a clock, a file or a fact about the process.
`mbind` is in the list because SciPy tries it, but always fails.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Sequence

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of `ALLOWED`, and the kernel's number for the architecture. A 64-bit process can make 32-bit calls, which have
other numbers (`int 0x80`), so the filter checks the architecture first; x32 calls have numbers that are in no list."""
ALLOWED = {
    "read": (0, 63),
    "pread64": (17, 67),
    "write": (1, 64),
    "writev": (20, 66),
    "lseek": (8, 62),
    "openat": (257, 56),
    "close": (3, 57),
    "dup": (32, 23),
    "ftruncate": (77, 46),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "getdents64": (217, 61),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "stat": (4, None),
    "lstat": (6, None),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "mbind": (237, 235),
    "brk": (12, 214),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "prlimit64": (302, 261),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
}
"""Number of each call on x86-64 and on 64-bit ARM, None if it does not exist there."""
TERMINAL = (0x5401, 0x802C542A, 0x5413, 0x5451)
"""Allowed requests of `ioctl`: TCGETS, TCGETS2, TIOCGWINSZ (is this a terminal, how wide is it) and FIOCLEX."""
DESCRIPTORS = (0, 1, 2, 3, 1030)
"""Allowed commands of `fcntl`: F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC; none that sends a signal."""
CHANGES = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
"""Flags of `openat` that change a file. O_TRUNC alone changes one if Landlock is older than Linux 6.2."""

Step = tuple[int, int, int, int]
LOAD, IF_EQUAL, IF_ANY, ANSWER = 0x20, 0x15, 0x45, 0x06
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
NO_ACCESS, NO_CALL = FAIL | errno.EACCES, FAIL | errno.ENOSYS
NUMBER, ARCHITECTURE = 0, 4
"""Offsets in bytes of the number and the architecture; the six arguments of eight bytes each begin at 16."""


def low(argument: int) -> int:
    return 16 + 8 * argument


def one_of(argument: int, values: Sequence[int]) -> list[Step]:
    """Return steps that allow a call if this 32-bit argument is one of these values."""
    tests = [(IF_EQUAL, len(values) - k, 0, value) for k, value in enumerate(values)]
    return [(LOAD, 0, 0, low(argument)), *tests, (ANSWER, 0, 0, KILL), (ANSWER, 0, 0, ALLOW)]


def zero(*places: int) -> list[Step]:
    """Return steps that allow a call if all these places are zero."""
    tests = [[(LOAD, 0, 0, place), (IF_EQUAL, 1, 0, 0), (ANSWER, 0, 0, KILL)] for place in places]
    return [*sum(tests, []), (ANSWER, 0, 0, ALLOW)]


def program(machine: str, may_write: bool) -> list[Step]:
    """Return the filter for this processor as classic BPF steps: operation, two jumps, a value."""
    column, architecture = ARCHITECTURES[machine]
    conditions = {
        "ioctl": one_of(1, TERMINAL),
        "fcntl": one_of(1, DESCRIPTORS),
        "mbind": [(ANSWER, 0, 0, NO_CALL)],  # SciPy's BLAS asks to place memory, and does without
        "prlimit64": zero(low(0), low(2), low(2) + 4),  # asks for its own limits, sets none
    }
    if not may_write:
        flags = [(LOAD, 0, 0, low(2)), (IF_ANY, 0, 1, CHANGES)]
        conditions["openat"] = [*flags, (ANSWER, 0, 0, NO_ACCESS), (ANSWER, 0, 0, ALLOW)]
    steps = [(LOAD, 0, 0, ARCHITECTURE), (IF_EQUAL, 1, 0, architecture), (ANSWER, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    for name, numbers in ALLOWED.items():
        if numbers[column] is not None:
            then = conditions.get(name, [(ANSWER, 0, 0, ALLOW)])
            steps += [(IF_EQUAL, 0, len(then), numbers[column]), *then]
    return [*steps, (ANSWER, 0, 0, KILL)]


def can_shut_calls() -> bool:
    """Whether `shut_calls` will work here."""
    return sys.platform == "linux" and platform.machine() in ARCHITECTURES


def shut_calls(may_write: bool) -> None:
    """Limit this process to the calls in `ALLOWED`, and drop its capabilities. Raise OSError if the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    steps = program(platform.machine(), may_write)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    whole = struct.pack("HP", len(steps), ctypes.addressof(code))
    no_new_privileges, set_filter, by_program = 38, 22, 2
    if (
        libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
        or libc.prctl(no_new_privileges, 1, 0, 0, 0)
        or libc.prctl(set_filter, by_program, whole, 0, 0)
    ):
        raise OSError(ctypes.get_errno(), "seccomp")
