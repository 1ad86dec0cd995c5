"""Damages to files, and whether a job then gives what it gives of whole ones, or says what is wrong."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

from incmask.base.errors import IncmaskError
from incmask.base.manifest import END, MANIFEST
from incmask.base.run_log import LOG
from incmask.base.store import DAMAGED, LOCK

Damage = Callable[[Path], object]


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Damage] = {each.__name__: each for each in (truncated, emptied, zeroed, flipped)} | {
    "deleted": Path.unlink
}

_opened: list[Callable[[str], None]] = []
"""What is told of each file that is opened."""


@cache
def _listen() -> None:
    def hear(event: str, args: tuple) -> None:
        if event == "open" and _opened and isinstance(args[0], str | os.PathLike):
            _opened[-1](os.fspath(args[0]))

    sys.addaudithook(hear)


@contextmanager
def failing_disk(place: int, ending: str = "") -> Iterator[count]:
    """Let one opening fail among those of files whose paths end so, by its number from 0; gives what counts them."""
    _listen()
    numbers = count()

    def at(path: str) -> None:
        if path.endswith(ending) and next(numbers) == place:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    _opened.append(at)
    try:
        yield numbers
    finally:
        _opened.pop()


@contextmanager
def whole_disk() -> Iterator[None]:
    """Let nothing fail meanwhile: who looks at what came of a failure has no part in it."""
    _opened.append(lambda path: None)
    try:
        yield
    finally:
        _opened.pop()


_OF_THE_MOMENT = {LOCK, MANIFEST, END, "usage.json"}


def files_of(folder: Path) -> list[str]:
    """Give all files of a folder that can be damaged, by their paths; nothing depends on what a run says of itself."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size and path.name != LOG)
    return [path.relative_to(folder).as_posix() for path in paths if DAMAGED not in path.relative_to(folder).parts]


def content_of(folder: Path) -> dict[str, bytes]:
    """Give all files of a folder but those that tell of the moment or of what was damaged, and no times."""
    with whole_disk():
        return {name: _content(folder / name) for name in files_of(folder) if Path(name).name not in _OF_THE_MOMENT}


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    # The last column is the time that it took.
    timed = path.name == "history.csv"
    return b"\n".join(line.rpartition(b",")[0] for line in content.splitlines()) if timed else content


def wrong_ends(job: Callable[[], object], expected: object, what: str) -> Iterator[str]:
    """Do a job on damaged files; tell of an end that is neither as expected nor an error of our own with its mend."""
    try:
        if job() != expected:
            yield f"{what}: another result, and nothing was said"
    except IncmaskError as error:
        if not all(problem.where and problem.what and problem.remedy for problem in error.problems):
            yield f"{what}: {error}"
    except Exception as error:
        yield f"{what}: {error!r}"
