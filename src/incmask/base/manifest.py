"""The manifest of a run folder, a line a file, looked up where it lies: of millions of lines little is held."""

import hashlib
import json
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from incmask.base.parse import parse_json

MANIFEST = "manifest.jsonl"
"""A line a file of the folder: its path, size and digest."""

END = "manifest.end"
"""How long the manifest was when the last process that wrote to it ended, and the digest of so much of it: a manifest
grows by whole lines, so that nothing in it tells one that was cut at a line's end from one of an earlier time."""

_BEGIN = b'{"path": "'
"""Of a line as ``Entry.line`` gives it."""

_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manifest tells of a file.

    Attributes:
        num_bytes: its size; -1: it was removed.
        sha256: of its content, in hexadecimal.
        blocks: of a large file, the same of some blocks of it; "" where an earlier version did not tell.
    """

    num_bytes: int
    sha256: str
    blocks: str = ""

    def line(self, name: str) -> str:
        """Give its line in the manifest."""
        blocks = {"blocks": self.blocks} if self.blocks else {}
        return json.dumps({"path": name, "bytes": self.num_bytes, "sha256": self.sha256, **blocks}) + "\n"


REMOVED = Entry(-1, "")
"""Of a file that was there, and that nobody expects any more."""


class Entries(Mapping[str, Entry]):
    """The entries of a manifest by path from its folder, in the order in which files first came; the last line counts.

    Lines stay in the file. Of each, 16 bytes are held: a hash of its path, and where it begins.

    Args:
        root: the folder; without a manifest there are none. A last line that a kill cut off counts for nothing.

    Attributes:
        num_bytes: of the lines that were read.

    Raises:
        ValueError, KeyError, TypeError: it is damaged.
    """

    def __init__(self, root: Path):
        # The command line does without where it can, since it is slow to be loaded.
        import numpy as np

        self._path, self.num_bytes = root / MANIFEST, 0
        self._keys, self._places = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if self._path.exists():
            self.read_on()

    def read_on(self) -> None:
        """Take in lines that were added since, at the end of those known."""
        import numpy as np

        keys, places, num_bytes = array("q"), array("q"), self.num_bytes
        for place, line in whole_lines(self._path, self.num_bytes):
            name, _ = _parsed(line)
            keys.append(hash(name))
            places.append(place)
            num_bytes = place + len(line)
        new = np.array(keys, np.int64)
        order = np.argsort(new, kind="stable")
        # Behind equal ones, so that of each path the lines stand in their order.
        where = np.searchsorted(self._keys, new[order], side="right")
        self._keys = np.insert(self._keys, where, new[order])
        self._places = np.insert(self._places, where, np.array(places, np.int64)[order])
        self.num_bytes = num_bytes

    def __getitem__(self, name: str) -> Entry:
        """Give the entry of a file; ``KeyError``: it is not known, or was removed."""
        found = self._lines_of(name)
        if not found or found[-1][1] == REMOVED:
            raise KeyError(name)
        return found[-1][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.told())

    def __len__(self) -> int:
        return sum(1 for _ in self.told())

    def told(self, below: Collection[str] | None = None) -> Iterator[tuple[str, Entry]]:
        """Give paths with their entries, in one pass.

        Args:
            below: these files, and those in these folders; None: all.
        """
        begins = None if below is None else tuple(_BEGIN + json.dumps(name)[1:-1].encode() for name in below)
        above = None if below is None else tuple(f"{name}/" for name in below)
        for place, line in whole_lines(self._path, end=self.num_bytes):
            if begins is not None and line.startswith(_BEGIN) and not line.startswith(begins):
                continue
            name, entry = _parsed(line)
            if below is not None and above is not None and name not in below and not name.startswith(above):
                continue
            first, last = self._range(name)
            if last - first > 1:
                lines = self._lines_of(name)
                if place != lines[0][0]:
                    continue
                entry = lines[-1][1]
            if entry != REMOVED:
                yield name, entry

    def _range(self, name: str) -> tuple[int, int]:
        """Tell where lines of this path stand among the hashes, perhaps with those of another."""
        key = self._keys.dtype.type(hash(name))
        return int(self._keys.searchsorted(key, "left")), int(self._keys.searchsorted(key, "right"))

    def _lines_of(self, name: str) -> list[tuple[int, Entry]]:
        """Give the lines of a path, and where each begins."""
        first, last = self._range(name)
        found = []
        if first < last:
            with open(self._path, "rb") as handle:
                for place in self._places[first:last].tolist():
                    handle.seek(place)
                    its_name, entry = _parsed(handle.readline())
                    if its_name == name:
                        found.append((place, entry))
        return found


def _parsed(line: bytes) -> tuple[str, Entry]:
    told = parse_json(line)
    return str(told["path"]), Entry(int(told["bytes"]), told["sha256"], told.get("blocks", ""))


def whole_lines(path: Path, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Give where each line begins, and the line; the last one only where it is whole.

    Args:
        path: the file.
        start: where a line begins, in bytes.
        end: where one ends; None: the end of the file.
    """
    if start == end:
        return
    with open(path, "rb") as handle:
        handle.seek(start)
        for line in handle:
            if not line.endswith(b"\n"):
                return
            yield start, line
            start += len(line)
            if start == end:
                return


def end_of(path: Path, num_bytes: int) -> str:
    """Give what tells how long a manifest is, and that it is this one.

    Args:
        path: the manifest.
        num_bytes: of it that count.
    """
    digest, left = hashlib.sha256(), num_bytes
    with open(path, "rb") as handle:
        while left > 0 and (chunk := handle.read(min(left, _CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
    return json.dumps({"bytes": num_bytes - left, "sha256": digest.hexdigest()})


def check_end(root: Path) -> None:
    """Refuse a manifest that has not all that it had when the last process ended.

    Raises:
        FileNotFoundError: there is none.
        ValueError, KeyError, TypeError: it has not, or its end is damaged.
    """
    end = parse_json((root / END).read_bytes()) if (root / END).exists() else None
    if end is not None and json.loads(end_of(root / MANIFEST, int(end["bytes"]))) != end:
        raise ValueError(f"it is not what {END} tells")
