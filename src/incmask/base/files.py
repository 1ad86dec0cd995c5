"""Files and folders written whole or not at all: a temporary name beside the target, then a rename."""

import errno
import filecmp
import hashlib
import os
import platform
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from incmask.base.errors import IncmaskError, fail

TEMPORARY_SUFFIX = ".part"
"""Ending of a file that is still being written; such a file may always be deleted."""

_UNFINISHED = re.compile(rf".+\.(?:(\d+)-)?(\d+){re.escape(TEMPORARY_SUFFIX)}", re.DOTALL)
"""Names of these, with the numbers of the machine and of the process that writes."""

_MACHINE = zlib.crc32(platform.node().encode())

_LONG_NAME_BYTES = 220

_OF_FILES = {".json", ".geojson", ".xml", ".txt", ".csv", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".onnx", ".pt2"}
"""Endings that folders do not have."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; rename it to ``path`` on success.

    The parent folder is made where it lacks. On an exception the temporary file is removed and
    what stood at ``path`` stays.

    Raises:
        IncmaskError: the folder cannot be written to, or the disk is full.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_dead(path.parent.absolute())
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        # Where even that fails, the next file that is written there removes it.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, *, mark: str = "") -> Iterator[Path]:
    """Give a folder beside ``path`` to write to; rename it to ``path`` on success, remove it otherwise.

    Whoever removes what was given makes nothing.

    Args:
        path: the folder.
        mark: a file that tells that the same was made there before: a folder that holds it may be there, if what is
            made now is the same to the byte. It stays then, so that a call may come again that was killed at its end.

    Raises:
        IncmaskError: something else is at ``path`` already, unless an empty folder, or it cannot be written.
    """
    again = holds_something(path)
    if again and not (mark and (path / mark).is_file()):
        raise fail(path, "is there already", "remove it, or choose another folder")
    with scratch_folder(path) as temporary:
        yield temporary
        if again and temporary.exists() and not _are_same(temporary, path):
            raise fail(path, "is there already and holds something else", "remove it, or choose another folder")
        if not again and temporary.exists():
            path.rmdir() if path.exists() else None  # as Windows replaces no folder
            temporary.rename(path)


def holds_something(path: Path) -> bool:
    """Tell whether a file, or a folder that is not empty, is at a path."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def _are_same(first: Path, second: Path) -> bool:
    """Tell whether two folders hold the same files, byte for byte."""
    below = [sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file()) for root in (first, second)]
    return below[0] == below[1] and not any(filecmp.cmpfiles(first, second, below[0], shallow=False)[1:])


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Give a hidden folder beside ``path``, which is removed at the end.

    Raises:
        IncmaskError: it cannot be written.
    """
    # Nobody has a folder of such a name, as a person may have of "OUT.part".
    temporary = _temporary(path, before=".")
    try:
        temporary.mkdir(parents=True)
        remove_dead(path.parent.absolute())
        yield temporary
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path, *, before: str = "") -> Path:
    return path.with_name(f"{before}{_short(path.name)}.{_MACHINE}-{os.getpid()}{TEMPORARY_SUFFIX}")


@lru_cache(maxsize=1024)
def remove_dead(folder: Path) -> None:
    """Remove what killed processes of this machine left in a folder, for which it is looked through once."""
    for path in [Path(each) for each in _scanned(folder) if each.name.endswith(TEMPORARY_SUFFIX)]:
        found = _UNFINISHED.fullmatch(path.name)
        if found and found[1] == str(_MACHINE) and not _is_running(int(found[2])):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _scanned(folder: Path, *, deep: bool = False) -> Iterator[os.DirEntry[str]]:
    """Give what lies in a folder, one after the other, since there may be very many; ``deep``: and below it."""
    with suppress(OSError), os.scandir(folder) as found:
        for each in found:
            yield each
            if deep and each.is_dir(follow_symlinks=False):
                yield from _scanned(Path(each), deep=True)


def _is_running(process: int) -> bool:
    """Tell whether there is a process of that number; on Windows, where asking would end it, it is said to be."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except OverflowError:
        return True
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


def remove_unfinished(root: Path) -> None:
    """Remove what killed processes left below a folder that no other process writes to now, as its lock says."""
    for path in [Path(each) for each in _scanned(root, deep=True) if each.name.endswith(TEMPORARY_SUFFIX)]:
        # Folders and files of others may have such an ending, too.
        if _UNFINISHED.fullmatch(path.name) and path.is_file():
            path.unlink()


def _short(name: str) -> str:
    """Give a name that leaves room for an ending: file systems take 255 bytes."""
    content = os.fsencode(name)
    return name if len(content) <= _LONG_NAME_BYTES else hashlib.sha256(content).hexdigest()


def cannot_write(path: Path, error: OSError) -> IncmaskError:
    """Say why a file or folder cannot be written, and what to do."""
    remedy = "check the folder's permissions and the free disk space, or choose another output folder"
    if error.errno == errno.ENAMETOOLONG:
        remedy = "give the image or the folder a shorter name"
    return fail(path, f"cannot be written ({error.strerror or error})", remedy)


def append_text(path: Path, text: str) -> None:
    """Add to the end of a file, so that it is there after a loss of power, too.

    Raises:
        IncmaskError: the file cannot be written to, or the disk is full.
    """
    try:
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def nearest_existing(path: Path) -> Path:
    """Give a path, absolute, or the nearest folder above it that is there."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` as UTF-8 to ``path``, whole or not at all."""
    write_bytes(path, content.encode())


def write_parts(path: Path, parts: Iterable[str]) -> None:
    """Write text that comes in parts as UTF-8 to ``path``, whole or not at all."""
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as handle:
        handle.writelines(parts)


def check_folder_name(path: Path, what: str) -> None:
    """Refuse to make a folder of a name that is a file's.

    Args:
        path: of the folder, which need not be there yet.
        what: is written into it, such as "an export".

    Raises:
        IncmaskError: it looks like a file.
    """
    if path.suffix.casefold() in _OF_FILES and not path.exists():
        raise fail(path, f"looks like a file, but {what} is a folder of several files", f"name it {path.stem}")
