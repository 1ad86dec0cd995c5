"""Whether files of a run folder are what was written: all that read them open them by ``intact``."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from incmask.base.caller import command
from incmask.base.errors import IncmaskError, Problem
from incmask.base.manifest import MANIFEST, Entries, Entry, check_end
from incmask.base.parse import parse_json

LARGE_BYTES = 16 * 2**20
"""Files beyond are not read whole where they are opened, but in blocks here and there."""

_NUM_BLOCKS, _BLOCK_BYTES = 64, 2**16


GONE = (FileNotFoundError, NotADirectoryError)
"""What opening a file raises that is not there; all else that a disk raises is told."""


class DamagedError(IncmaskError):
    """A file of a run folder is not what was written, or is there and cannot be read."""


def cannot_read(path: Path, error: OSError) -> DamagedError:
    """Say that a file is there and the disk does not give it, so that nobody takes it for one that is gone."""
    mend = "look after the disk and the right to read it, then call the same again"
    return DamagedError(Problem(str(path), f"cannot be read ({error.strerror or error})", mend))


def entry_of(path: Path) -> Entry:
    """Give the entry of a file as it is now."""
    size = path.stat().st_size
    return Entry(size, hash_file(path), _hash_blocks(path, size) if size > LARGE_BYTES else "")


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hash_below(path: Path) -> str:
    """SHA-256 of a file's content, or of the names and contents of all files in a folder, in hexadecimal."""
    if not path.is_dir():
        return hash_file(path)
    found = (Path(where, name) for where, _, names in os.walk(path) for name in names)
    files = sorted(each.relative_to(path).as_posix() for each in found)
    return hashlib.sha256("".join(f"{hash_file(path / name)} {name}\n" for name in files).encode()).hexdigest()


def _hash_blocks(path: Path, size: int) -> str:
    """SHA-256 of blocks from the first to the last, as far apart as each other."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for number in range(_NUM_BLOCKS):
            digest.update(_block(handle, (size - _BLOCK_BYTES) * number // (_NUM_BLOCKS - 1)))
    return digest.hexdigest()


def _block(handle: BinaryIO, place: int) -> bytes:
    handle.seek(place)
    return handle.read(_BLOCK_BYTES)


_manifests: dict[Path, tuple[tuple[int, ...], Entries]] = {}
_checked: dict[tuple[Path, bool], tuple[tuple[int, ...], Entry, str]] = {}
"""What was read, with what tells it from a changed file: run folders are read at many places of one process."""

_MOST_CHECKED = 1_000
"""Of small files there may be millions, each read once."""


def read_manifest(root: Path) -> Entries:
    """Give the entries of a folder by path from there; none where it has no manifest.

    Raises:
        DamagedError: the manifest cannot be read.
    """
    path = root / MANIFEST
    try:
        stamp = _stamp(path)
        if _manifests.get(path, (None,))[0] != stamp:
            # First the end: whoever works there now only adds to the manifest.
            check_end(root)
            _manifests[path] = stamp, Entries(root)
        return _manifests[path][1]
    except FileNotFoundError:
        return Entries(root)
    except _DAMAGE as error:
        raise _damaged(path, error) from error


_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)


def _damaged(path: Path, error: Exception) -> DamagedError:
    return DamagedError(Problem(str(path), f"is damaged ({error})", "restore it, or run in another folder"))


def _entry(root: Path, name: str) -> Entry | None:
    """Give what the manifest tells of a file; None: nothing."""
    entries = read_manifest(root)
    try:
        return entries.get(name)
    except _DAMAGE as error:
        raise _damaged(root / MANIFEST, error) from error


def damage(path: Path, entry: Entry, *, whole: bool = False) -> str:
    """Tell in words what is wrong with a file; "" for nothing.

    Args:
        path: the file.
        entry: what it should be.
        whole: read all of it even where it is large.
    """
    try:
        return _damage_of(path, entry, whole=whole)
    except OSError as error:
        return f"cannot be read ({error})"


def _damage_of(path: Path, entry: Entry, *, whole: bool) -> str:
    """Do the same; raises ``OSError`` where the disk does not give the file."""
    try:
        stamp = _stamp(path)
        known = _checked.get((path, whole))
        if known is None or known[:2] != (stamp, entry):
            while len(_checked) >= _MOST_CHECKED:
                _checked.pop(next(iter(_checked)), None)
            known = _checked[path, whole] = stamp, entry, _difference(path, entry, whole=whole)
        return known[2]
    except GONE:
        return "is gone"


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _difference(path: Path, entry: Entry, *, whole: bool) -> str:
    size = path.stat().st_size
    if size != entry.num_bytes:
        return f"holds {size:,} bytes, {entry.num_bytes:,} were written" if size else "is empty"
    large = size > LARGE_BYTES and not whole
    now, then = (_hash_blocks(path, size), entry.blocks) if large and entry.blocks else ("", "")
    if not large:
        now, then = hash_file(path), entry.sha256
    return "" if now == then else "holds other bytes than were written"


def intact(path: Path, *, whole: bool = False, mend: str = "") -> Path:
    """Give a path whose file is what was written, as far as the manifest of its folder knows it.

    Args:
        path: of a file in a run folder, or elsewhere; one that was never entered need not be there.
        whole: read all of it even where it is large.
        mend: what to do about a damaged file; "": its folder's command makes it anew.

    Raises:
        DamagedError: it is gone, cut short or changed since it was written, or the disk does not give it.
    """
    if (root := root_of(path)) is None:
        return path
    place = Path(os.path.abspath(path))
    if (entry := _entry(root, place.relative_to(root).as_posix())) is None:
        return path
    try:
        cause = _damage_of(place, entry, whole=whole)
    except OSError as error:
        raise cannot_read(path, error) from error
    if cause:
        raise DamagedError(Problem(str(path), cause, mend or made_anew(root)))
    return path


def root_of(path: Path) -> Path | None:
    """Give the nearest folder above a file that has a manifest; None: there is none."""
    return next((each for each in Path(os.path.abspath(path)).parents if (each / MANIFEST).is_file()), None)


def made_anew(root: Path) -> str:
    """Say what makes the files of a folder anew."""
    of_several = (root / "runs").is_dir() or root_of(root) is not None
    return f"let the same {command('compare' if of_several else 'run')} go on: it makes it anew"


def files_below(root: Path) -> Iterator[Path]:
    """Give all files of a folder, in order, but those of folders in it that have a manifest of their own."""
    for folder, below, names in os.walk(root):
        here = Path(folder)
        below[:] = sorted(name for name in below if not (here / name / MANIFEST).is_file())
        yield from (here / name for name in sorted(names))


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder; None where there never was one.

    Raises:
        DamagedError, ValueError: it is damaged.
    """
    return parse_json(read_text(path)) if intact(path).exists() else None


def read_text(path: Path) -> str:
    """Read a text of a run folder.

    Raises:
        FileNotFoundError, NotADirectoryError: there never was one.
        DamagedError: it is damaged, or cannot be read.
        ValueError: it is no text.
    """
    try:
        return intact(path).read_text(encoding="utf-8")
    except GONE:
        raise
    except OSError as error:
        raise cannot_read(path, error) from error
