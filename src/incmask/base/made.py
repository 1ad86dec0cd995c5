"""Sequences whose values are made when they are asked for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

Value = TypeVar("Value")


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
