"""The filter of system calls, executed step by step as a kernel does, for both processors, on any machine."""

import re
import struct
from pathlib import Path

import pytest
from grader.seccomp import (
    ALLOW,
    ALLOWED,
    ANSWER,
    ARCHITECTURES,
    IF_ANY,
    IF_EQUAL,
    KILL,
    LOAD,
    NO_ACCESS,
    NO_CALL,
    program,
)

I386, ARM32 = 0x40000003, 0x40000028
X32 = 0x40000000
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
MACHINES = pytest.mark.parametrize("machine", ARCHITECTURES)


def says(
    machine: str, call: str | int, *arguments: int, architecture: int | None = None, may_write: bool = True
) -> int:
    """Return the filter's answer to a call, by name or number."""
    column, own = ARCHITECTURES[machine]
    number = ALLOWED[call][column] if isinstance(call, str) else call
    six = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    known = struct.pack("<IIQ6Q", number, own if architecture is None else architecture, 0, *six)
    steps, at, word = program(machine, may_write), 0, 0
    while True:
        operation, yes, no, value = steps[at]
        at += 1
        if operation == LOAD:
            (word,) = struct.unpack_from("<I", known, value)
        elif operation == ANSWER:
            return value
        else:
            at += yes if {IF_EQUAL: word == value, IF_ANY: bool(word & value)}[operation] else no


@MACHINES
def test_what_is_in_the_list_passes_and_every_other_number_kills(machine):
    column, _ = ARCHITECTURES[machine]
    free = {numbers[column] for name, numbers in ALLOWED.items() if name not in ("ioctl", "fcntl", "prlimit64")}
    for number in range(1000):
        passes = NO_CALL if number == ALLOWED["mbind"][column] else ALLOW
        assert says(machine, number) == (passes if number in free else KILL) or number in (
            ALLOWED["fcntl"][column],  # the first of them, F_DUPFD, is 0
            ALLOWED["prlimit64"][column],
        )
        assert says(machine, X32 + number) == KILL


@MACHINES
@pytest.mark.parametrize("other", [I386, ARM32, 0])
def test_no_call_of_another_architecture_passes(machine, other):
    assert {says(machine, number, architecture=other) for number in range(1000)} == {KILL}


@MACHINES
def test_calls_with_many_meanings_pass_with_the_harmless_ones(machine):
    tcgets, tiocsti, f_getfd, f_setown, f_dupfd_cloexec = 0x5401, 0x5412, 1, 8, 1030
    assert says(machine, "ioctl", 0, tcgets) == ALLOW and says(machine, "ioctl", 0, tiocsti) == KILL
    assert says(machine, "ioctl", 0, tiocsti | 1 << 32) == KILL  # the kernel reads 32 bits, and so does the filter
    assert {says(machine, "fcntl", 0, command) for command in (f_getfd, f_dupfd_cloexec)} == {ALLOW}
    assert says(machine, "fcntl", 0, f_setown) == KILL
    assert says(machine, "prlimit64", 0, 7, 0) == ALLOW
    assert {says(machine, "prlimit64", *wrong) for wrong in ((1, 7, 0), (0, 7, 1), (0, 7, 1 << 32))} == {KILL}


@MACHINES
def test_files_are_opened_for_reading_only_where_there_is_no_place_to_write(machine):
    reading, cloexec, directory = 0, 0o2000000, 0o200000
    for flags in (reading, cloexec, directory | cloexec):
        assert says(machine, "openat", 0, 0, flags, may_write=False) == ALLOW
    for flags in (1, 2, 0o100, 0o1000, 0o1000 | cloexec, 0o20200002):
        assert says(machine, "openat", 0, 0, flags, may_write=False) == NO_ACCESS
        assert says(machine, "openat", 0, 0, flags) == ALLOW


@MACHINES
def test_the_numbers_are_the_kernels(machine):
    header = HEADERS[machine]
    if not header.is_file():
        pytest.skip(f"{header} is not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)\b", header.read_text())
    theirs = {name: int(number) for name, number in found} | ({"newfstatat": 79} if machine == "aarch64" else {})
    column, _ = ARCHITECTURES[machine]
    ours = {name: numbers[column] for name, numbers in ALLOWED.items()}
    assert ours == {name: theirs.get(name) for name in ALLOWED}
