"""The files below a folder by their paths there, as a mapping that holds a few bytes of each."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from incmask.base.in_order import InOrder
from incmask.base.packed_texts import Texts
from incmask.base.packed_texts import in_order as in_order_of_texts


class FilesBelow(InOrder[PurePosixPath, Path]):
    """Files by their paths below a folder, in the order in which they were added.

    Args:
        folder: that they lie in.
    """

    def __init__(self, folder: Path):
        self._folder, self._below = folder, Texts()

    def append(self, path: Path) -> None:
        """Add a file that is not there yet."""
        self._below.append(path.relative_to(self._folder).as_posix())

    def __len__(self) -> int:
        return len(self._below)

    def __contains__(self, below: object) -> bool:
        return isinstance(below, PurePosixPath) and str(below) in self._below

    def __getitem__(self, below: PurePosixPath) -> Path:
        if below not in self:
            raise KeyError(below)
        return self._folder / below

    def pairs(self) -> Iterator[tuple[PurePosixPath, Path]]:
        """Give their paths there and here."""
        return map(self._both, self._below)

    def sorted(self) -> Iterator[tuple[PurePosixPath, Path]]:
        """Do the same in the order of the paths."""
        return map(self._both, in_order_of_texts(self._below, lambda below: below.replace("/", "\0")))

    def _both(self, below: str) -> tuple[PurePosixPath, Path]:
        return PurePosixPath(below), self._folder / below


def in_order(files: Mapping[PurePosixPath, Path]) -> Iterator[tuple[PurePosixPath, Path]]:
    """Give files of any mapping in the order of their paths."""
    return files.sorted() if isinstance(files, FilesBelow) else iter(sorted(files.items()))
