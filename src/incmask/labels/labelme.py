"""labelme: a JSON file beside each image, with a polygon for each object and a mask for those with holes."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from incmask.data.writers import path_inside
from incmask.errors import fail
from incmask.files import write_text
from incmask.labels.annotated import labels_of
from incmask.labels.formats import UNSURE
from incmask.labels.objects import Object, objects_of
from incmask.labels.sheets import IMAGES, Corrected, Known, Scheme, Sheet
from incmask.prepare.formats import Files
from incmask.prepare.formats.labelme import annotations_of_labelme

VERSION = "5.10.1"
"""Of the format; labelme reads files of any."""

HOW_TO = f"""\
Open the folder {IMAGES}/ with labelme (labelme {IMAGES} --labels labels.txt); each image has a JSON file beside it.
Correct the shapes and save. An image whose JSON file is missing is not taken back.
"""


def write(sheets: Iterable[Sheet], folder: Path, scheme: Scheme) -> None:
    """Write a file beside each image."""
    names = [*(each.name for each in scheme.foreground), UNSURE]
    write_text(folder / "labels.txt", "".join(f"{name}\n" for name in names))
    for sheet in sheets:
        height, width = sheet.size
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": [_shape(layer.name, each) for layer in sheet.layers(scheme) for each in objects_of(layer.mask)],
            "imagePath": Path(sheet.file).name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        below = folder / IMAGES / Path(sheet.file).parent
        path = path_inside(below, Path(sheet.file).stem, ".json")
        write_text(path, json.dumps(content, ensure_ascii=False, indent=1))


def read(files: Files, known: Known) -> Corrected:
    """Read labelme's files."""
    # labelme names images relative to its files, whose own place tells the rest.
    found = annotations_of_labelme(files, known)
    if not found.images:
        raise fail("--from labelme", "found no labelme file", "give the folder with the JSON files, or its archive")
    notes = [f"{found.num_flat} points and lines are left out, as they have no area"] if found.num_flat else []
    return Corrected(labels_of(found.images, known), tuple(notes))


def _shape(name: str, each: Object) -> dict[str, Any]:
    about: dict[str, Any] = {"label": name, "group_id": None, "description": "", "flags": {}}
    if each.outline is not None:
        return about | {"points": each.outline.tolist(), "shape_type": "polygon", "mask": None}
    box = each.pixels.box
    _, png = cv2.imencode(".png", each.pixels.mask.astype(np.uint8))
    return about | {
        "points": [[box.left, box.top], [box.right - 1, box.bottom - 1]],
        "shape_type": "mask",
        "mask": base64.b64encode(png.tobytes()).decode(),
    }
