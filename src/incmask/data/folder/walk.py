"""The one way through a folder: which files count, which folders are one volume each, and which are passed over."""

import os
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from incmask.base.errors import Problem, is_text, renaming
from incmask.base.packed_texts import Paths, Texts, in_order
from incmask.base.store import is_made_here
from incmask.base.words import counted
from incmask.data.folder.names import IMAGE_SUFFIXES, role_of
from incmask.data.volumes.names import NIFTI_SUFFIXES, first_slice, has_frames, is_zarr, slices_among

_SILENT_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
_SERVICE_FOLDERS = (
    "__macosx",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    "~snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__pycache__",
)
"""What systems, network disks and notebooks leave in folders, beside what begins with a dot."""


@dataclass(frozen=True)
class Walked:
    """What lies below a folder.

    Attributes:
        files: sorted; links to files among them, those that lead nowhere, too, and folders that are a volume each.
        passed_over: folders that are hidden, of the system, or hold results of a command.
        problems: folders that cannot be read, and names that are no text.
    """

    files: Sequence[Path]
    passed_over: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()


def walk(root: Path, *, skip: Collection[Path] = ()) -> Walked:
    """Find all files below a folder.

    Links to folders are followed, each folder once, and by its own path where it has one below ``root``. The folder
    itself may be of any kind: whoever names it means it.

    Args:
        root: where to begin.
        skip: folders below it that are left out.
    """
    way = _Way(root, {path.resolve() for path in skip})
    while way.waiting:
        inside = [way.waiting.popleft()]
        while inside:
            inside += way.enter(inside.pop())
    files = _sorted(root, way.files)
    problems = (*way.problems, *nameless(root, way.files))
    return Walked(files, tuple(sorted(way.passed_over)), problems)


def _sorted(root: Path, files: Iterable[Path]) -> Paths:
    """Give those whose names are text, as paths are sorted: folder by folder."""
    below = (str(path.relative_to(root)) for path in files)
    ordered = in_order(below, lambda path: os.path.normcase(path).replace(os.sep, "\0"))
    return Paths(root / path for path in ordered if is_text(path))


class _Way:
    """What was found so far, and the folders where it goes on: links wait until all others are done."""

    def __init__(self, root: Path, visited: set[Path]):
        self._root, self._visited = root, visited
        self.waiting = deque([root])
        self.files = Paths()
        self.passed_over: list[Path] = []
        self.problems: list[Problem] = []

    def enter(self, here: Path) -> list[Path]:
        """Take the files of a folder, and give the folders in it that are looked into at once."""
        place = here.resolve()
        if place in self._visited:
            return []
        self._visited.add(place)
        try:
            folders, files = _entries(here)
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
            self.problems.append(Problem(str(here), what, "give yourself the right to read it"))
            return []
        if here != self._root and is_made_here(chain(folders, files)):
            self.passed_over.append(here)
            return []
        if here != self._root and _is_volume(here, folders, files):
            self.files.append(here)
            return []
        for name in files:
            if not is_silent(name):
                self.files.append(here / name)
        self.passed_over += [here / name for name in folders if is_silent(name)]
        open_ = [here / name for name in sorted(folders) if not is_silent(name)]
        self.waiting += [path for path in open_ if path.is_symlink()]
        return [path for path in reversed(open_) if not path.is_symlink()]


def _entries(folder: Path) -> tuple[list[str], Texts]:
    """Give the names of the folders in a folder, and of links to such, and those of its files, perhaps a million."""
    folders, files = list[str](), Texts()
    with os.scandir(folder) as found:
        for each in found:
            (folders if _is_folder(each) else files).append(each.name)
    return folders, files


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that nobody may follow
        return False


def names_in(folder: Path) -> Iterator[str]:
    """Give the names of what lies in a folder, without holding all of them, as there may be a million.

    Raises:
        OSError: it cannot be read.
    """
    with os.scandir(folder) as found:
        yield from (each.name for each in found)


def nameless(root: Path, files: Iterable[Path]) -> Iterator[Problem]:
    """Tell of the files whose names below ``root`` are no text."""
    strange = sorted(below for path in files if not is_text(below := path.relative_to(root)))
    if strange:
        what = f"holds {counted(len(strange), 'file')} with a name that is no UTF-8 text, such as {strange[0]}"
        remedy = renaming("rename them, for example by: convmv -f cp1252 -t utf-8 -r --notest FOLDER")
        yield Problem(str(root), what, remedy)


def is_silent(name: str) -> bool:
    """Tell whether a file or folder is hidden, or one that systems leave."""
    return name.startswith(".") or name.casefold() in (*_SILENT_FILES, *_SERVICE_FOLDERS)


def is_volume_folder(path: Path) -> bool:
    """Tell whether a path is a folder that stands for one volume: a store of zarr, or a series of DICOM."""
    if is_zarr(path) or not path.is_dir():
        return path.is_dir()
    names = []
    try:
        with os.scandir(path) as found:
            for each in found:
                if is_silent(each.name):
                    continue
                # Of a million images the first tells.
                if _is_other(each.name) or each.is_dir():
                    return False
                names.append(each.name)
    except OSError:  # of which whoever looks into it tells
        return False
    return _is_series(path, names)


def _is_volume(here: Path, folders: Iterable[str], files: Iterable[str]) -> bool:
    if is_zarr(here):
        return True
    if not all(map(is_silent, folders)):
        return False
    # Of a million images the first tells.
    if any(_is_other(name) for name in files if not is_silent(name)):
        return False
    return _is_series(here, [name for name in files if not is_silent(name)])


def _is_series(folder: Path, names: Iterable[str]) -> bool:
    """Tell whether the files of a folder are the slices of one volume, and not volumes each, of several frames.

    One such file alone is its folder's, unless that is called as folders of images or parts are.
    """
    slices = slices_among(names)
    first = first_slice(folder, slices)
    is_plain = role_of(folder.name)[:2] == (None, None)
    return first is not None and not ((len(slices) > 1 or not is_plain) and has_frames(first))


def _is_other(name: str) -> bool:
    """Tell whether a file is an image or a volume itself, so that its folder is none."""
    return name.casefold().endswith((*IMAGE_SUFFIXES, *NIFTI_SUFFIXES))


def files_of(path: Path) -> list[Path]:
    """Give the files that an image consists of: itself, or those below where it is a folder; sorted."""
    if not path.is_dir():
        return [path]
    return sorted(Path(where, name) for where, _, names in os.walk(path) for name in names)


def subfolders(folder: Path) -> list[Path]:
    """Give the folders in a folder that may hold data, sorted; those that are one volume each do not."""
    return sorted(path for path in _folders_in(folder) if not _is_passed_over(path) and not is_volume_folder(path))


def passed_over_in(folder: Path) -> list[Path]:
    """Give the others."""
    return sorted(path for path in _folders_in(folder) if _is_passed_over(path))


def _folders_in(folder: Path) -> list[Path]:
    """Give the folders in a folder, and links to such; a million files beside them are not asked one by one."""
    with os.scandir(folder) as found:
        return [folder / each.name for each in found if (Path(each) if each.is_symlink() else each).is_dir()]


def _is_passed_over(folder: Path) -> bool:
    return is_silent(folder.name) or holds_results(folder)


def holds_results(folder: Path) -> bool:
    """Tell whether a folder is what a command made."""
    try:
        return is_made_here(names_in(folder))
    except OSError:  # of which whoever looks into it tells
        return False


def passed_over_notes(passed_over: Iterable[Path]) -> list[str]:
    """Tell of folders that were passed over, those of one name together."""
    service = Counter(path.name for path in passed_over if is_silent(path.name))
    made = sorted(path.name for path in passed_over if not is_silent(path.name))
    notes = []
    if service:
        listed = ", ".join(name if num == 1 else f"{num} × {name}" for name, num in sorted(service.items()))
        notes.append(f"passed over, as they are hidden or of the system: {listed}")
    if made:
        notes.append(f"passed over, as they hold results of incmask: {', '.join(made)}")
    return notes
