"""Very many records in little memory: held by columns, and made one by one when they are asked for.

A record of a name, a path and two numbers takes a kilobyte as objects, of which nearly all is what Python keeps beside
the values; here it takes what its letters and numbers take.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from incmask.base.in_order import InOrder
from incmask.base.made import Made
from incmask.base.packed_texts import MaybeTexts, Paths, Texts

Value = TypeVar("Value")
Row = TypeVar("Row")


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
    str | None: MaybeTexts,
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
