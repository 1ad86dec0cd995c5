"""Data on a URL of any kind that fsspec knows: copied to this machine, whole and in order, and read from there.

Images are read for their facts, for the stack and for their masks, by many processes and libraries that want files. So
a copy is kept, and what is in it and unchanged there is not fetched again.
"""

import errno
import json
import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import filelock

from incmask.base.errors import IncmaskError, fail
from incmask.base.files import cannot_write, nearest_existing, remove_unfinished, whole_file, write_text
from incmask.base.parse import parse_json
from incmask.base.progress import Progress
from incmask.base.store import is_made_here
from incmask.base.threads import side_by_side
from incmask.base.words import counted
from incmask.data.folder.names import key_of_name
from incmask.data.folder.walk import is_silent
from incmask.data.images.writers import path_inside

CACHE = "INCMASK_CACHE"
"""The variable that names the folder of all copies."""

_RECORD, _LOCK = "files.jsonl", ".lock"
_NUM_THREADS = 16
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)
"""Of two letters or more, as drives have one. A path has taken the second slash."""

_PACKAGES = {"s3": " s3fs", "s3a": " s3fs", "gs": " gcsfs", "gcs": " gcsfs", "az": " adlfs", "https": " aiohttp"}
"""What is installed beside, as it stands in the command."""
_STAMPS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created")
"""What file systems tell of a file that is another one when the file is, the surest first."""

_SECRET = re.compile(r"(\w[\w+.-]*://)(?:[^\s/@'\"]*@)?([^\s?'\"]*)(?:\?[^\s'\"]*)?")
_OF_THIS_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENAMETOOLONG)
_GOES_ON = "call it again: what has come is kept, and it goes on from there"


def is_url(given: object) -> bool:
    """Tell whether something is a URL, and no path.

    Examples:
        >>> is_url("s3://bucket/data"), is_url("data"), is_url(r"C:\\data")
        (True, False, False)
    """
    return isinstance(given, str) and (found := _SCHEME.match(given)) is not None and given[found.end() :][:1] == "/"


def refuse_url(given: object, what: str) -> None:
    """Refuse a URL where results are written.

    Args:
        given: a path; of a URL, perhaps with one of its slashes.
        what: is there, such as "results are written".

    Raises:
        IncmaskError: it is a URL.
    """
    if found := _SCHEME.match(str(given)):
        url = f"{found[0]}/{str(given)[found.end() :].lstrip('/')}"
        mend = "name a folder of this machine, and copy it, by rclone or the tool of the storage"
        raise fail(_shown(url), f"is a URL, and {what} in folders alone", mend)


def local_copy(url: str, progress: Progress) -> Path:
    """Bring the folder or file of a URL to this machine: what is new or changed is copied, what is gone removed.

    Every file is copied whole or not at all, and one that came is not fetched again, whatever happens to the others.

    Args:
        url: of any kind that fsspec knows, without a password: the storage's own tools tell how to log in.
        progress: a listener; files are its unit.

    Returns:
        The copy, below ``INCMASK_CACHE``, or else ``~/.cache/incmask``; its name is the last one of the URL.

    Raises:
        IncmaskError: a package lacks, the URL cannot be reached or read, holds nothing or what cannot be a file, or
            there is no room for it.
    """
    _check(url)
    with _told(url):
        import fsspec

        system, there = fsspec.core.url_to_fs(url)
        system.invalidate_cache()
        files = _files(url, there.rstrip("/"), system.find(there, detail=True))
    is_file = [file.path for file in files] == [there]
    place = _cache() / sha256(url.rstrip("/").encode()).hexdigest()[:16]
    name = PurePosixPath(_shown(url).partition("://")[2]).name or "data"
    folder = place if is_file else path_inside(place, name, "")
    _check_names(url, folder, files)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(place / _LOCK, timeout=0):
            _bring(url, system, files, folder, progress)
    except filelock.Timeout:
        raise fail(_shown(url), "is being copied to this machine by another process", "wait for it") from None
    except OSError as error:
        raise cannot_write(place, error) from error
    return folder / files[0].name if is_file else folder


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the URL: its path there, its name below the folder, its size, and what tells it from a changed one."""

    path: str
    name: str
    num_bytes: int
    stamp: str


def _check(url: str) -> None:
    host = url.partition("://")[2].partition("/")[0]
    if "?" in url or ":" in host.rpartition("@")[0]:
        mend = f"name {_shown(url)}, and log in as the storage's own tools do"
        raise fail(_shown(url), "comes with a password, a query or a pattern", mend)


def _shown(url: str) -> str:
    """Give a URL as it may be told: without a user's password, and without a query, which may be a signature.

    Examples:
        >>> _shown("https://me:secret@host/data?signature=secret")
        'https://host/data'
    """
    return _SECRET.sub(r"\1\2", url)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Word what goes wrong there, whatever library says it; no secret that is in its words comes up."""
    try:
        yield
    except (IncmaskError, MemoryError):
        raise
    except ImportError:
        scheme = url.partition("://")[0].lower()
        more, what = _PACKAGES.get(scheme, ""), f"is read by a package that is not installed ({scheme}://)"
        raise fail(_shown(url), what, f"pip install 'incmask[remote]'{more}") from None
    except FileNotFoundError:
        raise fail(_shown(url), "is not there", "check the URL") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THIS_DISK:
            raise
        line = _shown(str(error).strip().partition("\n")[0])[:200]
        why = f"{type(error).__name__}: {line}" if line else type(error).__name__
        raise fail(_shown(url), f"cannot be read ({why})", f"check the URL and your login, then {_GOES_ON}") from None


def _files(url: str, there: str, found: Mapping[str, Mapping[str, Any]]) -> list[_File]:
    """Give the files that a folder of them would hold for a reader, sorted: nothing hidden, no results."""
    files = []
    for path, about in found.items():
        name = path.removeprefix(there).lstrip("/") or path.rpartition("/")[2]
        # Some storages mark a folder by an empty file of its name.
        if about["type"] != "directory" and not path.endswith("/"):
            stamp = next((f"{key} {about[key]}" for key in _STAMPS if about.get(key)), "")
            files.append(_File(path, name, _size(url, name, about), stamp))
    names = defaultdict(set)
    for file in files:
        above, _, name = file.name.rpartition("/")
        names[above].add(name)
    made_here = {above for above, below in names.items() if above and is_made_here(below)}

    def is_passed_over(name: str) -> bool:
        above = [str(each) for each in PurePosixPath(name).parents]
        is_hidden = any(is_silent(part) for part in name.split("/") if part not in (".", ".."))
        return is_hidden or not made_here.isdisjoint(above)

    files = sorted((file for file in files if not is_passed_over(file.name)), key=lambda file: file.name)
    if not files:
        raise fail(_shown(url), "holds no files, or is not there", "check the URL")
    return files


def _size(url: str, name: str, about: Mapping[str, Any]) -> int:
    if about.get("size") is None:
        raise fail(f"{_shown(url)}: {name}", "does not tell its size", "copy the data to a folder, and name that")
    return int(about["size"])


def _check_names(url: str, folder: Path, files: Sequence[_File]) -> None:
    """Refuse names that lead out of the folder, and two that are one where capitals are not told."""
    for file in files:
        path_inside(folder, file.name, "")
    times = Counter(key_of_name(file.name) for file in files)
    if alike := [file.name for file in files if times[key_of_name(file.name)] > 1]:
        what = f"holds {alike[0]} and {alike[1]}, which are one file to some disks"
        raise fail(_shown(url), what, "rename one of the two")


def _cache() -> Path:
    return Path(os.environ.get(CACHE) or Path.home() / ".cache" / "incmask")


def _bring(url: str, system: Any, files: Sequence[_File], folder: Path, progress: Progress) -> None:
    """Make the copy equal to what is there."""
    record = folder.parent / _RECORD
    known = {name: stamp for name, *stamp in _read(record)}
    for name in known.keys() - {file.name for file in files}:
        _remove(path_inside(folder, name, ""), folder)
    missing = [file for file in files if not _is_here(file, known.get(file.name), path_inside(folder, file.name, ""))]
    # Only what is there now counts from here on.
    arrived = {file.name for file in files} - {file.name for file in missing}
    write_text(record, "".join(map(_line, (file for file in files if file.name in arrived))))
    if not missing:
        return
    remove_unfinished(folder)
    num_bytes = sum(file.num_bytes for file in missing)
    free = shutil.disk_usage(nearest_existing(folder)).free
    if num_bytes > free:
        what = f"takes {num_bytes / 1e9:.2f} GB in {_cache()}, {free / 1e9:.2f} GB are free"
        raise fail(_shown(url), what, f"make room, or let {CACHE} name a folder on another disk")
    progress.say(f"{counted(len(missing), 'file')} of {_shown(url)}, {num_bytes / 1e6:,.0f} MB, to {folder}")
    progress.expect(len(missing))
    progress.doing(f"copying {counted(len(missing), 'file')}")
    with open(record, "a", encoding="utf-8") as handle:
        for file in side_by_side(partial(_copy, url, system, folder), missing, num_threads=_NUM_THREADS):
            handle.write(_line(file))
            progress.advance(1)
    progress.doing("reading")


def _copy(url: str, system: Any, folder: Path, file: _File) -> _File:
    with whole_file(path_inside(folder, file.name, "")) as temporary:
        with _told(url):
            system.get_file(file.path, str(temporary))
        if (came := temporary.stat().st_size) != file.num_bytes:
            what = f"came as {came:,} bytes of {file.num_bytes:,}"
            raise fail(f"{_shown(url)}: {file.name}", what, _GOES_ON)
    return file


def _is_here(file: _File, known: object, path: Path) -> bool:
    return known == [file.num_bytes, file.stamp] and path.is_file() and path.stat().st_size == file.num_bytes


def _remove(path: Path, folder: Path) -> None:
    """Remove a file, and the folders that it leaves empty."""
    path.unlink(missing_ok=True)
    for above in path.parents:
        if above == folder or not above.is_dir() or any(above.iterdir()):
            break
        above.rmdir()


def _line(file: _File) -> str:
    return json.dumps([file.name, file.num_bytes, file.stamp]) + "\n"


def _read(record: Path) -> Iterator[list[Any]]:
    """Give what came; a line that a kill has cut off counts for nothing."""
    for line in record.read_text(encoding="utf-8").splitlines() if record.exists() else ():
        try:
            yield [*parse_json(line)]
        except (ValueError, TypeError):
            continue
