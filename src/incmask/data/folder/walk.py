"""The one way through a folder: which files count, which folders are one volume each, and which are passed over."""

import os
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from incmask.base.errors import Problem, is_text, renaming
from incmask.base.packed_texts import Paths
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
        for where, folders, files in os.walk(way.waiting.popleft(), onerror=way.refused):
            folders[:] = way.enter(Path(where), folders, files)
    problems = (*way.problems, *nameless(root, way.files))
    return Walked(_sorted(root, way.files), tuple(sorted(way.passed_over)), problems)


def _sorted(root: Path, files: Paths) -> Paths:
    """Give those whose names are text, as paths are sorted: folder by folder."""
    keys = [os.path.normcase(path.relative_to(root)).replace(os.sep, "\0") for path in files]
    named = (place for place in sorted(range(len(keys)), key=keys.__getitem__) if is_text(keys[place]))
    return Paths(files[place] for place in named)


class _Way:
    """What was found so far, and the folders where it goes on: links wait until all others are done."""

    def __init__(self, root: Path, visited: set[Path]):
        self._root, self._visited = root, visited
        self.waiting = deque([root])
        self.files = Paths()
        self.passed_over: list[Path] = []
        self.problems: list[Problem] = []

    def enter(self, here: Path, folders: Sequence[str], files: Sequence[str]) -> list[str]:
        """Take the files of a folder, and tell which folders in it are looked into."""
        place = here.resolve()
        if place in self._visited:
            return []
        self._visited.add(place)
        if here != self._root and is_made_here((*folders, *files)):
            self.passed_over.append(here)
            return []
        if here != self._root and _is_volume(here, folders, files):
            self.files.append(here)
            return []
        for name in files:
            if not is_silent(name):
                self.files.add(here, name)
        self.passed_over += [here / name for name in folders if is_silent(name)]
        open_ = sorted(name for name in folders if not is_silent(name))
        self.waiting += [here / name for name in open_ if (here / name).is_symlink()]
        return open_

    def refused(self, error: OSError) -> None:
        """Take note of a folder that cannot be read."""
        what = f"cannot be read ({error.strerror})"
        self.problems.append(Problem(str(error.filename), what, "give yourself the right to read it"))


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
    names = [name for name in files if not is_silent(name)]
    return not any(map(_is_other, names)) and _is_series(here, names)


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
        return is_made_here(os.listdir(folder))
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
