"""What ``data.json`` says of the images of a part: made when it is asked for, since a million images have a million."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from incmask.base.in_order import InOrder
from incmask.base.intact import hash_below
from incmask.base.packed_texts import Texts
from incmask.base.spilled import Numbers
from incmask.data.dataset import Item
from incmask.data.rounds import path_from

_DIGEST_BYTES = 32


class DescribedItems(InOrder[str, dict[str, Any]]):
    """The size, group, grid and digests of files of each image by its name; of many little is held.

    Args:
        items: the images, whose files are read now.
        root: the data folder, from which files are named.
    """

    def __init__(self, items: Sequence[Item], root: Path):
        self._items, self._root = items, root
        self._digests, self._begins = Numbers("B"), Numbers("Q")
        for item in items:
            self._begins.append(len(self._digests))
            for path in _files(item):
                self._digests.extend_bytes(bytes.fromhex(hash_below(path)))

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, name: str) -> dict[str, Any]:
        if (place := self._names.place(name)) is None:
            raise KeyError(name)
        return self._described(self._items[place], self._from(self._begins[place]))

    def pairs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give names and what is said of them, one after the other."""
        digests = self._from(0)
        for item in self._items:
            yield item.name, self._described(item, digests)

    @cached_property
    def _names(self) -> Texts:
        return Texts(item.name for item in self._items)

    def _from(self, begin: int) -> Iterator[str]:
        places = range(begin, len(self._digests), _DIGEST_BYTES)
        return (self._digests.between(place, place + _DIGEST_BYTES).hex() for place in places)

    def _described(self, item: Item, digests: Iterator[str]) -> dict[str, Any]:
        names = [_named(path, self._root) for path in _files(item)]
        return {
            "size": [item.height, item.width],
            **({} if item.subject is None else {"group": item.subject}),
            **({} if item.grid is None else {"grid": item.grid._asdict()}),
            "files": dict(zip(names, islice(digests, len(names)), strict=True)),
        }


def _files(item: Item) -> Iterator[Path]:
    yield from (item.image, *filter(None, item.masks or ()))


def _named(path: Path, root: Path) -> str:
    """Name a file of the data; masks that somebody else gave lie outside of the folder."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path_from(root, path)
