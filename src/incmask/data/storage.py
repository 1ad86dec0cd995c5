"""Storages of any kind that fsspec knows: what URLs are, how they are told, what went wrong there."""

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from incmask.base.errors import IncmaskError, fail
from incmask.base.files import nearest_existing, whole_file
from incmask.base.parse import parse_json
from incmask.data.images.writers import path_inside

CACHE = "INCMASK_CACHE"
"""The variable that names the folder of all copies."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)
"""Of two letters or more, as drives have one. A path has taken the second slash."""

_PACKAGES = {"s3": " s3fs", "s3a": " s3fs", "gs": " gcsfs", "gcs": " gcsfs", "az": " adlfs", "https": " aiohttp"}
"""What is installed beside, as it stands in the command."""
_STAMPS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created")
"""What file systems tell of a file that is another one when the file is, the surest first."""

_SECRET = re.compile(r"(\w[\w+.-]*://)(?:[^\s/@'\"]*@)?([^\s?'\"]*)(?:\?[^\s'\"]*)?")
_OF_THIS_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENAMETOOLONG)
GOES_ON = "call it again: what has come is kept, and it goes on from there"
"""The mend of what may be better another time."""

RECORD, LOCK, NUM_THREADS = "files.jsonl", ".lock", 16
"""Beside a copy: what came, a line a file, and who works there."""
SOURCE = "incmask-url.txt"
"""Beside a copy: where it is from."""


def is_url(given: object) -> bool:
    """Tell whether something is a URL, and no path.

    Examples:
        >>> is_url("s3://bucket/data"), is_url("data"), is_url(r"C:\\data")
        (True, False, False)
    """
    return isinstance(given, str) and (found := _SCHEME.match(given)) is not None and given[found.end() :][:1] == "/"


def url_of(given: object) -> str | None:
    """Give the URL that a text or a path is, though a path has lost slashes of it; None: it is none.

    Examples:
        >>> url_of("s3://bucket/run"), url_of(Path("s3://bucket/run")), url_of(Path("run"))
        ('s3://bucket/run', 's3://bucket/run', None)
    """
    if is_url(given):
        return str(given)
    text = given.as_posix() if isinstance(given, Path) else str(given)
    if not (found := _SCHEME.match(text)):
        return None
    root = "/" if found[1].lower() in ("file", "local") else ""
    return f"{found[0]}/{root}{text[found.end() :].lstrip('/')}"


def told_below(folder: Path, name: str) -> str:
    """Name a file of a folder that a person gave as a path or URL.

    Examples:
        >>> told_below(Path("s3://bucket/run"), "masks"), told_below(Path("run"), "masks")
        ('s3://bucket/run/masks', 'run/masks')
    """
    url = url_of(folder)
    return str(folder / name) if url is None else f"{shown(url)}/{name}"


def refuse_url(given: object, what: str) -> None:
    """Refuse a URL where results are written.

    Args:
        given: a path; of a URL, perhaps with one of its slashes.
        what: is there, such as "results are written".

    Raises:
        IncmaskError: it is a URL.
    """
    if url := url_of(given):
        mend = "name a folder of this machine, and copy it, by rclone or the tool of the storage"
        raise fail(shown(url), f"is a URL, and {what} in folders alone", mend)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the URL: its path there, its name below the folder, its size, and what tells it from a changed one."""

    path: str
    name: str
    num_bytes: int
    stamp: str


def check_url(url: str) -> None:
    """Refuse a URL that may hold a secret.

    Raises:
        IncmaskError: it has a password, or a query, which may be a signature.
    """
    host = url.partition("://")[2].partition("/")[0]
    if "?" in url or ":" in host.rpartition("@")[0]:
        mend = f"name {shown(url)}, and log in as the storage's own tools do"
        raise fail(shown(url), "comes with a password, a query or a pattern", mend)


def shown(url: str) -> str:
    """Give a URL as it may be told: without a user's password, and without a query, which may be a signature.

    Examples:
        >>> shown("https://me:secret@host/data?signature=secret")
        'https://host/data'
    """
    return _SECRET.sub(r"\1\2", url)


@contextmanager
def told(url: str, how: str = "read") -> Iterator[None]:
    """Word what goes wrong there, whatever library says it; no secret that is in its words comes up.

    Args:
        url: what is worked on.
        how: what cannot be done to it: "read" or "written".

    Raises:
        IncmaskError: instead of whatever is raised inside, but for a disk of this machine that is full.
    """
    try:
        yield
    except (IncmaskError, MemoryError):
        raise
    except ImportError:
        scheme = url.partition("://")[0].lower()
        more, what = _PACKAGES.get(scheme, ""), f"is read by a package that is not installed ({scheme}://)"
        raise fail(shown(url), what, f"pip install 'incmask[remote]'{more}") from None
    except FileNotFoundError:
        raise fail(shown(url), "is not there", "check the URL") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THIS_DISK:
            raise
        line = shown(str(error).strip().partition("\n")[0])[:200]
        why = f"{type(error).__name__}: {line}" if line else type(error).__name__
        raise fail(shown(url), f"cannot be {how} ({why})", f"check the URL and your login, then {GOES_ON}") from None


def stamp_of(about: Mapping[str, Any]) -> str:
    """Give what tells a file from a changed one, of what its storage says of it."""
    return next((f"{key} {about[key]}" for key in _STAMPS if about.get(key)), "")


def size_of(url: str, name: str, about: Mapping[str, Any]) -> int:
    """Give the size of a file in bytes, of what its storage says of it; ``IncmaskError``: it says none."""
    if about.get("size") is None:
        raise fail(f"{shown(url)}: {name}", "does not tell its size", "copy the data to a folder, and name that")
    return int(about["size"])


def cache_folder() -> Path:
    """Give the folder of all copies: that which the variable names, or else one of this user."""
    return Path(os.environ.get(CACHE) or Path.home() / ".cache" / "incmask")


def name_of_url(url: str) -> str:
    """Give the last name of a URL; "" of a storage itself.

    Examples:
        >>> name_of_url("s3://bucket/deep/run/"), name_of_url("s3://bucket")
        ('run', 'bucket')
    """
    return PurePosixPath(shown(url).partition("://")[2]).name


def check_room(url: str, missing: Sequence[StoredFile], folder: Path) -> int:
    """Give how many bytes are to come.

    Raises:
        IncmaskError: there is no room for them.
    """
    num_bytes = sum(file.num_bytes for file in missing)
    free = shutil.disk_usage(nearest_existing(folder)).free
    if num_bytes > free:
        what = f"takes {num_bytes / 1e9:.2f} GB in {cache_folder()}, {free / 1e9:.2f} GB are free"
        raise fail(shown(url), what, f"make room, or let {CACHE} name a folder on another disk")
    return num_bytes


def fetch(url: str, system: Any, folder: Path, file: StoredFile) -> StoredFile:
    """Copy a file into a folder, whole or not at all.

    Args:
        url: what it is a part of.
        system: the file system of fsspec.
        folder: gets it.
        file: which.

    Raises:
        IncmaskError: it cannot be read, or came in part.
    """
    with whole_file(path_inside(folder, file.name, "")) as temporary:
        with told(url):
            system.get_file(file.path, str(temporary))
        if (came := temporary.stat().st_size) != file.num_bytes:
            what = f"came as {came:,} bytes of {file.num_bytes:,}"
            raise fail(f"{shown(url)}: {file.name}", what, GOES_ON)
    return file


def opened_to_write(url: str) -> tuple[Any, str]:
    """Give the file system of a folder's URL, which makes folders as files are put there, and its path in it."""
    import fsspec

    system, there = fsspec.core.url_to_fs(url)
    if hasattr(system, "auto_mkdir"):
        system.auto_mkdir = True
    return system, there.rstrip("/")


def place_of(url: str, what: str = "") -> Path:
    """Give the folder of the cache that belongs to a URL, to data or to what else is there."""
    return cache_folder() / sha256(f"{what} {url.rstrip('/')}".lstrip().encode()).hexdigest()[:16]


def copied_from(folder: Path) -> str | None:
    """Give the URL that a folder or file is the copy of; None: it is none."""
    try:
        told_there = (folder.absolute().parent / SOURCE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return told_there if is_url(told_there) else None


def read_record(record: Path) -> Iterator[list[Any]]:
    """Give the lines of a record, lists of JSON; one that a kill has cut off counts for nothing."""
    for line in record.read_text(encoding="utf-8").splitlines() if record.exists() else ():
        try:
            yield [*parse_json(line)]
        except (ValueError, TypeError):
            continue


def glance(url: str, names: tuple[str, ...], folder: Path) -> Path:
    """Fetch some files of a folder of results, as they are now; those that are not there lack.

    Args:
        url: of the results.
        names: of the files.
        folder: gets them.

    Raises:
        IncmaskError: a package lacks, or the URL cannot be read.
    """
    check_url(url)
    for name in names:
        with told(url):
            import fsspec

            system, there = fsspec.core.url_to_fs(url)
            system.invalidate_cache()
            try:
                (folder / name).write_bytes(system.cat_file(f"{there.rstrip('/')}/{name}"))
            except FileNotFoundError:
                continue
    return folder
