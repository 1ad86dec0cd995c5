"""What ``data.json`` says of each image, looked up where it lies: of a million images a few bytes each are held."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from incmask.base.in_order import InOrder
from incmask.base.intact import GONE, intact
from incmask.base.packed_texts import Texts
from incmask.base.parse import parse_json
from incmask.base.records import DATA, RUN, Records, cannot_be_read, read_written, without_none
from incmask.base.spilled import Numbers

_PARTS, _PARTS_END = b' "parts": {', b" }"
_PART, _PART_END = re.compile(rb'  ("\w+"): \{'), b"  }"
_IMAGE, _IMAGE_END, _WITHIN = re.compile(rb'   (".*"): \{'), b"   }", b"    "
"""Lines as ``json_parts`` writes them, without what ends them."""


class ImagesOnDisk(InOrder[str, dict[str, Any]]):
    """What the file says of the images of a part, by their names.

    Args:
        path: the file, which stays as it is.
    """

    def __init__(self, path: Path):
        self._path, self._names, self._places = path, Texts(), Numbers("Q")

    def append(self, name: str, place: int) -> None:
        """Add an image of which the line at a place and those behind it tell."""
        self._names.append(name)
        self._places.append(place)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._names

    def __getitem__(self, name: str) -> dict[str, Any]:
        if (number := self._names.place(name)) is None:
            raise KeyError(name)
        with open(self._path, "rb") as handle:
            return _told(handle, self._places[number])

    def pairs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give names and what is said of them, in a pass through the file."""
        with open(self._path, "rb") as handle:
            for name, place in zip(self._names, self._places, strict=True):
                yield name, _told(handle, place)


def _told(handle: IO[bytes], place: int) -> dict[str, Any]:
    handle.seek(place)
    lines = [b"{"]
    while _bare(lines[-1]) != _IMAGE_END:
        if not (line := handle.readline()):
            raise ValueError("the file of what is said of images was changed meanwhile")
        lines.append(line.rstrip(b",\r\n") if _bare(line) == _IMAGE_END else line)
    return without_none(parse_json(b"".join(lines)))


def _bare(line: bytes) -> bytes:
    return line.rstrip(b",\r\n")


def read_records(root: Path) -> Records:
    """Read what a run folder says of itself.

    Raises:
        IncmaskError: it is none.
    """
    return Records(read_written(root / RUN), read_data(root))


def read_data(root: Path) -> dict[str, Any]:
    """Read what a run folder says of its data; what it says of images is looked up when it is asked for.

    Raises:
        IncmaskError: it is no such file.
    """
    path = root / DATA
    try:
        found = _skimmed(intact(path))
    except (*GONE, ValueError, AttributeError) as error:
        raise cannot_be_read(path, error) from error
    # Whoever wrote it otherwise did so by hand.
    return read_written(path) if found is None else found


def _skimmed(path: Path) -> dict[str, Any] | None:
    """Do the same; None: the file is not laid out as it is written."""
    rest, parts = list[bytes](), dict[str, ImagesOnDisk]()
    place, are_parts, part = 0, False, None
    with open(path, "rb") as handle:
        for line in handle:
            place += len(line)
            bare = _bare(line)
            if part is None:
                rest.append(line)
                are_parts = bare == _PARTS or (are_parts and bare != _PARTS_END)
                if are_parts and (name := _PART.fullmatch(bare)):
                    part = parts[json.loads(name[1])] = ImagesOnDisk(path)
            elif bare == _PART_END:
                rest.append(line)
                part = None
            elif name := _IMAGE.fullmatch(bare):
                part.append(json.loads(name[1]), place)
            elif bare != _IMAGE_END and not bare.startswith(_WITHIN):
                return None
    found = without_none(parse_json(b"".join(rest)))
    return {**found, **({"parts": {**found["parts"], **parts}} if parts else {})}
