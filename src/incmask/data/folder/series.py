"""Series of files: those of which paths are the same but for what tells images apart, and what all have throughout."""

import re
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath

from incmask.data.folder.names import name_of

Key = tuple[tuple[str, ...], str]
"""What a file has of its image's: the folders, and the name without what its series has throughout."""

Keyed = Mapping[Key, PurePosixPath]
"""The files of a series."""

_WORDS_BEFORE, _WORDS_BEHIND = (0, 1), (0, 1, 2)
"""So many words of a name may be its series'."""

_FOLDERS = (1, 2, 3)
"""So many folders below each other may be."""

FEWEST = 2
"""Files that a series has at least."""

_LOOKED_FOR = 10_000
"""Of more files as many are searched for series."""


@dataclass(frozen=True, order=True)
class Series:
    """What the files of a series have throughout.

    Attributes:
        depth: place of the folders among those of the path; -1: none tells.
        folder: the folders there, one to three.
        before, behind: of the name; ``behind`` may be the ending.
        num_others: other folders of the path, which tell files of the series apart.
    """

    depth: int
    folder: str
    before: str
    behind: str
    num_others: int

    def __str__(self) -> str:
        name = f"{self.before}*{self.behind}"
        return self.folder if self.folder and name == "*" else f"{self.folder}/{name}".lstrip("/")

    @property
    def num_words(self) -> int:
        """How much of the path is the series'."""
        return len(re.findall(r"[^ _.-]+", self.before + self.behind)) + len(PurePosixPath(self.folder).parts)

    def is_more_than(self, other: "Series") -> bool:
        """Tell whether the folder is another's with a word behind it."""
        more = self.folder.removeprefix(other.folder)
        return bool(other.folder) and more != self.folder and more[:1] in tuple(" _.-")

    @property
    def words(self) -> str:
        """All that its files have throughout."""
        return f"{self.folder} {self.before} {self.behind}"


def some_of(files: Collection[PurePosixPath]) -> list[PurePosixPath]:
    """Give some of very many files, such that those of one name stay together: by the numbers in it."""
    one_of = -(-len(files) // _LOOKED_FOR)
    names = ((path, "".join(re.findall(r"\d", path.stem)) or path.stem) for path in files)
    return sorted(path for path, name in names if zlib.crc32(name.encode()) % one_of == 0)


def members_of(files: Collection[PurePosixPath], only: Collection[Series] | None = None) -> dict[Series, Keyed]:
    """Give the files of each series by what is left of their paths; without series in which that is of two files."""
    found: dict[Series, dict[Key, PurePosixPath]] = defaultdict(dict)
    double: set[Series] = set()
    for path in sorted(files):
        for series, key in _readings(path):
            if only is None or series in only:
                if key in found[series]:
                    double.add(series)
                found[series][key] = path
    return {series: keys for series, keys in found.items() if series not in double and len(keys) >= FEWEST}


def _readings(path: PurePosixPath) -> Iterator[tuple[Series, Key]]:
    """Give the series of which a file may be, and what is left of its path in each."""
    *folders, stem = PurePosixPath(name_of(path)).parts
    words = [(word.start(), word.end(), word[0]) for word in re.finditer(r"[^ _.-]+", stem)]
    above = [(-1, "", tuple(folders))]
    for depth, num in product(range(len(folders)), _FOLDERS):
        if depth + num <= len(folders):
            rest = (*folders[:depth], *folders[depth + num :])
            above.append((depth, "/".join(folders[depth : depth + num]), rest))
    for before, behind in product(_WORDS_BEFORE, _WORDS_BEHIND):
        taken = [*words[:before], *(words[-behind:] if behind else ())]
        if before + behind >= max(len(words), 1) or not all(re.search(r"[^\W\d]", word) for *_, word in taken):
            continue  # what has no letter tells of one image, and so does what is left
        start, end = words[before][0] if before else 0, words[-behind - 1][1] if behind else len(stem)
        for depth, folder, rest in above:
            yield Series(depth, folder, stem[:start], stem[end:], len(rest)), (rest, stem[start:end].casefold())
    yield Series(-1, "", "", path.name[len(stem) :], len(folders)), (tuple(folders), stem.casefold())
    if folders:  # image.png and mask.png in a folder for each subject
        yield Series(-1, "", stem, "", len(folders)), (tuple(folders), "")
