"""COCO panoptic: pictures whose colours number segments, and JSON files that tell the category of each."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.data.dataset import DataOptions
from incmask.data.images.masks import grey_values
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder, read_annotated
from incmask.exchange.formats.coco_records import (
    AGAIN,
    CocoCategory,
    CocoImage,
    Id,
    is_panoptic,
    records_in,
)
from incmask.exchange.formats.common import Files, FoundImages, Record, files_ending, images_of, read_json, read_mask
from incmask.exchange.formats.shapes import Box, NamedArea
from incmask.exchange.sources.archives import SourceFile


class _Category(CocoCategory):
    isthing: int | bool = 1


class _Segment(Record):
    id: int
    category_id: Id


class _Annotation(Record):
    image_id: Id
    file_name: str
    segments_info: list[_Segment]


@lru_cache(maxsize=2)
def _numbers(picture: SourceFile) -> np.ndarray:
    """Give the number of each pixel's segment: red + 256 green + 65536 blue."""
    raster = read_mask(picture)
    values = raster.to_colour()
    if values.ndim == 2:
        return grey_values(raster).astype(np.int64)
    red, green, blue = np.moveaxis(values.astype(np.int64), 2, 0)
    return red + 256 * green + 65536 * blue


@dataclass(frozen=True, eq=False)
class Segments:
    """The pixels of a picture that have some numbers.

    Attributes:
        picture: the file.
        numbers: of segments; 0 is what is in none.
    """

    picture: SourceFile
    numbers: tuple[int, ...]

    @property
    def box(self) -> Box:
        """Give the whole picture."""
        return Box(0, 0, *_numbers(self.picture).shape)

    def draw(self, box: Box) -> np.ndarray:
        """Give the part of it inside ``box``."""
        part = _numbers(self.picture)[box.top : box.bottom, box.left : box.right]
        return np.isin(part, self.numbers)


def read_panoptic(files: Files, data: DataOptions, *, where: object) -> FoundImages:
    """Read images with panoptic annotations: each pixel has the category of its segment.

    What is in no segment has no label where there are categories of stuff, which leave nothing over; else background.

    Raises:
        IncmaskError: a file breaks the format, or an image or a picture is not there; all problems are told.
    """
    told = [(path, read_json(entry)) for path, entry in files_ending(files, ".json").items()]
    sheets = {path: content for path, content in told if is_panoptic(content)}
    pictures = _pictures(files, sheets)
    taken = {*pictures.values()}
    rest = {path: entry for path, entry in files.items() if entry not in taken}
    parse = partial(_parse, sheets=sheets, pictures=pictures)
    used = {
        str(each.get("category_id"))
        for sheet in sheets.values()
        for note in _objects(sheet["annotations"])
        for each in _objects(note.get("segments_info"))
    }
    task = data.task or ("multiclass" if len(used) > 1 else None)  # segments share no pixel
    return read_annotated(parse, rest, data.model_copy(update={"task": task}), where=where)


def _objects(given: Any) -> list[dict[str, Any]]:
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def _pictures(files: Files, sheets: Mapping[str, Any]) -> dict[tuple[str, str], SourceFile]:
    """Find the picture of each annotation, by the path of its sheet and by its name: in a folder that is called so."""
    found: dict[tuple[str, str], SourceFile] = {}
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in images_of(files):
        by_name[PurePosixPath(path).name].append(path)
    for sheet, content in sheets.items():
        images = {PurePosixPath(str(each.get("file_name"))).name for each in _objects(content["images"])}
        for note in _objects(content["annotations"]):
            name = str(note.get("file_name"))
            there = by_name[PurePosixPath(name).name]
            if PurePosixPath(name).name in images:  # the image itself has the same name
                there = [path for path in there if _is_beside(path, sheet)]
            if there:
                found[sheet, name] = files[max(there, key=lambda path: (_is_beside(path, sheet), path))]
    return found


def _is_beside(path: str, sheet: str) -> bool:
    folders = PurePosixPath(path).parent.parts
    return PurePosixPath(sheet).stem in folders or any("panoptic" in folder.casefold() for folder in folders)


def _parse(
    files: Files, images: Finder, *, sheets: Mapping[str, Any], pictures: Mapping[tuple[str, str], SourceFile]
) -> Annotations:
    names: dict[str, None] = {}
    annotated: dict[str, Annotated] = {}
    problems: list[Problem] = []
    has_stuff = False
    for sheet, content in sheets.items():
        categories = {each.id: each for each in records_in(_Category, content, "categories", sheet, problems)}
        listed = {each.id: each for each in records_in(CocoImage, content, "images", sheet, problems)}
        names |= {each.name: None for each in categories.values()}
        has_stuff |= any(not each.isthing for each in categories.values())
        for note in records_in(_Annotation, content, "annotations", sheet, problems):
            at = f"{sheet}: annotation of image {note.image_id}"
            with collected(problems):
                picture, image = pictures.get((sheet, note.file_name)), listed.get(note.image_id)
                if picture is None or image is None:
                    lack = f"the picture {note.file_name}" if picture is None else "the image in its list"
                    raise fail(at, f"lacks {lack}", "put it beside the JSON file, or export again")
                areas = _areas(note, picture, {key: each.name for key, each in categories.items()}, at)
                name = images.find(image.file_name, beside=sheet, where=at)
                annotated[name] = Annotated(at, areas, image.size)
    raise_problems(problems)
    if not has_stuff:
        return Annotations(annotated, tuple(names))
    kept = {name: _without_rest(each) for name, each in annotated.items()}
    said = "pixels of no segment have no label, since there are categories of stuff"
    return Annotations(kept, tuple(names), notes=(said,))


def _areas(note: _Annotation, picture: SourceFile, categories: Mapping[str, str], where: str) -> tuple[NamedArea, ...]:
    """Give the area of each category."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for segment in note.segments_info:
        if segment.category_id not in categories:
            raise fail(where, f"has the category_id {segment.category_id}, which the file does not list", AGAIN)
        numbers[categories[segment.category_id]].append(segment.id)
    twice = [number for number, times in Counter(each.id for each in note.segments_info).items() if times > 1]
    if twice:
        raise fail(where, f"has the segment {twice[0]} twice", AGAIN)
    return tuple(NamedArea(name, Segments(picture, tuple(each))) for name, each in numbers.items())


def _without_rest(image: Annotated) -> Annotated:
    """Give no label to what is in no segment."""
    first = image.areas[0].area if image.areas else None
    if not isinstance(first, Segments):
        return image
    rest = NamedArea(None, Segments(first.picture, (0,)))
    return Annotated(image.where, (*image.areas, rest), image.size)
