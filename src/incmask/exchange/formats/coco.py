"""COCO JSON: polygons and run-length codes of categories, in one file or one for each folder."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated as Typed
from typing import Any, Literal

import numpy as np
from pydantic import Field, FiniteFloat, ValidationError

from incmask.base.caller import option
from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.base.files import write_text
from incmask.data.dataset import Scheme
from incmask.data.images.decode import MAX_PIXELS
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder, corrected
from incmask.exchange.formats.common import Files, Record, RecordT, files_ending, read_json
from incmask.exchange.formats.objects import Object, objects_of, run_lengths
from incmask.exchange.formats.shapes import Area, Box, NamedArea, Polygon, Runs
from incmask.exchange.formats.sheets import Corrected, Known, LabelSheet
from incmask.exchange.names import UNSURE

Count = Typed[int, Field(ge=0, le=MAX_PIXELS)]
Side = Typed[int, Field(ge=1, le=MAX_PIXELS)]
_LARGEST_RUN = 1 << 40
AGAIN = "export the annotations again"


class _Image(Record):
    id: int | str
    file_name: str
    height: Side
    width: Side


class _Category(Record):
    id: int | str
    name: Typed[str, Field(min_length=1)]


class _Rle(Record):
    counts: list[Count] | str
    size: tuple[Side, Side]


class _Annotation(Record):
    id: int | str | None = None
    image_id: int | str
    category_id: int | str
    segmentation: list[list[FiniteFloat]] | _Rle | None = None
    iscrowd: Literal[0, 1] | bool = 0


def is_coco(content: Any) -> bool:
    """Tell whether a JSON file's content is that of COCO."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def _has(content: dict[str, Any], key: str) -> bool:
    """Tell whether the first annotation has a key that other kinds of COCO files do not have."""
    first = next(iter(content["annotations"]), None)
    return isinstance(first, dict) and key in first


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


def parse(files: Files, images: Finder) -> Annotations:
    """Read what COCO files tell of all images that they list; categories with the same name are one class.

    A crowd is an area of its category like others.

    Raises:
        IncmaskError: a file breaks the format, or names images that are not there; all problems are told.
    """
    names: dict[str, None] = {}
    annotated: dict[str, Annotated] = {}
    problems: list[Problem] = []
    num_crowds = 0
    for path, entry in files_ending(files, ".json").items():
        content, where = read_json(entry), str(entry.where)
        if not is_coco(content) or _has(content, "caption"):
            continue
        if _has(content, "segments_info"):
            what = "is of COCO panoptic, whose masks are pictures with a number for each segment"
            remedy = "turn it into polygons with panopticapi's panoptic2detection_coco_format.py"
            problems.append(Problem(where, what, remedy))
            continue
        categories = {each.id: each.name for each in _records(_Category, content, "categories", where, problems)}
        names |= dict.fromkeys(categories.values())
        listed: dict[int | str, _Image] = {}
        found: dict[int | str, str] = {}
        for image in _records(_Image, content, "images", where, problems):
            at = f"{where}: image {image.id}"
            if image.id in listed:
                problems.append(Problem(at, "is there twice", AGAIN))
            listed[image.id] = image
            with collected(problems):
                name = found[image.id] = images.find(image.file_name, beside=path, where=at)
                if name in annotated:
                    problems.append(Problem(at, f"stands for {name} a second time", "keep one of the two"))
                annotated[name] = Annotated(at, (), (image.height, image.width))
        for annotation in _records(_Annotation, content, "annotations", where, problems):
            at = f"{where}: annotation {annotation.id}"
            for key, known in (("image_id", listed), ("category_id", categories)):
                if getattr(annotation, key) not in known:
                    what = f"has the {key} {getattr(annotation, key)!r}, which the file does not list"
                    problems.append(Problem(at, what, AGAIN))
            if annotation.image_id not in found or annotation.category_id not in categories:
                continue
            with collected(problems):
                category, name = categories[annotation.category_id], found[annotation.image_id]
                areas = [NamedArea(category, area) for area in _areas(annotation, listed[annotation.image_id], at)]
                annotated[name] = replace(annotated[name], areas=(*annotated[name].areas, *areas))
                num_crowds += bool(annotation.iscrowd)
    raise_problems(problems)
    notes = (f"{num_crowds} crowds are areas of their category like others",) if num_crowds else ()
    return Annotations(annotated, tuple(names), notes=notes)


def parse_shown(files: Files, images: Finder) -> Annotations:
    """Read as ``parse`` does, but for images without an annotation: whether somebody looked at them is not told."""
    read = parse(files, images)
    return replace(read, images={name: each for name, each in read.images.items() if each.areas})


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
        if any(polygon.box.is_beyond(Box(0, 0, image.height, image.width)) for polygon in polygons):
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
        raise fail(where, f"has broken run lengths ({error})", AGAIN) from error
    if height * width > MAX_PIXELS or lengths.sum() != height * width:
        what = f"has run lengths for {lengths.sum()} pixels where its image has {height * width}"
        raise fail(where, what, AGAIN)
    return [Runs(lengths, height, width)]


def _records(
    kind: type[RecordT], content: dict[str, Any], key: str, where: str, problems: list[Problem]
) -> list[RecordT]:
    """Check the records of a list one by one, so that a broken one is named."""
    found: list[RecordT] = []
    given = content.get(key)
    for index, record in enumerate(given if isinstance(given, list) else []):
        try:
            found.append(kind.model_validate(record))
        except ValidationError as error:
            first = error.errors()[0]
            part = ".".join(map(str, first["loc"][:2]))
            number = record.get("id", f"at place {index}") if isinstance(record, dict) else f"at place {index}"
            at = f"{where}: {'category' if key == 'categories' else key[:-1]} {number}"
            what = f"has a wrong {part}" if part else "is no object"
            problems.append(Problem(at, f"{what} ({first['msg']})", AGAIN))
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
    found = parse(files, known)
    if not found.images:
        raise fail(
            option("from", "coco"), "found no COCO file that lists images", "give the JSON file, or the archive with it"
        )
    return corrected(replace(found, notes=()), known)


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
