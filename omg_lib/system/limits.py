"""The cores and memory this process may use, including a container's limits. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

GIB = 2**30


def usable_cores(root: Path = Path("/")) -> int:
    """Return the cores this process may use; a container may have fewer than the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [limit.split() for limit in _control_group_limits(root, "cpu", "cpu.max")]
    shares += zip(
        _control_group_limits(root, "cpu", "cpu.cfs_quota_us"),
        _control_group_limits(root, "cpu", "cpu.cfs_period_us"),
        strict=True,
    )
    quotas = [int(quota) // int(period) for quota, period in shares if quota not in ("max", "-1")]
    return max(1, min([cores, *quotas]))


def usable_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes this process may use: the machine's memory, or a container's limit if it is lower."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        return None
    limits = [
        int(limit)
        for filename in ("memory.max", "memory.limit_in_bytes")
        for limit in _control_group_limits(root, "memory", filename)
        if limit != "max"
    ]
    return min([physical, *limits])


def _control_group_limits(root: Path, controller: str, filename: str) -> Iterator[str]:
    """Read `filename` in this process's Linux control group and its parents; all of the limits apply."""
    return (path.read_text().strip() for path in _control_group_files(root, controller, filename))


def _control_group_files(root: Path, controller: str, filename: str) -> Iterator[Path]:
    membership = root / "proc/self/cgroup"
    if not membership.is_file():
        return
    for line in membership.read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 1 has one tree per controller, version 2 a single tree.
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        own = top / group.lstrip("/")
        for folder in (own, *own.parents):
            if (folder / filename).is_file():
                yield folder / filename
            if folder == top:
                break


# --- what is free now ---


def free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes this process may still allocate: the minimum of what is free in the system and in each control
    group, and of the process's own limits. None if the system does not report it (not Linux).
    """
    system = _numbers(root / "proc/meminfo").get("MemAvailable:")
    if system is None:
        return None
    return max(0, min([system * 1024, *_left_in_groups(root), *_left_to_the_process(root)]))


def resident_bytes(peak: bool = False) -> int | None:
    """Return this process's memory, now or at its peak, as the operating system reports it; None if it does not (not
    Linux).
    """
    held = _numbers(Path("/proc/self/status")).get("VmHWM:" if peak else "VmRSS:")
    return None if held is None else held * 1024


def _left_in_groups(root: Path) -> Iterator[int]:
    """Return each group's limit minus its memory that cannot be reclaimed (cached files can)."""
    for limit_name, used_name, files in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for limit in _control_group_files(root, "memory", limit_name):
            text, used = limit.read_text().strip(), limit.with_name(used_name)
            if text != "max" and used.is_file():
                reclaimed = _numbers(limit.with_name("memory.stat")).get(files, 0)
                yield int(text) - int(used.read_text()) + reclaimed


def _left_to_the_process(root: Path) -> Iterator[int]:
    """Return what `ulimit -v` and `ulimit -d` leave."""
    try:
        import resource
    except ImportError:  # Windows
        return
    held = _numbers(root / "proc/self/status")
    for kind, name in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY and name in held:
            yield limit - held[name] * 1024


def _numbers(path: Path) -> dict[str, int]:
    """Parse the lines "name number ..." of a system file; {} if it does not exist."""
    if not path.is_file():
        return {}
    lines = (line.split() for line in path.read_text().splitlines())
    return {parts[0]: int(parts[1]) for parts in lines if len(parts) > 1 and parts[1].isdecimal()}
