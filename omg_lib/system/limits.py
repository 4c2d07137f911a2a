"""What this process may use of the machine, whose containers have limits of their own. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

GIB = 2**30


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: a container's share is less than the machine's."""
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
    """Bytes that this process may use: the machine's memory, or a container's limit if that is less."""
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
    """What `filename` says in this process's Linux control group and in those above it; all of them bind."""
    return (path.read_text().strip() for path in _control_group_files(root, controller, filename))


def _control_group_files(root: Path, controller: str, filename: str) -> Iterator[Path]:
    membership = root / "proc/self/cgroup"
    if not membership.is_file():
        return
    for line in membership.read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 1 keeps a tree for each controller, version 2 one tree for all.
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        own = top / group.lstrip("/")
        for folder in (own, *own.parents):
            if (folder / filename).is_file():
                yield folder / filename
            if folder == top:
                break


# --- what is left of it now ---


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take on top of what it holds: the least of what the system has left, what each
    control group has left, and the limits of the process itself. None where the system does not say (not Linux).
    """
    system = _numbers(root / "proc/meminfo").get("MemAvailable:")
    if system is None:
        return None
    return max(0, min([system * 1024, *_left_in_groups(root), *_left_to_the_process(root)]))


def resident_bytes(peak: bool = False) -> int | None:
    """What the operating system says that this process holds in memory, or held at its peak; None where it does not say
    (not Linux).
    """
    held = _numbers(Path("/proc/self/status")).get("VmHWM:" if peak else "VmRSS:")
    return None if held is None else held * 1024


def _left_in_groups(root: Path) -> Iterator[int]:
    """The limit of each group, less what is used there and cannot be given back (files that are read again)."""
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
    """What `ulimit -v` and `ulimit -d` leave."""
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
    """The lines "name number ..." of one of the system's files; {} where it is not there."""
    if not path.is_file():
        return {}
    lines = (line.split() for line in path.read_text().splitlines())
    return {parts[0]: int(parts[1]) for parts in lines if len(parts) > 1 and parts[1].isdecimal()}
