"""Mappings that make their values: gone through in their order, none is looked up."""

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class InOrder(Mapping[Key, Value]):
    """A mapping whose keys and values come together in a pass, which is faster than key by key."""

    @abstractmethod
    def pairs(self) -> Iterator[tuple[Key, Value]]:
        """Give keys and values, one after the other."""

    def __iter__(self) -> Iterator[Key]:
        return (key for key, _ in self.pairs())

    def items(self) -> ItemsView[Key, Value]:
        """Give keys and values in a pass."""
        return _Items(self)

    def values(self) -> ValuesView[Value]:
        """Give the values in a pass."""
        return _Values(self)


class _Items(ItemsView[Key, Value]):
    _mapping: InOrder[Key, Value]

    def __iter__(self) -> Iterator[tuple[Key, Value]]:
        return self._mapping.pairs()


class _Values(ValuesView[Value]):
    _mapping: InOrder[object, Value]

    def __iter__(self) -> Iterator[Value]:
        return (value for _, value in self._mapping.pairs())
