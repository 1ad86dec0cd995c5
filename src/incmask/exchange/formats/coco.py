"""COCO JSON: polygons and run-length codes of categories, in one file or one for each folder."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated as Typed
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from incmask.base.errors import IncmaskError, Problem, fail, raise_problems
from incmask.base.files import write_text
from incmask.data.dataset import DataOptions, Scheme
from incmask.data.images.decode import MAX_PIXELS
from incmask.exchange.formats.annotations import Annotated, Finder, Images, NamedArea, found_of, labels_of
from incmask.exchange.formats.common import Files, FoundImages, files_ending, read_json
from incmask.exchange.formats.shapes import Area, Box, Object, Polygon, Runs, objects_of, run_lengths
from incmask.exchange.formats.sheets import Corrected, Known, LabelSheet
from incmask.exchange.names import UNSURE
from incmask.exchange.sources.entry import entry_path

Count = Typed[int, Field(ge=0, le=MAX_PIXELS)]
Side = Typed[int, Field(ge=1, le=MAX_PIXELS)]
_LARGEST_RUN = 1 << 40


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Image(_Record):
    id: int | str
    file_name: str
    height: Side
    width: Side


class _Category(_Record):
    id: int | str
    name: Typed[str, Field(min_length=1)]


class _Rle(_Record):
    counts: list[Count] | str
    size: tuple[Side, Side]


class _Annotation(_Record):
    id: int | str | None = None
    image_id: int | str
    category_id: int | str
    segmentation: list[list[FiniteFloat]] | _Rle | None = None
    iscrowd: Literal[0, 1] | bool = 0


RecordT = TypeVar("RecordT", bound=_Record)


def is_coco(content: Any) -> bool:
    """Tell whether a JSON file's content is that of COCO."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def decode_counts(text: str) -> np.ndarray:
    """Decode the text form of COCO's run lengths.

    Each number is written in groups of 5 bits, the lowest first, as the letters from "0" on: bit 5 says that another
    group follows, bit 4 of the last one is the sign. From the fourth number on, what is written is the difference to
    the number two before.

    Returns:
        (n,) int64, each 0 or more.

    Raises:
        ValueError: the text is no such code.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        group = ord(letter) - 48
        if not 0 <= group < 64 or shift > 40:
            raise ValueError(f"the letter {letter!r} does not belong into run lengths")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        value += lengths[-2] if len(lengths) > 2 else 0
        if not 0 <= value < _LARGEST_RUN:
            raise ValueError(f"run {len(lengths)} has the length {value}")
        lengths.append(value)
        value = shift = 0
    if shift:
        raise ValueError("the run lengths end within a number")
    return np.array(lengths, np.int64)


@dataclass
class _Reading:
    """What has been read of all files so far."""

    names: dict[str, None] = field(default_factory=dict)
    images: dict[str, Annotated] = field(default_factory=dict)
    areas: dict[str, list[NamedArea]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


def read_coco(files: Files, data: DataOptions, *, where: object) -> FoundImages:
    """Read images that COCO files annotate; categories of several files with the same name are one class.

    A crowd is an area of its category like others. Images without an annotation are unlabelled.

    Raises:
        IncmaskError: a file breaks the format, or names images that are not there; all problems are told.
    """
    images = Images(files)
    read = annotations_of_coco(files, images)
    annotated = {path: item for path, item in read.images.items() if item.areas}
    notes = [f"{read.num_crowds} crowds are areas of their category like others"] if read.num_crowds else []
    return found_of(annotated, images, names=read.names, data=data, where=where, notes=notes)


@dataclass(frozen=True)
class CocoAnnotations:
    """What COCO files tell.

    Attributes:
        names: of the categories, in their order.
        images: all images that the files list, by the path under which they were found.
        num_crowds: annotations that are crowds.
    """

    names: tuple[str, ...]
    images: dict[str, Annotated]
    num_crowds: int


def annotations_of_coco(files: Files, images: Finder) -> CocoAnnotations:
    """Read what COCO files tell of images.

    Raises:
        IncmaskError: a file breaks the format, or names images that are not there; all problems are told.
    """
    reading = _Reading()
    for path, entry in files_ending(files, ".json").items():
        content = read_json(entry)
        if is_coco(content):
            _read_file(content, path, images=images, reading=reading, where=str(entry_path(entry)))
    raise_problems(reading.problems)
    annotated = {
        path: Annotated(item.where, tuple(reading.areas.get(path, ())), item.size)
        for path, item in reading.images.items()
    }
    return CocoAnnotations(tuple(reading.names), annotated, reading.counts["crowds"])


def _read_file(content: dict[str, Any], path: str, *, images: Finder, reading: _Reading, where: str) -> None:
    problems = reading.problems
    categories = {
        item.id: item.name for item in _records(_Category, content.get("categories"), "category", where, problems)
    }
    reading.names.update(dict.fromkeys(categories.values()))
    sizes: dict[int | str, _Image] = {}
    paths: dict[int | str, str] = {}
    for image in _records(_Image, content["images"], "image", where, problems):
        name = f"{where}: image {image.id}"
        if image.id in sizes:
            problems.append(Problem(name, "is there twice", "export the annotations again"))
        sizes[image.id] = image
        try:
            found = images.find(image.file_name, beside=path, where=name)
        except IncmaskError as error:
            problems += error.problems
            continue
        if found in reading.images:
            problems.append(Problem(name, f"stands for {found} a second time", "keep one of the two"))
        paths[image.id] = found
        reading.images[found] = Annotated(name, (), (image.height, image.width))
    for annotation in _records(_Annotation, content["annotations"], "annotation", where, problems):
        name = f"{where}: annotation {annotation.id}"
        for key, known in (("image_id", sizes), ("category_id", categories)):
            if getattr(annotation, key) not in known:
                what = f"has the {key} {getattr(annotation, key)!r}, which the file does not list"
                problems.append(Problem(name, what, "export the annotations again"))
        if annotation.image_id not in paths or annotation.category_id not in categories:
            continue
        try:
            areas = _areas(annotation, sizes[annotation.image_id], name)
        except IncmaskError as error:
            problems += error.problems
            continue
        reading.counts["crowds"] += bool(annotation.iscrowd)
        category = categories[annotation.category_id]
        reading.areas.setdefault(paths[annotation.image_id], []).extend(NamedArea(category, area) for area in areas)


def _areas(annotation: _Annotation, image: _Image, where: str) -> Sequence[Area]:
    """Give the areas whose union an annotation marks."""
    given = annotation.segmentation
    if not given:
        what = "has no segmentation, only a box or nothing; polygons or run lengths are expected"
        raise fail(where, what, "export segmentations, or remove the annotation")
    if isinstance(given, list):
        for corners in given:
            if len(corners) < 6 or len(corners) % 2:
                what = f"has a polygon of {len(corners)} numbers; x and y of three or more corners are expected"
                raise fail(where, what, "draw it again, or remove the annotation")
        polygons = [Polygon((np.array(corners, np.float64).reshape(-1, 2),)) for corners in given]
        for polygon in polygons:
            box = polygon.box
            if box.top >= image.height or box.left >= image.width or box.bottom < 0 or box.right < 0:
                what = f"lies outside its image of {image.width}×{image.height} pixels"
                raise fail(where, what, "export the annotations at the size of the images")
        return polygons
    height, width = given.size
    if (height, width) != (image.height, image.width):
        what = f"has run lengths for {width}×{height} pixels in an image of {image.width}×{image.height}"
        raise fail(where, what, "export the annotations at the size of the images")
    try:
        lengths = decode_counts(given.counts) if isinstance(given.counts, str) else np.array(given.counts, np.int64)
    except ValueError as error:
        raise fail(where, f"has broken run lengths ({error})", "export the annotations again") from error
    if height * width > MAX_PIXELS or lengths.sum() != height * width:
        what = f"has run lengths for {lengths.sum()} pixels where its image has {height * width}"
        raise fail(where, what, "export the annotations again")
    return [Runs(lengths, height, width)]


def _records(kind: type[RecordT], given: Any, name: str, where: str, problems: list[Problem]) -> list[RecordT]:
    """Check the records of a list one by one, so that a broken one is named."""
    found: list[RecordT] = []
    for index, record in enumerate(given if isinstance(given, list) else []):
        try:
            found.append(kind.model_validate(record))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"][:2])
            number = record.get("id", f"at place {index}") if isinstance(record, dict) else f"at place {index}"
            what = f"has a wrong {key} ({first['msg']})" if key else f"is no object ({first['msg']})"
            problems.append(Problem(f"{where}: {name} {number}", what, "export the annotations again"))
    return found


ANNOTATIONS = "annotations/instances_default.json"
"""Where the data set COCO has it; some tools look nowhere else."""

HOW_TO = f"""\
Images lie in images/, their masks in {ANNOTATIONS} (COCO: polygons, and run lengths where an object has holes).
Import both into your tool, correct the masks, and export COCO with segmentations.
"""


def write(sheets: Iterable[LabelSheet], folder: Path, scheme: Scheme) -> None:
    """Write one file for all images; the unsure pixels are the last category."""
    names = [*(each.name for each in scheme.foreground), UNSURE]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, sheet in enumerate(sheets, start=1):
        height, width = sheet.size
        images.append({"id": image_id, "file_name": sheet.file, "height": height, "width": width})
        for category_id, layer in enumerate(sheet.layers(scheme), start=1):
            for each in objects_of(layer.mask):
                about = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category_id}
                annotations.append(about | _segmentation(each, sheet.size))
    content = {
        "info": {"description": "pseudo-labels of incmask", "version": "1.0"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": index, "name": name, "supercategory": ""} for index, name in enumerate(names, start=1)],
    }
    write_text(folder / ANNOTATIONS, json.dumps(content, ensure_ascii=False))


def read(files: Files, known: Known) -> Corrected:
    """Read COCO files; an image that they list without annotations shows background only."""
    found = annotations_of_coco(files, known)
    if not found.images:
        raise fail("--from coco", "found no COCO file that lists images", "give the JSON file, or the archive with it")
    return Corrected(labels_of(found.images, known))


def _segmentation(each: Object, size: tuple[int, int]) -> dict[str, Any]:
    box = each.pixels.box
    height, width = box.size
    if each.outline is not None:
        segmentation: Any = [each.outline.ravel().tolist()]
    else:
        # COCO's runs go down the columns of the whole image.
        whole = each.pixels.draw(Box(0, 0, *size))
        segmentation = {"size": list(size), "counts": run_lengths(whole.T)}
    return {
        "segmentation": segmentation,
        "area": int(each.pixels.mask.sum()),
        "bbox": [box.left, box.top, width, height],
        "iscrowd": 0,
    }
