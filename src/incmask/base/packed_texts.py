"""Very many texts and paths in little memory: held as the bytes of all of them, and made one by one."""

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from incmask.base.made import Made
from incmask.base.spilled import Numbers

if TYPE_CHECKING:
    import numpy as np

Value = TypeVar("Value")

_SORTED_AT_ONCE = 2**15

_SURROGATES = "surrogatepass"
"""So that names of files which are no text come back as they were."""


class Column(Made[Value]):
    """Values as the bytes of all of them, and where each ends.

    From the first time on that one is looked for which does not follow the one before, 12 bytes a value more are held:
    a hash of each, in their order, and where it is.
    """

    _index: "tuple[np.ndarray, np.ndarray] | None" = None

    def __init__(self, values: Iterable[Value] = ()):
        self._bytes, self._ends, self._found = Numbers("B"), Numbers("Q", [0]), -1
        for value in values:
            self.append(value)

    def _packed(self, value: Value) -> bytes:
        """Give the bytes of a value, which no other has."""
        raise NotImplementedError

    def _unpacked(self, packed: bytes) -> Value:
        """Give the value back."""
        raise NotImplementedError

    def append(self, value: Value) -> None:
        """Add a value."""
        self._bytes.extend_bytes(self._packed(value))
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def _at(self, place: int) -> Value:
        return self._unpacked(self._packed_at(place))

    def _packed_at(self, place: int) -> bytes:
        return self._bytes.between(self._ends[place], self._ends[place + 1])

    def _each_packed(self) -> Iterator[bytes]:
        return (self._bytes.between(begin, end) for begin, end in pairwise(self._ends))

    def __iter__(self) -> Iterator[Value]:
        return map(self._unpacked, self._each_packed())

    def place(self, value: Value) -> int | None:
        """Give the place of a value, the first of equal ones that follow each other; None: it is not among them."""
        packed, last = self._packed(value), self._found
        # Mostly they are asked for in their order.
        for place in (last, last + 1):
            if 0 <= place < len(self) and self._packed_at(place) == packed:
                self._found = place
                return place
        found = self._looked_up(packed)
        self._found = last if found is None else found
        return found

    def _looked_up(self, packed: bytes) -> int | None:
        if self._index is None or len(self._index[0]) < len(self):
            self._index = self._sorted()
        hashes, places = self._index
        key = hash(packed)
        first, last = (int(hashes.searchsorted(key, side)) for side in ("left", "right"))
        return next((place for place in places[first:last].tolist() if self._packed_at(place) == packed), None)

    def _sorted(self) -> "tuple[np.ndarray, np.ndarray]":
        import numpy as np

        hashes = np.fromiter(map(hash, self._each_packed()), np.int64, len(self))
        order = np.argsort(hashes, kind="stable").astype(np.uint32)
        return hashes[order], order

    def __contains__(self, value: Any) -> bool:
        return self.place(value) is not None

    def __getstate__(self) -> dict[str, Any]:
        # Hashes of texts are others in another process.
        return {name: value for name, value in vars(self).items() if name != "_index"}


class Texts(Column[str]):
    """Texts.

    Examples:
        >>> texts = Texts(["b", "a"])
        >>> texts, texts[0], texts.place("a"), texts.place("c")
        (('b', 'a'), 'b', 1, None)
    """

    def _packed(self, value: str) -> bytes:
        return value.encode(errors=_SURROGATES)

    def _unpacked(self, packed: bytes) -> str:
        return packed.decode(errors=_SURROGATES)


class Paths(Column[Path]):
    """Paths.

    Examples:
        >>> paths = Paths([Path("a/b"), Path("a/c")])
        >>> paths[1].as_posix(), paths.place(Path("a/b"))
        ('a/c', 0)
    """

    def _packed(self, value: Path) -> bytes:
        return str(value).encode(errors=_SURROGATES)

    def _unpacked(self, packed: bytes) -> Path:
        return Path(packed.decode(errors=_SURROGATES))


_NONE, _DIGEST = b"\xff", b"\xfe"
"""Stand for None among texts, and before the bytes of a digest: no text has these."""

_HEXADECIMAL = re.compile("[0-9a-f]{64}")


class MaybeTexts(Column[str | None]):
    """Texts, or None for some; a digest takes as many bytes as it has, and not one for each of its letters."""

    def _packed(self, value: str | None) -> bytes:
        if value is None:
            return _NONE
        is_digest = _HEXADECIMAL.fullmatch(value)
        return _DIGEST + bytes.fromhex(value) if is_digest else value.encode(errors=_SURROGATES)

    def _unpacked(self, packed: bytes) -> str | None:
        if packed == _NONE:
            return None
        return packed[1:].hex() if packed.startswith(_DIGEST) else packed.decode(errors=_SURROGATES)


def in_order(texts: Iterable[str], key: Callable[[str], Any] = str) -> Iterator[str]:
    """Give texts sorted, by a key where there is one, of equal ones the first first; few are held at a time.

    Examples:
        >>> [*in_order(["b", "A", "a"], str.casefold)]
        ['A', 'a', 'b']
    """
    return merged(texts, key, pack=Texts)


def merged(
    values: Iterable[Value], key: Callable[[Value], Any], *, pack: Callable[[Sequence[Value]], Iterable[Value]]
) -> Iterator[Value]:
    """Do the same with values of any kind; ``pack`` gives them back as what takes little memory."""
    rest, runs = iter(values), list[Iterable[Value]]()
    while run := sorted(islice(rest, _SORTED_AT_ONCE), key=key):
        # The last may be held, as most are the only one.
        runs.append(pack(run) if len(run) == _SORTED_AT_ONCE else run)
        del run
    return heapq.merge(*runs, key=key)


def sorted_places(texts: Texts) -> Numbers:
    """Give the places of texts, which differ, in the order of the texts.

    Examples:
        >>> sorted_places(Texts(["b", "c", "a"]))
        (2, 0, 1)
    """
    return Numbers("I", (place for text in in_order(texts) if (place := texts.place(text)) is not None))


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
