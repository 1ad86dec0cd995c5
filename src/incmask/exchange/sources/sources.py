"""The files of a downloaded data set: in folders and, without unpacking, in zip archives."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from incmask.base.errors import IncmaskError, Problem, fail
from incmask.data.folder.walk import files_of, is_silent, passed_over_notes, walk
from incmask.exchange.sources.archives import UNFINISHED, ListedFile, SourceFile, is_archive, list_members

_Folder = tuple[bool, tuple[str, ...]]
"""Whether it is in an archive, and its path."""


@dataclass(frozen=True)
class Used:
    """A folder of the source that was asked for.

    Attributes:
        folder: its name, "/" between.
        num_files: in it.
        num_bytes: in it, unpacked.
        digest: SHA-256 of the files' names and sizes, the same for a folder and for its archive.
        archives: that hold it; empty where it is unpacked.
        unpacked: folders that hold its files on the disk; empty where it is zipped.
    """

    folder: str
    num_files: int
    num_bytes: int
    digest: str
    archives: tuple[Path, ...]
    unpacked: tuple[Path, ...]


@dataclass
class _Listing:
    """What lies in a place."""

    files: list[ListedFile] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    refused: dict[Path, Problem] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    passed_over: set[Path] = field(default_factory=set)


class SourceTree:
    """The files below a folder, or of one archive; use ``SourceTree.open``.

    Attributes:
        root: the folder or archive.
    """

    def __init__(self, root: Path):
        self.root = root
        self._found = _Listing()
        self._used: dict[tuple[str, ...], Used] = {}
        # Folders may be asked for by the name of the root itself.
        self._depth = len(root.parts)
        _list(root, self._found)

    @staticmethod
    def open(root: Path) -> "SourceTree":
        """List the files of a data set as it was downloaded; archives are listed, not unpacked.

        Args:
            root: the folder with archives or unpacked folders, the folder above or below it, or one of the archives.
                What lacks in it is also looked for beside it.

        Raises:
            IncmaskError: it is not there, is neither folder nor archive, or is an archive that is not whole.
        """
        root = root.absolute()
        if not root.exists():
            raise fail(root, "is not there", "give the folder into which the data set was downloaded")
        source = SourceTree(root.resolve())
        if not root.is_dir():
            if source._found.refused:
                raise IncmaskError(tuple(source._found.refused.values()))
            if not source._found.archives:
                raise fail(root, "is neither a folder nor a zip archive", "give the folder that holds the data set")
        return source

    @property
    def archives(self) -> tuple[Path, ...]:
        """Zip archives that were found and are whole."""
        return tuple(sorted(self._found.archives))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Tell of what lies in a folder and cannot be used."""
        return tuple(self._found.problems)

    @property
    def notes(self) -> list[str]:
        """Tell of folders that were passed over."""
        return passed_over_notes(sorted(self._found.passed_over))

    @property
    def used(self) -> tuple[Used, ...]:
        """The folders that were asked for and found, sorted."""
        return tuple(self._used[names] for names in sorted(self._used))

    def folder(self, *names: str) -> dict[str, SourceFile] | None:
        """Find a folder by the end of its path, at any depth, and give the files below it.

        Where several match, the one with the most files is taken, unpacked rather than zipped. Archives that were
        split for the download (x-001.zip, x-002.zip) count as one, and an archive as a folder of its name.

        Args:
            names: the folder's name, after those of the folders above it where they matter, in any capitals;
                none: everything.

        Returns:
            Files by their path below the folder, sorted; None where there is no such folder.
        """
        wanted = tuple(map(_fold, names))
        files = self._below(wanted) or self._beside(wanted)
        if not files:
            return None
        entries = {below: files[below].entry for below in sorted(files)}
        self._used[names] = _used("/".join(names) or ".", files)
        return entries

    def require(self, *names: str, page: str, archive: str) -> dict[str, SourceFile]:
        """Find a folder as ``folder`` does, which must be there.

        Args:
            names: as for ``folder``.
            page: where the data set's owner distributes it.
            archive: the name of the file that holds the folder there.

        Raises:
            IncmaskError: it is not there, or its archive was not downloaded whole.
        """
        found = self.folder(*names)
        if found is not None:
            return found
        wanted = _stem(archive)
        own = [problem for path, problem in self._found.refused.items() if _stem(path.name) == wanted]
        lacks = Problem(
            str(self.root),
            f"holds no folder {'/'.join(names)}, neither unpacked nor in a zip archive",
            f"download {archive} from {page} into this folder",
        )
        raise IncmaskError(own or [lacks, *self._found.refused.values()])

    def _below(self, wanted: tuple[str, ...]) -> dict[str, ListedFile] | None:
        if not wanted:
            return {"/".join(file.parts[self._depth :]): file for file in self._found.files} or None
        return _best(self._found.files, wanted, self._depth)

    def _beside(self, wanted: tuple[str, ...]) -> dict[str, ListedFile] | None:
        """Look in the two folders above, where the root is a part of the data set; not at any depth in them."""
        if not wanted:
            return None
        for above in list(self.root.parents)[:2]:
            beside = _Listing()
            children: list[Path] = []
            with suppress(OSError):
                children = sorted(path for path in above.iterdir() if not is_silent(path.name))
            for path in children:
                is_near_archive = above == self.root.parent and is_archive(path)
                if path != self.root and (is_near_archive or (path.is_dir() and _fold(path.name) == wanted[0])):
                    _list(path, beside)
            if files := _best(beside.files, wanted, len(above.parts) + 1):
                used = {file.entry.path for file in files.values() if file.entry.member is not None}
                self._found.archives += sorted(used - set(self._found.archives))
                return files
            self._found.refused |= beside.refused
        return None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _stem(name: str) -> str:
    """Give an archive's name without what browsers add: "x (1).zip.part" is "x"."""
    name = _fold(name)
    for ending in (*UNFINISHED, ".zip"):
        name = name.removesuffix(ending)
    return re.sub(r" ?\(\d+\)$", "", name)


def _list(root: Path, into: _Listing) -> None:
    if is_archive(root):
        _list_archive(root, into)
    if not root.is_dir():
        return
    walked = walk(root)
    into.passed_over |= {*walked.passed_over}
    into.problems += walked.problems
    for path in (file for each in walked.files for file in files_of(each)):
        if not path.is_file():
            continue
        if is_archive(path):
            _list_archive(path, into)
        else:
            into.files.append(ListedFile(path.parts, SourceFile(path), path.stat().st_size))


def _list_archive(path: Path, into: _Listing) -> None:
    # Parts of a split download have the same name but for the number.
    above = (*path.parent.parts, re.sub(r"(-\d+)?-\d{3}$", "", path.stem))
    files: list[ListedFile] = []
    try:
        for member in list_members(path):
            hidden = next((part for part in member.parts[:-1] if is_silent(part)), None)
            if hidden is not None:
                into.passed_over.add(path / hidden)
            elif not is_silent(member.parts[-1]):
                files.append(replace(member, parts=(*above, *member.parts)))
    except IncmaskError as error:
        into.refused[path] = error.problems[0]
        return
    into.files += files
    into.archives.append(path)


def _folders_called(
    files: Iterable[ListedFile], wanted: tuple[str, ...], depth: int
) -> dict[_Folder, dict[str, ListedFile]]:
    """Give the files of each folder whose path ends with ``wanted``, ``depth`` folders deep or deeper."""
    found: dict[_Folder, dict[str, ListedFile]] = {}
    fold = cache(_fold)
    for file in files:
        parts = file.parts
        for end in range(max(depth, len(wanted)), len(parts)):
            if tuple(map(fold, parts[end - len(wanted) : end])) == wanted:
                folder = file.entry.member is not None, parts[:end]
                found.setdefault(folder, {}).setdefault("/".join(parts[end:]), file)
    return found


def _best(files: Iterable[ListedFile], wanted: tuple[str, ...], depth: int) -> dict[str, ListedFile] | None:
    found = _folders_called(files, wanted, depth)
    if not found:
        return None
    best = min(found, key=lambda folder: (-len(found[folder]), folder[0], len(folder[1]), folder[1]))
    # Unpacking often puts a folder into one of the same name, perhaps with a licence beside it.
    is_zipped, path = best
    inner = [
        folder
        for folder in found
        if folder[0] == is_zipped and folder[1][: len(path)] == path and 2 * len(found[folder]) > len(found[best])
    ]
    return found[max(inner, key=lambda folder: len(folder[1]))]


def _used(folder: str, files: dict[str, ListedFile]) -> Used:
    listing = "".join(f"{below}\t{files[below].size_bytes}\n" for below in sorted(files))
    entries = [file.entry for file in files.values()]
    return Used(
        folder=folder,
        num_files=len(files),
        num_bytes=sum(file.size_bytes for file in files.values()),
        digest=hashlib.sha256(listing.encode()).hexdigest(),
        archives=tuple(sorted({entry.path for entry in entries if entry.member is not None})),
        unpacked=tuple(sorted({entry.path.parent for entry in entries if entry.member is None})),
    )
