"""Very many records in little memory: held by columns, and made one by one when they are asked for.

A record of a name, a path and two numbers takes a kilobyte as objects, of which nearly all is what Python keeps beside
the values; here it takes what its letters and numbers take.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from incmask.base.in_order import InOrder
from incmask.base.made import Made
from incmask.base.packed_texts import Column, MaybeTexts, Paths, Texts
from incmask.base.spilled import Numbers

Key = TypeVar("Key")
Value = TypeVar("Value")
Row = TypeVar("Row")


class _Objects(Made[Any]):
    """Values of any kind; one that is the same as that before it takes four bytes."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._places = Numbers("I")

    def append(self, value: Any) -> None:
        if not self._values or value is not self._values[-1]:
            self._values.append(value)
        self._places.append(len(self._values) - 1)

    def __len__(self) -> int:
        return len(self._places)

    def _at(self, place: int) -> Any:
        return self._values[self._places[place]]

    def __iter__(self) -> Iterator[Any]:
        return map(self._values.__getitem__, self._places)


class _Flags(Made[bool]):
    """True or false."""

    def __init__(self) -> None:
        self._numbers = Numbers("B")

    def append(self, value: bool) -> None:
        self._numbers.append(value)

    def __len__(self) -> int:
        return len(self._numbers)

    def _at(self, place: int) -> bool:
        return bool(self._numbers[place])

    def __iter__(self) -> Iterator[bool]:
        return map(bool, self._numbers)


class _Vectors(Made[Any]):
    """Tuples of numbers; an empty one stands for what is none."""

    def __init__(self, code: str, none: Any = ()) -> None:
        self._numbers, self._ends, self._none = Numbers(code), Numbers("Q", [0]), none

    def append(self, numbers: tuple[Any, ...] | None) -> None:
        self._numbers.extend(numbers or ())
        self._ends.append(len(self._numbers))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def _at(self, place: int) -> Any:
        return self._numbers[self._ends[place] : self._ends[place + 1]] or self._none

    def __iter__(self) -> Iterator[Any]:
        return (self._numbers[begin:end] or self._none for begin, end in pairwise(self._ends))


_COLUMNS: dict[Any, Callable[[], Any]] = {
    str: Texts,
    str | None: MaybeTexts,
    bool: _Flags,
    int: lambda: Numbers("q"),
    float: lambda: Numbers("d"),
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
        (Size(name='b', height=4), 2, (3, 4))
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

    def __iter__(self) -> Iterator[Row]:
        return map(self._kind, *self._columns.values())


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
        return Beside(self._paths, self._rows.column(field))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, path: Path) -> Row:
        return Beside(self._paths, self._rows)[path]

    def pairs(self) -> Iterator[tuple[Path, Row]]:
        """Give paths and records in their order."""
        return zip(self._paths, self._rows, strict=True)


class Beside(InOrder[Key, Value]):
    """A mapping of two columns.

    Args:
        keys: each of them once.
        values: of each.
    """

    def __init__(self, keys: Column[Key], values: Sequence[Value]):
        self._keys, self._values = keys, values

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, key: Key) -> Value:
        place = self._keys.place(key)
        if place is None:
            raise KeyError(key)
        return self._values[place]

    def pairs(self) -> Iterator[tuple[Key, Value]]:
        """Give keys and values in their order."""
        return zip(self._keys, self._values, strict=True)


def _makers(kind: Any) -> dict[str, Callable[[], Any]]:
    """Tell what makes the column of each field."""
    hints = get_type_hints(kind)
    return {each.name: _maker(hints[each.name]) for each in fields(kind)}


def _maker(hint: Any) -> Callable[[], Any]:
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda: Packed(hint)
    return _COLUMNS.get(hint, _Objects)
