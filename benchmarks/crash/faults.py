"""What breaks a command: faults of disks, limits and signals, and data that others change meanwhile."""

import errno
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from incmask.base.records import DATA
from incmask.base.store import LOCK

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


class Disk:
    """Counts what a process does to the files of a folder, and breaks it at a place.

    Args:
        root: the folder.
        at: called with the number of each, from 1, whether it changes something, and the path, before it is done.
    """

    def __init__(self, root: Path, at: Callable[[int, bool, str], None] = lambda number, changes, path: None):
        self.num, self._root, self._at, self._busy = 0, str(root), at, False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._busy or event not in {"open", *_CHANGES} or not isinstance(args[0], str | os.PathLike):
            return
        path = os.path.abspath(args[0])
        if path.startswith(self._root):
            changes = event != "open" or bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            self.num, self._busy = self.num + 1, True
            try:
                self._at(self.num, changes, path)
            finally:
                self._busy = False


@dataclass(frozen=True)
class Fault:
    """What breaks a command.

    Attributes:
        name: of its kind.
        where: the number of a place, a share of the time, or bytes.
        begin: called in the process, before the command.
        signal: sent to it at ``where`` of the time; 0: none.
        mend: called with the folder before the command is called again.
    """

    name: str
    where: float
    begin: Callable[[Path], object]
    signal: int = 0
    mend: Callable[[Path], object] = lambda root: None


def killed(place: int) -> Fault:
    """Kill before the first change at a place or behind it."""

    def at(number: int, changes: bool, path: str) -> None:
        if number >= place and changes:
            os.kill(os.getpid(), signal.SIGKILL)

    return Fault("killed between writing and renaming", place, lambda root: Disk(root, at))


def full_disk(place: int) -> Fault:
    """Let nothing be written from a place on."""

    def at(number: int, changes: bool, path: str) -> None:
        if number >= place and changes and os.path.basename(path) != LOCK:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    return Fault("disk full", place, lambda root: Disk(root, at))


def broken_disk(place: int) -> Fault:
    """Let the disk fail once."""

    def at(number: int, changes: bool, path: str) -> None:
        if number == place:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    return Fault("disk fails once", place, lambda root: Disk(root, at))


def small_files(num_bytes: int) -> Fault:
    """Let no file grow beyond a size, so that large ones stay half written."""
    return Fault("file size", num_bytes, lambda root: resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes,) * 2))


def few_files(num: int) -> Fault:
    """Let few files be open at once."""
    return Fault("open files", num, lambda root: resource.setrlimit(resource.RLIMIT_NOFILE, (num,) * 2))


def little_memory(num_bytes: int) -> Fault:
    """Let little memory be taken beyond what is."""

    def begin(root: Path) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + num_bytes,) * 2)

    return Fault("memory", num_bytes, begin)


def other_data(place: int, change: Callable[[Path], object]) -> Fault:
    """Let another change an unlabelled image of a run that has begun, at a place or behind it."""
    done: list[Path] = []

    def at(root: Path, number: int) -> None:
        if number >= place and not done and (root / "new" / DATA).exists():
            done.append(min((root / "data" / "unlabelled").rglob("*.png")))
            change(done[0])

    def begin(root: Path) -> Disk:
        return Disk(root, lambda number, changes, path: at(root, number))

    def mend(root: Path) -> None:
        shutil.copytree(root.parent / "template" / "data", root / "data", dirs_exist_ok=True)

    return Fault("data changed" if change is not Path.unlink else "data removed", place, begin, mend=mend)


def blank(path: Path) -> None:
    """Write another image of the same size in the place of one."""
    image = Image.open(path)
    Image.new(image.mode, image.size).save(path)


def ended_at(share: float, number: int) -> Fault:
    """Send a signal at a moment, a share of what the command takes."""
    return Fault(f"{signal.Signals(number).name} at a moment", share, lambda root: None, number)


def fault_of(generator: random.Random, job: str, *, num_places: int, largest: int, workers: bool) -> Fault:
    """Draw a fault.

    Args:
        generator: of chance.
        job: the name of the command.
        num_places: that it passes.
        largest: bytes of the largest file that it makes.
        workers: it works in other processes, for which there is only a fault of moments.
    """
    place = generator.randint(1, num_places)
    moment = ended_at(generator.random(), generator.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
    if workers:
        return moment
    size = small_files(generator.randint(1, largest))
    of_files = [killed(place), killed(place), full_disk(place), broken_disk(place), broken_disk(place), size, moment]
    of_limits = [few_files(generator.randint(8, 64)), little_memory(generator.randint(0, 1 << 26))]
    of_data = [other_data(place, blank), other_data(place, Path.unlink)] if job == "run" else []
    return generator.choice([*of_files, *of_limits, *of_data])
