"""Files of very many images, a thousand together in an archive: so many small ones are slow on any disk.

Below each folder of pictures lie ``00000.zip`` and so on, of files that are stored as they are, each under the path
that it would have in that folder. A table tells which images are in which.
"""

import os
import struct
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from types import TracebackType

from incmask.base.errors import fail
from incmask.base.files import whole_file
from incmask.base.intact import intact, root_of
from incmask.base.packed_texts import in_order
from incmask.base.tables import read_rows

SHARDS = "shards.csv"
"""In the run folder, where there are shards: which images are in which, a line a shard."""

SHARDED_FROM = 10_000
"""Of more images, files lie in shards: beyond, folders are slow to be listed and copied, and each file costs a flush to
the disk, a digest and a line of the manifest; below, files for themselves are handier."""

IMAGES_A_SHARD = 1_000

_ENDING = ".zip"
_BEGIN = struct.Struct("<26xHH")
"""Of a file in an archive: how long its name and what follows it are."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""Of all files, so that equal ones make equal archives."""

_ANEW = "let the same command go on, which makes it anew"

_OPEN = 16
"""Archives whose tables are held, since images are mostly read in their order."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A line of ``shards.csv``: images whose names lie between two, both among them, by the codes of their letters."""

    shard: str
    first: str
    last: str
    images: int


def shards_of(names: Iterable[str], *, number: int = 0) -> list[Shard]:
    """Share images out over shards, each name once; the first has this number.

    Examples:
        >>> shards_of(["b", "a"])
        [Shard(shard='00000', first='a', last='b', images=2)]
    """
    ordered = in_order(names)
    groups = iter(lambda: [*islice(ordered, IMAGES_A_SHARD)], [])
    return [Shard(f"{number:05d}", each[0], each[-1], len(each)) for number, each in enumerate(groups, start=number)]


Keep = Callable[[Path, bytes], Path]
"""Writes a file where it belongs, or into an archive there, and gives its path."""


class ShardWriter(AbstractContextManager["ShardWriter"]):
    """Takes the files of the images of a shard; in the end the archives are there whole, or not at all.

    Args:
        out: the folder that the folders of pictures lie in.
        shard: its name.
        amends: what is in the archives already, of other files, stays there.

    Attributes:
        paths: of the archives, one a folder.
    """

    def __init__(self, out: Path, shard: str, *, amends: bool = False):
        self._out, self._shard, self._amends = out, shard, amends
        self._archives: dict[str, zipfile.ZipFile] = {}
        self._stack = ExitStack()
        self.paths: list[Path] = []

    def keep(self, path: Path, content: bytes) -> Path:
        """Take a file that would lie at a path below ``out``, in a folder there; give its path in the archive."""
        kind, *below = path.relative_to(self._out).parts
        archive = self._out / kind / f"{self._shard}{_ENDING}"
        if kind not in self._archives:
            temporary = self._stack.enter_context(whole_file(archive))
            self._archives[kind] = self._stack.enter_context(zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED))
            self.paths.append(archive)
        member = zipfile.ZipInfo("/".join(below), _TIME)
        member.external_attr = 0o644 << 16
        # Whatever system writes it.
        member.create_system = 3
        self._archives[kind].writestr(member, content)
        return archive.joinpath(*below)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack.pop_all() as stack:
            if kind is not None:
                stack.__exit__(kind, error, trace)
            elif self._amends:
                self._keep_others()

    def _keep_others(self) -> None:
        """Copy what the archives held before and nobody wrote anew."""
        for path, archive in zip(self.paths, self._archives.values(), strict=True):
            written = {*archive.namelist()}
            try:
                with zipfile.ZipFile(path) as before:
                    for member in before.infolist():
                        if member.filename not in written:
                            archive.writestr(member, before.read(member))
            except FileNotFoundError:
                continue
            except zipfile.BadZipFile as error:
                mend = "remove it, and call the same again, which predicts its images anew"
                raise fail(path, f"is damaged ({error})", mend) from error


def path_in_shard(folder: Path, name: str, endings: Sequence[str]) -> Path | None:
    """Give the path of an image's file in an archive of a run folder, such as ``RUN/masks/00003.zip/a.png``.

    Args:
        folder: where it would lie for itself, such as ``RUN/masks``.
        name: of the image.
        endings: that the file may have.

    Returns:
        None: it is in none.

    Raises:
        DamagedError: the archive, or the table of all, is not what was written.
    """
    root = root_of(folder / "any")
    if root is None or not (root / SHARDS).is_file():
        return None
    first_names, shards = _table(intact(root / SHARDS), _stamp(root / SHARDS))
    place = bisect_right(first_names, name) - 1
    _, *below = Path(os.path.abspath(folder)).relative_to(root).parts
    # Named as the folder was.
    archive = (folder.parents[len(below) - 1] if below else folder) / f"{shards[max(place, 0)]}{_ENDING}"
    if place < 0 or not intact(archive).is_file():
        return None
    members = _members(archive, _stamp(archive))
    paths = ["/".join((*below, f"{name}{ending}")) for ending in endings]
    return next((archive / path for path in paths if path in members), None)


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file of a run is an archive of pictures."""
    return path.suffix == _ENDING


def shard_among(files: Iterable[str]) -> str:
    """Give the shard whose archives are among the files of an image; "": they are in none.

    Examples:
        >>> shard_among(["masks/00003.zip", "overlays/a.tif"]), shard_among(["masks/a.png"])
        ('00003', '')
    """
    return next((path.stem for path in map(PurePosixPath, files) if path.suffix == _ENDING), "")


def is_file(path: Path) -> bool:
    """Tell whether there is a file, for itself or in an archive; one of a name that no disk allows is none."""
    return archive_of(path) is not None or os.path.isfile(path)


def read_from_archive(path: Path) -> bytes | None:
    """Read a file whose path leads into an archive; None: it does not.

    Raises:
        IncmaskError: the archive is damaged, or does not hold it.
        OSError: the disk does not give it.
    """
    if (archive := archive_of(path)) is None:
        return None
    member = path.relative_to(archive).as_posix()
    if (found := _members(archive, _stamp(archive)).get(member)) is None:
        raise fail(archive, f"does not hold {member}", _ANEW)
    place, num_bytes = found
    with open(archive, "rb") as handle:
        handle.seek(place)
        begin = handle.read(_BEGIN.size)
        handle.seek(sum(_BEGIN.unpack(begin)) if len(begin) == _BEGIN.size else 0, os.SEEK_CUR)
        content = handle.read(num_bytes)
    if len(content) < num_bytes:
        raise fail(archive, "is cut short", _ANEW)
    return content


def archive_of(path: Path) -> Path | None:
    """Give the archive that a path leads into; None: into none, as its text tells nearly always."""
    if _ENDING not in str(path):
        return None
    return next((each for each in path.parents if each.suffix == _ENDING and os.path.isfile(each)), None)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


@lru_cache(maxsize=_OPEN)
def _table(path: Path, stamp: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """Give the first name of each shard, and its own."""
    rows = read_rows(path, Shard, mend=_ANEW)
    return [row.first for row in rows], [row.shard for row in rows]


@lru_cache(maxsize=_OPEN)
def _members(archive: Path, stamp: tuple[int, ...]) -> dict[str, tuple[int, int]]:
    """Tell where each file of an archive begins, and how many bytes it has."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return {
                each.filename: (each.header_offset, each.file_size)
                for each in opened.infolist()
                if each.compress_type == zipfile.ZIP_STORED and each.file_size <= stamp[0]
            }
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise fail(archive, f"is damaged ({error})", _ANEW) from error
