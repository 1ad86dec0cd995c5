"""Seconds, peak memory and open files of a command of incmask, with all its worker processes."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Watched:
    """What a command took.

    Attributes:
        seconds: until it ended.
        peak_mib, peak_open_files: the highest sums over its processes of what is theirs.
        peak_leading_mib: the most of the process that leads the others.
        processor_seconds: of all processes together.
    """

    seconds: float
    peak_mib: int
    peak_open_files: int
    peak_leading_mib: int = 0
    processor_seconds: float = 0.0


def watch(command: Sequence[str], *, told: IO[str] | None = None) -> Watched:
    """Run a command of incmask to its end and sample its memory twice a second.

    Args:
        command: without the program's name.
        told: a file for what it says on the way; None: it is shown.

    Raises:
        RuntimeError: it failed.
    """
    started, peak_kib, peak_open, peak_leading_kib = time.monotonic(), 0, 0, 0
    before = _processor_seconds()
    process = subprocess.Popen([sys.executable, "-m", "incmask", *command], stderr=told)
    while process.poll() is None:
        family = [*_family(process.pid)]
        each_kib = [_proportional_kib(pid) for pid in family]
        peak_kib, peak_leading_kib = max(peak_kib, sum(each_kib)), max(peak_leading_kib, each_kib[0])
        peak_open = max(peak_open, sum(map(_num_open, family)))
        time.sleep(0.5)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    seconds, leading_mib = time.monotonic() - started, peak_leading_kib // 1024
    return Watched(seconds, peak_kib // 1024, peak_open, leading_mib, _processor_seconds() - before)


def _processor_seconds() -> float:
    """Give what all processes took that this one began and that have ended, with those that these began."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(pid: int) -> Iterator[int]:
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _num_open(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0
