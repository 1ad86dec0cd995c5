"""Very many texts and records in little memory: held by columns, and made one by one when they are asked for.

A record of a name, a path and two numbers takes a kilobyte as objects, of which nearly all is what Python keeps beside
the values; here it takes what its letters and numbers take.
"""

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints, overload

from incmask.base.in_order import InOrder

if TYPE_CHECKING:
    pass

Value = TypeVar("Value")
Row = TypeVar("Row")

_SURROGATES = "surrogatepass"
"""So that names of files which are no text come back as they were."""


class Made(Sequence[Value]):
    """A sequence whose values are made when asked for: what it has beside one value at a place, and their number.

    It is equal to a tuple of the same values.
    """

    def _at(self, place: int) -> Value:
        raise NotImplementedError

    @overload
    def __getitem__(self, place: int) -> Value: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Value, ...]: ...
    def __getitem__(self, place: int | slice) -> Value | tuple[Value, ...]:
        if isinstance(place, slice):
            return tuple(map(self._at, range(*place.indices(len(self)))))
        if not -len(self) <= place < len(self):
            raise IndexError(f"place {place} of {len(self)}")
        return self._at(place % len(self))

    def __iter__(self) -> Iterator[Value]:
        return map(self._at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Made | tuple):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class MadeBy(Made[Value]):
    """A function of each of some values, called when it is asked for.

    Examples:
        >>> MadeBy(str, [1, 2])[1]
        '2'
    """

    def __init__(self, make: Callable[[Any], Value], given: Sequence[Any]):
        self._make, self._given = make, given

    def __len__(self) -> int:
        return len(self._given)

    def _at(self, place: int) -> Value:
        return self._make(self._given[place])


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


class _Objects(Made[Any]):
    """Values of any kind; one that is the same as that before it takes four bytes."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._places = array("I")

    def append(self, value: Any) -> None:
        if not self._values or value is not self._values[-1]:
            self._values.append(value)
        self._places.append(len(self._values) - 1)

    def __len__(self) -> int:
        return len(self._places)

    def _at(self, place: int) -> Any:
        return self._values[self._places[place]]


_NONE, _DIGEST = b"\xff", b"\xfe"
"""Stand for None among texts, and before the bytes of a digest: no text has these."""

_HEXADECIMAL = re.compile("[0-9a-f]{64}")


class _MaybeTexts(Texts):
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


class _Vectors(Made[Any]):
    """Tuples of numbers; an empty one stands for what is none."""

    def __init__(self, code: str, none: Any = ()) -> None:
        self._numbers: array[Any] = array(code)
        self._ends, self._none = array("Q", [0]), none

    def append(self, numbers: tuple[Any, ...] | None) -> None:
        self._numbers.extend(numbers or ())
        self._ends.append(len(self._numbers))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def _at(self, place: int) -> Any:
        return tuple(self._numbers[self._ends[place] : self._ends[place + 1]]) or self._none


_COLUMNS: dict[Any, Callable[[], Any]] = {
    str: Texts,
    str | None: _MaybeTexts,
    int: lambda: array("q"),
    float: lambda: array("d"),
    Path: Paths,
    tuple[int, ...]: lambda: _Vectors("q"),
    tuple[float, ...]: lambda: _Vectors("d"),
    tuple[float, float] | None: lambda: _Vectors("d", None),
}


class Packed(Made[Row]):
    """Records of one kind, a column a field: equal to those that were given, and made anew whenever one is asked for.

    Args:
        kind: a dataclass. Texts, paths, numbers, tuples of numbers, and dataclasses of these are packed; of other
            values those are held once that are the same object in records which follow each other, as None mostly is.
        rows: of this kind.

    Examples:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Size:
        ...     name: str
        ...     height: int
        >>> sizes = Packed(Size, [Size("a", 3), Size("b", 4)])
        >>> sizes[1], len(sizes), sizes.column("height")
        (Size(name='b', height=4), 2, array('q', [3, 4]))
    """

    def __init__(self, kind: type[Row], rows: Iterable[Row] = ()):
        self._kind = kind
        self._columns: dict[str, Any] = {name: make() for name, make in _makers(kind).items()}
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """Add a record."""
        for name, column in self._columns.items():
            column.append(getattr(row, name))

    def column(self, field: str) -> Sequence[Any]:
        """Give the values of a field, in the order of the records."""
        found: Sequence[Any] = self._columns[field]
        return found

    def place(self, field: str, value: Any) -> int | None:
        """Give the place of the first record with a text or path in a field; None: there is none."""
        found: int | None = self._columns[field].place(value)
        return found

    def with_values(self, field: str, values: Iterable[Any]) -> "Packed[Row]":
        """Give these records with other values in a field, one for each."""
        found, column = Packed[Row](self._kind), _makers(self._kind)[field]()
        for value in values:
            column.append(value)
        found._columns = self._columns | {field: column}
        return found

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def _at(self, place: int) -> Row:
        return self._kind(*(column[place] for column in self._columns.values()))


class ByPath(InOrder[Path, Row]):
    """Records by the paths of files, each of them once.

    Args:
        kind: as for ``Packed``.
        pairs: paths with their records.
    """

    def __init__(self, kind: type[Row], pairs: Iterable[tuple[Path, Row]] = ()):
        self._paths, self._rows = Paths(), Packed(kind)
        for path, row in pairs:
            self.append(path, row)

    def append(self, path: Path, row: Row) -> None:
        """Add the record of a path that is not there yet."""
        self._paths.append(path)
        self._rows.append(row)

    def column(self, field: str) -> InOrder[Path, Any]:
        """Give a field of each record by its path."""
        return _ColumnByPath(self._paths, self._rows.column(field))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, path: Path) -> Row:
        return _at_path(self._paths, self._rows, path)

    def pairs(self) -> Iterator[tuple[Path, Row]]:
        """Give paths and records in their order."""
        return zip(self._paths, self._rows, strict=True)


class _ColumnByPath(InOrder[Path, Any]):
    def __init__(self, paths: Paths, values: Sequence[Any]):
        self._paths, self._values = paths, values

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, path: Path) -> Any:
        return _at_path(self._paths, self._values, path)

    def pairs(self) -> Iterator[tuple[Path, Any]]:
        return zip(self._paths, self._values, strict=True)


def _at_path(paths: Paths, values: Sequence[Value], path: Path) -> Value:
    place = paths.place(path)
    if place is None:
        raise KeyError(path)
    return values[place]


def _makers(kind: Any) -> dict[str, Callable[[], Any]]:
    """Tell what makes the column of each field."""
    hints = get_type_hints(kind)
    return {each.name: _maker(hints[each.name]) for each in fields(kind)}


def _maker(hint: Any) -> Callable[[], Any]:
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda: Packed(hint)
    return _COLUMNS.get(hint, _Objects)


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
