"""How many cores and how much memory this process may use, containers' limits included."""

import os
from pathlib import Path

_CGROUP, _MEMINFO = Path("/sys/fs/cgroup"), Path("/proc/meminfo")


def num_cores() -> int:
    """Cores that may be used: the affinity mask, or less where a container has a quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):
        # No such file, or "max": no quota.
        return cores


def available_bytes() -> int | None:
    """Memory that can still be taken without swapping; None where the system does not tell."""
    try:
        lines = _MEMINFO.read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        return min(available, limit - used + _reclaimable_bytes())
    except (OSError, ValueError):
        return available


def _reclaimable_bytes() -> int:
    """Files that a container has read and that count as its memory, though they can be dropped at any time."""
    try:
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, StopIteration, ValueError):
        return 0
