"""YOLO: a text file for each image, a polygon a line: the number of its class, then x and y from 0 to 1."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.data.folder.names import IMAGE_SUFFIXES, kind_of_folder
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder
from incmask.exchange.formats.common import Files, files_ending, read_raster
from incmask.exchange.formats.shapes import NamedArea, Polygon

_CLASS_LISTS = ("classes.txt", "obj.names", "labels.txt")
_ENTRY = re.compile(r"^\s*(?:-|\d+\s*:)\s*(.+?)\s*$", re.MULTILINE)


def label_files(files: Files) -> Files:
    """Give the text files in folders for masks, such as ``labels/train/x.txt``."""
    return {
        path: entry
        for path, entry in files_ending(files, ".txt").items()
        if any(kind_of_folder(folder) == "mask" for folder in PurePosixPath(path).parent.parts)
        and PurePosixPath(path).name not in _CLASS_LISTS
    }


def is_yolo(text: str) -> bool:
    """Tell whether a file's content is of YOLO: a whole number, and numbers, in each line."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return bool(lines) and all(len(line) >= 5 and _numbers(line) is not None and line[0].isdigit() for line in lines)


def parse(files: Files, images: Finder) -> Annotations:
    """Read what YOLO's files tell; an empty one says that its image shows background only.

    Classes have the names that ``data.yaml`` or ``classes.txt`` give them.

    Raises:
        IncmaskError: a file breaks the format, holds boxes, or its image is not there; all problems are told.
    """
    names = _names(files)
    found: dict[str, Annotated] = {}
    problems: list[Problem] = []
    for path, entry in label_files(files).items():
        with collected(problems):
            text = entry.read().decode("utf-8-sig", "replace") if entry.num_bytes else ""
            image = _image_of(path, files, images, str(entry.where))
            height, width = read_raster(files[image]).values.shape[:2]
            areas = [
                _area(line, names, (width, height), str(entry.where)) for line in text.splitlines() if line.strip()
            ]
            found[image] = Annotated(str(entry.where), tuple(areas), (height, width))
    raise_problems(problems)
    used = dict.fromkeys(area.name for each in found.values() for area in each.areas if area.name)
    return Annotations(found, tuple(names) or tuple(sorted(used)))


def _image_of(path: str, files: Files, images: Finder, where: str) -> str:
    """Find the image of a label file: in the folder of images beside, or anywhere."""
    place = PurePosixPath(path)
    for index, folder in enumerate(place.parts[:-1]):
        if kind_of_folder(folder) == "mask":
            there = PurePosixPath(*place.parts[:index], "images", *place.parts[index + 1 :])
            if found := next(
                (str(each) for end in IMAGE_SUFFIXES if str(each := there.with_suffix(end)) in files), None
            ):
                return found
    return images.find(place.stem, beside=path, where=where)


def _area(line: str, names: Sequence[str], size: tuple[int, int], where: str) -> NamedArea:
    values = _numbers(line.split())
    if values is None or len(values) < 5 or len(values) % 2 == 0:
        raise fail(where, f"has the line {line[:40]!r}, which is no polygon of YOLO", "export the labels again")
    if len(values) < 7:
        raise fail(where, "has boxes, where polygons are expected", "export segmentations (YOLO-seg) from your tool")
    number = int(values[0])
    name = names[number] if number < len(names) else f"class_{number}"
    return NamedArea(name, Polygon((np.array(values[1:]).reshape(-1, 2) * size,)))


def _numbers(words: Sequence[str]) -> list[float] | None:
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def _names(files: Files) -> list[str]:
    """Give the names of the classes by their numbers; none where no file tells."""
    for entry in files_ending(files, ".yaml", ".yml").values():
        after = re.split(r"^names\s*:", entry.read().decode("utf-8-sig", "replace"), maxsplit=1, flags=re.MULTILINE)[1:]
        if after and (inline := re.match(r"\s*[\[{]([^\]}]*)", after[0])):
            return [_bare(re.sub(r"^\s*\d+\s*:", "", name)) for name in inline[1].split(",") if name.strip()]
        if after:
            block = re.match(r"(?:\s*\n)?((?:[ \t]*(?:-|\d+\s*:).*\n?)+)", after[0])
            return [_bare(name) for name in _ENTRY.findall(block[1])] if block else []
    for path, entry in files.items():
        if PurePosixPath(path).name in _CLASS_LISTS:
            return [line.strip() for line in entry.read().decode("utf-8-sig", "replace").splitlines() if line.strip()]
    return []


def _bare(name: str) -> str:
    return name.strip().strip("'\"")
