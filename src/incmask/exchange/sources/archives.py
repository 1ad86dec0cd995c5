"""Zip archives as they come from downloads: listed and read without unpacking, and never trusted."""

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from incmask.base.errors import IncmaskError, fail
from incmask.data.images.decode import read_bytes

UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".opdownload")
"""Endings of files that a browser is still downloading, or gave up."""

MAX_MEMBER_BYTES = 1 << 30
"""Larger members of archives are refused."""

_MAX_RATIO, _RATIO_FROM_BYTES = 100, 256 << 20
"""Deflate shrinks an empty mask by 1000; a member that is large as well is no picture but a trap."""

_AGAIN = "download it again"
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class SourceFile:
    """A file of somebody's own data, by itself or inside an archive.

    Attributes:
        path: of the file, or of the archive that holds it.
        member: its name inside the archive; None: a file of its own.
    """

    path: Path
    member: str | None = None

    @property
    def where(self) -> Path:
        """Give the path by which messages name it; that of a member goes on inside its archive."""
        return self.path / self.member if self.member else self.path

    @property
    def num_bytes(self) -> int:
        """Of its content."""
        if self.member is None:
            return self.path.stat().st_size
        status = self.path.stat()
        return _opened(self.path, status.st_size, status.st_mtime_ns).getinfo(self.member).file_size

    def read(self) -> bytes:
        """Read it whole.

        Raises:
            IncmaskError: it cannot be read, is empty, damaged, encrypted or beyond any image's size.
        """
        if self.member is None:
            return read_bytes(self.path)
        where = self.where
        try:
            status = self.path.stat()
            archive = _opened(self.path, status.st_size, status.st_mtime_ns)
            info = archive.getinfo(self.member)
            size_bytes = info.file_size
            ratio = size_bytes / max(1, info.compress_size)
            if size_bytes > MAX_MEMBER_BYTES or (size_bytes > _RATIO_FROM_BYTES and ratio > _MAX_RATIO):
                raise fail(
                    where, f"has {size_bytes >> 20} MiB unpacked, which no picture has", "take it out of the archive"
                )
            content = archive.read(info)
        except IncmaskError:
            raise
        except KeyError:
            raise fail(where, "is no longer in the archive", "leave the archives alone until all is written") from None
        except NotImplementedError as error:
            raise fail(where, f"is packed in a way that is not read ({error})", "unpack the archive") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise fail(where, f"is damaged ({error})", f"{_AGAIN}: {self.path.name}") from error
        if not content:
            raise fail(where, "is empty (0 bytes)", f"{_AGAIN}: {self.path.name}")
        return content


@dataclass(frozen=True)
class ListedFile:
    """A file of the source.

    Attributes:
        parts: names of the folders in which it is looked for, those in an archive included, and its own.
        entry: to read it.
        size_bytes: unpacked.
    """

    parts: tuple[str, ...]
    entry: SourceFile
    size_bytes: int


def is_archive(path: Path) -> bool:
    """True for a file whose name says that it is a zip archive, or the beginning of a download."""
    return path.suffix.casefold() in (".zip", *UNFINISHED) and path.is_file()


def list_members(path: Path) -> Iterator[ListedFile]:
    """List the files of an archive by their path in it, without links.

    Raises:
        IncmaskError: it is not whole, is encrypted, or has members that lead out of it.
    """
    if path.suffix.casefold() in UNFINISHED:
        raise fail(path, "is the beginning of a download that did not end", f"end it, or {_AGAIN}")
    if path.stat().st_size == 0:
        raise fail(path, "is empty (0 bytes): its download did not end", _AGAIN)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise fail(path, _what_instead(path), _AGAIN) from error
    except OSError as error:
        raise fail(path, f"cannot be opened ({error.strerror or error})", "check that it may be read") from error
    for info in infos:
        # Windows' own separator, which some packers write.
        names = tuple(info.filename.replace("\\", "/").split("/"))
        if names[0] == "" or ".." in names or _DRIVE.fullmatch(names[0]):
            what = f"holds {info.filename!r}, which would land outside the folder it is unpacked to"
            raise fail(path, what, "get the archive from the data set's owner")
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        if info.is_dir() or is_link:
            continue
        if info.flag_bits & 1:
            raise fail(path, "is encrypted", "unpack it with its password")
        parts = tuple(name for name in names if name not in ("", "."))
        yield ListedFile(parts, SourceFile(path, info.filename), info.file_size)


def _what_instead(path: Path) -> str:
    with open(path, "rb") as handle:
        start = handle.read(256).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "is a web page instead of an archive, perhaps one that asks to log in"
    if start.startswith(b"pk"):
        return "is truncated: its download did not end"
    return "is no zip archive"


@lru_cache(maxsize=16)
def _opened(path: Path, size_bytes: int, time_ns: int) -> zipfile.ZipFile:
    """Open an archive once a process: its list of members is long."""
    return zipfile.ZipFile(path)
