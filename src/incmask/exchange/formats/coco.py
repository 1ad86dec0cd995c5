"""COCO JSON: polygons and run-length codes of categories, in one file or one for each folder."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from incmask.base.caller import option
from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.base.files import write_text
from incmask.base.words import counted
from incmask.data.dataset import Scheme
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder, corrected
from incmask.exchange.formats.coco_records import (
    AGAIN,
    CocoAnnotation,
    CocoCategory,
    CocoImage,
    CocoRuns,
    areas_of,
    is_coco,
    is_flat,
    kind_of,
    records_in,
)
from incmask.exchange.formats.common import Files, files_ending, read_json
from incmask.exchange.formats.objects import Object, objects_of, run_lengths
from incmask.exchange.formats.shapes import Box, NamedArea
from incmask.exchange.formats.sheets import Corrected, Known, LabelSheet
from incmask.exchange.names import UNSURE

_UNNAMED = "object"
"""The class of areas that have none, as of programs that cut out whatever there is."""


def parse(files: Files, images: Finder) -> Annotations:
    """Read what COCO files tell of all images that they list; categories with the same name are one class.

    A crowd is an area of its category like others. Files of captions are passed over, and those of keypoints and of
    panoptic pictures where others tell of areas.

    Raises:
        IncmaskError: a file breaks the format, or names images that are not there; all problems are told.
    """
    found = {path: (entry, read_json(entry)) for path, entry in files_ending(files, ".json").items()}
    kinds = {path: kind_of(content) for path, (_, content) in found.items() if is_coco(content)}
    has_areas = "areas" in kinds.values()
    passed = [path for path, kind in kinds.items() if kind == "captions" or (has_areas and kind != "areas")]
    reading = _Reading(images)
    for path in (path for path in kinds if path not in passed):
        entry, content = found[path]
        reading.add(path, content, str(entry.where))
    return reading.result(passed)


class _Reading:
    """What is gathered of several files."""

    def __init__(self, images: Finder):
        self.images = images
        self.names: dict[str, None] = {}
        self.annotated: dict[str, Annotated] = {}
        self.problems: list[Problem] = []
        self.num_crowds = self.num_flat = self.num_lines = 0

    def add(self, path: str, content: dict[str, Any], where: str) -> None:
        """Read a file."""
        if kind_of(content) == "panoptic":
            what = "is of COCO panoptic, whose masks are pictures with a number for each segment"
            self.problems.append(Problem(where, what, "choose the layout panoptic"))
            return
        records = records_in(CocoAnnotation, content, "annotations", where, self.problems)
        categories = self._categories(content, records, where)
        listed, found = self._images(path, content, where)
        for record in records:
            at = f"{where}: annotation {record.id}"
            with collected(self.problems):
                _check_ids(record, {*listed}, {*categories}, at)
                if record.image_id in found:
                    self._annotate(found[record.image_id], categories[record.category_id], record, at)

    def result(self, passed: Sequence[str]) -> Annotations:
        """Give all that was told; raises where anything is wrong."""
        raise_problems(self.problems)
        notes = [
            f"{self.num_crowds} crowds are areas of their category like others" if self.num_crowds else "",
            f"{self.num_flat} annotations of keypoints alone are left out, as they have no area" * bool(self.num_flat),
            f"left out, as it takes three corners to have an area: {counted(self.num_lines, 'polygon')}"
            * bool(self.num_lines),
            f"left alone, as they tell of no areas, or other files do: {', '.join(passed)}" if passed else "",
        ]
        return Annotations(self.annotated, tuple(self.names), notes=tuple(filter(None, notes)))

    def _categories(
        self, content: dict[str, Any], records: Sequence[CocoAnnotation], where: str
    ) -> dict[str | None, str]:
        """Give the names of categories; None stands for the only one where annotations have none."""
        found: dict[str | None, str] = {
            each.id: each.name for each in records_in(CocoCategory, content, "categories", where, self.problems)
        }
        if len(found) < 2 and records and all(each.category_id is None for each in records):
            found[None] = next(iter(found.values()), _UNNAMED)
        self.names |= dict.fromkeys(found.values())
        return found

    def _images(self, path: str, content: dict[str, Any], where: str) -> tuple[dict[str, CocoImage], dict[str, str]]:
        """Give the images that a file lists, and what the finder calls those that are there, by their ids."""
        listed: dict[str, CocoImage] = {}
        found: dict[str, str] = {}
        for image in records_in(CocoImage, content, "images", where, self.problems):
            at = f"{where}: image {image.id}"
            if image.id in listed:
                self.problems.append(Problem(at, "is there twice", AGAIN))
            listed[image.id] = image
            with collected(self.problems):
                name = found[image.id] = self.images.find(image.file_name, beside=path, where=at)
                if name in self.annotated:
                    self.problems.append(Problem(at, f"stands for {name} a second time", "keep one of the two"))
                self.annotated[name] = Annotated(at, (), image.size)
        return listed, found

    def _annotate(self, name: str, category: str, record: CocoAnnotation, where: str) -> None:
        if not record.segmentation and record.keypoints:
            self.num_flat += 1
            return
        image = self.annotated[name]
        size = image.size or (record.segmentation.size if isinstance(record.segmentation, CocoRuns) else None)
        areas = (NamedArea(category, area) for area in areas_of(record, size, where))
        self.annotated[name] = replace(image, areas=(*image.areas, *areas), size=size)
        self.num_crowds += bool(record.iscrowd)
        if isinstance(record.segmentation, list):
            self.num_lines += sum(map(is_flat, record.segmentation))


def _check_ids(record: CocoAnnotation, images: set[str], categories: set[str | None], where: str) -> None:
    problems = []
    if record.image_id not in images:
        problems.append(Problem(where, f"has the image_id {record.image_id}, which the file does not list", AGAIN))
    if record.category_id is None and None not in categories:
        problems.append(Problem(where, "has no category, while others have", "give it one, or remove it"))
    elif record.category_id not in categories:
        what = f"has the category_id {record.category_id}, which the file does not list"
        problems.append(Problem(where, what, AGAIN))
    raise_problems(problems)


def parse_shown(files: Files, images: Finder) -> Annotations:
    """Read as ``parse`` does, but for images without an annotation: whether somebody looked at them is not told."""
    read = parse(files, images)
    return replace(read, images={name: each for name, each in read.images.items() if each.areas})


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
            for each in objects_of(layer.mask, layer.ids):
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
