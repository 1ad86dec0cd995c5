"""How many cores and how much memory this process may use, containers' limits included."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_CGROUP, _MEMINFO = Path("/sys/fs/cgroup"), Path("/proc/meminfo")
_OWN_GROUPS, _STATUS = Path("/proc/self/cgroup"), Path("/proc/self/status")


def num_cores() -> int:
    """Cores that may be used: the affinity mask, or less where a container or a service has a quota; 1 or more."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *_quotas()]))


def available_bytes() -> int | None:
    """Memory that can still be taken without swapping; None where the system does not tell."""
    available = _counted(_MEMINFO, "MemAvailable:")
    return None if available is None else min([available * 1024, *_left()])


def peak_memory_bytes() -> int | None:
    """Give the most memory that this process, or one of its children that have ended, held; None: nothing tells."""
    if resource is None:
        return None
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    # The unit is the system's own: bytes on a Mac, kibibytes elsewhere.
    return largest if sys.platform == "darwin" else largest * 1024


def _quotas() -> Iterator[int]:
    """Whole cores of each quota that holds for this process."""
    groups = [[folder / "cpu.max"] for folder in _folders("")]
    groups += [[folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"] for folder in _folders("cpu")]
    for paths in groups:
        try:
            quota, period = map(int, " ".join(path.read_text() for path in paths).split())
        except (OSError, ValueError):
            # No such file, or "max": no quota.
            continue
        if quota > 0 and period > 0:
            yield quota // period


def _left() -> Iterator[int]:
    """Bytes that each limit leaves to this process."""
    for controller, limit, used, reclaimable in (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for folder in _folders(controller):
            try:
                left = int((folder / limit).read_text()) - int((folder / used).read_text())
            except (OSError, ValueError):
                # No such file, or "max": no limit.
                continue
            # Files that a container has read count as its memory, though they can be dropped.
            yield left + (_counted(folder / "memory.stat", reclaimable) or 0)
    yield from left_of_addresses()


def left_of_addresses() -> Iterator[int]:
    """Bytes that ``ulimit -v`` leaves to this process, where it is set; each process has as many."""
    used = _counted(_STATUS, "VmSize:")
    if resource is None or used is None:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit - used * 1024


def _folders(controller: str) -> Iterator[Path]:
    """Folders whose limits hold for this process: its own group's, and all above it.

    Args:
        controller: of the first version of cgroups, which has a tree for each; "": the second version's only tree.
    """
    root = _CGROUP / controller
    try:
        lines = [line.split(":", 2) for line in _OWN_GROUPS.read_text().splitlines() if line.count(":") >= 2]
    except OSError:
        lines = []
    # Within a container the group may have the name that it has outside; then its folder is the root.
    own = next((path for _, names, path in lines if controller in names.split(",")), "/")
    inner = PurePosixPath(own).relative_to("/") if own.startswith("/") and ".." not in own else PurePosixPath()
    yield from (root / path for path in (inner, *inner.parents))


def _counted(path: Path, name: str) -> int | None:
    """Give a number of a table of the system's; None where it does not tell."""
    try:
        return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.split()[:1] == [name])
    except (OSError, StopIteration, ValueError, IndexError):
        return None
