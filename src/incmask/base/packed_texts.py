"""Very many texts and paths in little memory: held as the bytes of all of them, and made one by one."""

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from incmask.base.made import Made

Value = TypeVar("Value")

_SURROGATES = "surrogatepass"
"""So that names of files which are no text come back as they were."""


class _Findable(Made[Value]):
    """A sequence that tells where a value is.

    From the first time on that it is asked 12 bytes a value more are held: a hash of each, in their order, and where
    it is.
    """

    _index: "tuple[array[int], array[int]] | None" = None

    def _text(self, place: int) -> str:
        """Give the text that tells the value at a place from others."""
        raise NotImplementedError

    def place(self, value: Value) -> int | None:
        """Give the first place of a value; None: it is not among them."""
        if self._index is None or len(self._index[0]) < len(self):
            self._index = self._sorted()
        hashes, places = self._index
        text = str(value)
        key = hash(text)
        for found in range(bisect_left(hashes, key), len(hashes)):
            if hashes[found] != key:
                break
            if self._text(places[found]) == text:
                return places[found]
        return None

    def _sorted(self) -> "tuple[array[int], array[int]]":
        import numpy as np

        hashes = np.fromiter((hash(self._text(place)) for place in range(len(self))), np.int64, len(self))
        order = np.argsort(hashes, kind="stable")
        return array("q", hashes[order].tobytes()), array("I", order.astype(np.uint32).tobytes())

    def __contains__(self, value: Any) -> bool:
        return self.place(value) is not None

    def __getstate__(self) -> dict[str, Any]:
        # Hashes of texts are others in another process.
        return {name: value for name, value in vars(self).items() if name != "_index"}


class Texts(_Findable[str]):
    """Texts, held as the bytes of all of them, and where each ends.

    Examples:
        >>> texts = Texts(["b", "a"])
        >>> texts, texts[0], texts.place("a"), texts.place("c")
        (('b', 'a'), 'b', 1, None)
    """

    def __init__(self, texts: Iterable[str] = ()):
        self._bytes, self._ends = bytearray(), array("Q", [0])
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text."""
        self._bytes += text.encode(errors=_SURROGATES)
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def _text(self, place: int) -> str:
        return self._bytes[self._ends[place] : self._ends[place + 1]].decode(errors=_SURROGATES)

    _at = _text


class Paths(_Findable[Path]):
    """Paths, of which each folder is held once.

    Examples:
        >>> paths = Paths([Path("a/b"), Path("a/c")])
        >>> paths[1].as_posix(), paths.place(Path("a/b"))
        ('a/c', 0)
    """

    def __init__(self, paths: Iterable[Path] = ()):
        self._folders: dict[Path, int] = {}
        self._places: list[Path] = []
        self._begins: list[str] = []
        self._folder, self._names = array("I"), Texts()
        for path in paths:
            self.append(path)

    def append(self, path: Path) -> None:
        """Add a path."""
        self.add(path.parent, path.name)

    def add(self, folder: Path, name: str) -> None:
        """Add the path of a file in a folder."""
        number = self._folders.setdefault(folder, len(self._folders))
        if number == len(self._places):
            self._places.append(folder)
            self._begins.append(str(folder / "_")[:-1])
        self._folder.append(number)
        self._names.append(name)

    def __len__(self) -> int:
        return len(self._folder)

    def _text(self, place: int) -> str:
        return self._begins[self._folder[place]] + self._names[place]

    def _at(self, place: int) -> Path:
        return self._places[self._folder[place]] / self._names[place]


_NONE, _DIGEST = b"\xff", b"\xfe"
"""Stand for None among texts, and before the bytes of a digest: no text has these."""

_HEXADECIMAL = re.compile("[0-9a-f]{64}")


class MaybeTexts(Texts):
    """Texts, or None for some; a digest takes as many bytes as it has, and not one for each of its letters."""

    def append(self, text: str | None) -> None:
        if text is not None and not _HEXADECIMAL.fullmatch(text):
            super().append(text)
        else:
            self._bytes += _NONE if text is None else _DIGEST + bytes.fromhex(text)
            self._ends.append(len(self._bytes))

    def _at(self, place: int) -> str | None:  # type: ignore[override]
        found = self._bytes[self._ends[place] : self._ends[place + 1]]
        if found == _NONE:
            return None
        return found[1:].hex() if found.startswith(_DIGEST) else found.decode(errors=_SURROGATES)


def repeated(texts: Callable[[], Iterable[str]]) -> set[str]:
    """Give the texts that come twice or more, of those that each call gives; 8 bytes of each are held meanwhile.

    Examples:
        >>> repeated(lambda: ["a", "b", "a"])
        {'a'}
    """
    import numpy as np

    hashes = np.fromiter(map(hash, texts()), np.int64)
    hashes.sort()
    twice = {*hashes[1:][hashes[1:] == hashes[:-1]].tolist()}
    counts = Counter(text for text in texts() if hash(text) in twice) if twice else Counter[str]()
    return {text for text, num in counts.items() if num > 1}
