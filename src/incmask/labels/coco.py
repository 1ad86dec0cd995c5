"""COCO JSON, which most tools read: a polygon for each object, run lengths for those with holes."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from incmask.errors import fail
from incmask.files import write_text
from incmask.labels.annotated import labels_of
from incmask.labels.formats import UNSURE
from incmask.labels.objects import Object, objects_of, run_lengths
from incmask.labels.sheets import Corrected, Known, Scheme, Sheet
from incmask.prepare.formats import Files
from incmask.prepare.formats.coco import annotations_of_coco
from incmask.prepare.formats.polygons import Box

ANNOTATIONS = "annotations/instances_default.json"
"""Where the data set COCO has it; some tools look nowhere else."""

HOW_TO = f"""\
Images lie in images/, their masks in {ANNOTATIONS} (COCO: polygons, and run lengths where an object has holes).
Import both into your tool, correct the masks, and export COCO with segmentations.
"""


def write(sheets: Iterable[Sheet], folder: Path, scheme: Scheme) -> None:
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
