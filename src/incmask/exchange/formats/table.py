"""The formats: which labelling tools are written for and read from, and which layouts make a data folder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Protocol

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, Problem, collected, fail, raise_problems
from incmask.data.dataset import DataOptions
from incmask.data.folder.hints import are_objects
from incmask.data.folder.told import with_told_classes
from incmask.exchange.formats import coco, cvat, geojson, label_studio, labelme, napari, png, via, yolo
from incmask.exchange.formats.annotations import read_annotated
from incmask.exchange.formats.coco_records import is_coco, is_panoptic
from incmask.exchange.formats.common import Files, FoundImages, files_ending, images_of, look_at, read_json, top_file
from incmask.exchange.formats.masks.class_folders import read_class_folders
from incmask.exchange.formats.masks.instances import instances_of, read_instances
from incmask.exchange.formats.masks.object_files import read_objects
from incmask.exchange.formats.masks.pairs import look_at_mask, pairs_of, read_pairs
from incmask.exchange.formats.naming import sort_files
from incmask.exchange.formats.panoptic import read_panoptic
from incmask.exchange.formats.sheets import Read, Write


@dataclass(frozen=True)
class LabelFormat:
    """What pseudo-labels are corrected in.

    Attributes:
        write: puts sheets into a folder.
        read: reads what came back.
        how_to: tells a person what to do with the folder.
        of_shapes: a person corrects shape by shape; else pixels are painted.
    """

    write: Write
    read: Read
    how_to: str
    of_shapes: bool = True


LABEL_FORMATS = {
    "coco": LabelFormat(coco.write, coco.read, coco.HOW_TO),
    "cvat": LabelFormat(cvat.write, cvat.read, cvat.HOW_TO),
    "label-studio": LabelFormat(label_studio.write, label_studio.read, label_studio.HOW_TO),
    "labelme": LabelFormat(labelme.write, labelme.read, labelme.HOW_TO),
    "napari": LabelFormat(napari.write, napari.read, napari.HOW_TO, of_shapes=False),
    "png": LabelFormat(png.write, png.read, png.HOW_TO, of_shapes=False),
}
"""By the names of ``TARGETS``."""


class ReadFolder(Protocol):
    """Reads a person's own images with their labels."""

    def __call__(self, files: Files, data: DataOptions, *, where: object) -> FoundImages:
        """Read the files of the source ``where``; ``data`` tells what they do not.

        Raises:
            IncmaskError: the files do not fit together.
        """


LAYOUTS: dict[str, ReadFolder] = {
    "pairs": read_pairs,
    "class-folders": read_class_folders,
    "coco": partial(read_annotated, coco.parse_shown),
    "panoptic": read_panoptic,
    "labelme": partial(read_annotated, labelme.parse),
    "cvat": partial(read_annotated, cvat.parse),
    "label-studio": partial(read_annotated, label_studio.parse),
    "via": partial(read_annotated, via.parse),
    "yolo": partial(read_annotated, yolo.parse),
    "geojson": partial(read_annotated, geojson.parse),
    "instances": partial(read_instances, is_multilabel=True),
    "instances-binary": partial(read_instances, is_multilabel=False),
    "objects": partial(read_objects, is_multilabel=True),
    "objects-binary": partial(read_objects, is_multilabel=False),
}
"""What ``PrepareOptions.layout`` may be; None: find out."""

_FEW = 20
"""Text files that are looked at to find out what they are."""

_JSON: dict[str, Callable[[Any], object]] = {
    "panoptic": is_panoptic,
    "coco": is_coco,
    "via": via.entries_of,
    "label-studio": label_studio.is_label_studio,
    "labelme": labelme.is_labelme,
    "geojson": geojson.features_of,
}
"""By the layout, what tells whether a JSON file's content is of it."""


def read_layout(files: Files, layout: str | None, data: DataOptions, *, where: object) -> FoundImages:
    """Read a person's own images with their labels.

    Raises:
        IncmaskError: the layout is unknown or not recognised, or the files do not fit together.
    """
    unreadable: list[Problem] = []
    layout = layout or _annotation_layout(files, unreadable)
    told: tuple[str, ...] = ()
    if layout in (None, "pairs"):
        data, told = with_told_classes(data, lambda name: _content(files, name))
    if layout is None:
        with explained_by(unreadable):
            found = _read_masks(files, data, where)
            return replace(found, notes=(*told, *found.notes))
    if layout not in LAYOUTS:
        raise fail(option("layout"), f"{layout!r} is not known", f"use one of {', '.join(LAYOUTS)}")
    return LAYOUTS[layout](files, data, where=where)


def _content(files: Files, name: str) -> bytes | None:
    entry = top_file(files, name)
    return None if entry is None else entry.read()


@contextmanager
def explained_by(causes: Sequence[Problem]) -> Iterator[None]:
    """Let errors be about what could not be read before, where there is any."""
    try:
        yield
    except IncmaskError:
        raise_problems(causes)
        raise


def _annotation_layout(files: Files, unreadable: list[Problem]) -> str | None:
    """Give the layout of the first annotation file, and note what cannot be read; None where there is none."""
    if files_ending(files, ".geojson"):
        return "geojson"
    for entry in files_ending(files, ".json").values():
        content = None
        with collected(unreadable):  # not every JSON file that lies around is an annotation
            content = read_json(entry)
        if isinstance(content, dict) and {"objects", "size"} <= content.keys():
            what, remedy = "is of Supervisely, which is not read", "export COCO or masks from Supervisely"
            unreadable.append(Problem(str(entry.where), what, remedy))
        if found := next((layout for layout, is_of_it in _JSON.items() if is_of_it(content)), None):
            return found
    for entry in files_ending(files, ".xml").values():
        if cvat.is_cvat(content := entry.read()):
            return "cvat"
        if b"<bndbox>" in content:
            what, remedy = (
                "is of Pascal VOC, which tells of boxes alone",
                "export masks, COCO or polygons from the tool",
            )
            unreadable.append(Problem(str(entry.where), what, remedy))
    texts = (entry.read().decode("utf-8", "replace") for entry in yolo.label_files(files).values() if entry.num_bytes)
    return "yolo" if any(map(yolo.is_yolo, islice(texts, _FEW))) else None


def _read_masks(files: Files, data: DataOptions, where: object) -> FoundImages:
    """Read images with masks in files, and tell by them whether they hold classes or numbers of objects."""
    if are_objects(tuple(path.split("/")) for path in images_of(files)):
        note = "masks are a file for each object, so each becomes body, border and centre; choose the layout "
        objects = read_objects(files, data, where=where, is_multilabel=True)
        return replace(objects, notes=(f"{note}objects-binary for the foreground alone",))
    found = sort_files(files, mask_suffix=data.mask_suffix, where=where)
    if found.class_folders:
        return read_class_folders(files, data, where=where)
    looks = look_at([item.masks[""] for item in found.items if item.masks], look_at_mask)
    if any(look.numbers_objects for look in looks) and not data.classes and data.task != "multiclass":
        note = "the masks hold a number for each object, so each becomes body, border and centre; choose the layout "
        objects = instances_of(found, is_multilabel=True)
        return replace(objects, notes=(f"{note}instances-binary for the foreground alone, pairs for classes",))
    return pairs_of(found, looks, data, where)
