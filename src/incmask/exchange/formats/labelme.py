"""labelme: a JSON file beside each image, of polygons, rectangles, circles and masks, filled as its converter does."""

import base64
import binascii
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Annotated as Typed
from typing import Any

import cv2
import numpy as np
from pydantic import Field, FiniteFloat

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, Problem, collected, fail, raise_problems
from incmask.base.files import write_text
from incmask.data.dataset import Scheme
from incmask.data.images.masks import decode_mask, grey_values
from incmask.data.images.writers import path_inside
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder, Sheet, corrected, joined
from incmask.exchange.formats.common import Files, Record, as_record, files_ending, look_at, read_json
from incmask.exchange.formats.objects import Object, objects_of
from incmask.exchange.formats.pillow_shapes import circle, outline_of, pixels_at, polygon, rectangle
from incmask.exchange.formats.shapes import Area, NamedArea, Pixels
from incmask.exchange.formats.sheets import IMAGES, Corrected, Known, LabelSheet
from incmask.exchange.names import UNSURE
from incmask.exchange.sources.archives import SourceFile

_IGNORED = "__ignore__"
_NO_AREA = ("point", "points", "line", "linestrip")
_NUM_POINTS = {"rectangle": (2, 4), "circle": (2,)}

Point = tuple[FiniteFloat, FiniteFloat]


class _Shape(Record):
    label: Typed[str, Field(min_length=1)]
    points: list[Point]
    shape_type: str = "polygon"
    mask: str | None = None


class _File(Record):
    imagePath: str | None = None
    imageHeight: int | None = None
    imageWidth: int | None = None
    shapes: list[_Shape]


def is_labelme(content: Any) -> bool:
    """Tell whether a JSON file's content is that of labelme."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def parse(files: Files, images: Finder) -> Annotations:
    """Read what labelme's files tell; one without shapes says that its image shows background only.

    The label ``__ignore__`` marks what is not to be learnt from. Points and lines have no area and are left out.

    Raises:
        IncmaskError: a file breaks the format, or its image is not there; all problems are told.
    """
    sheets = look_at([*files_ending(files, ".json").items()], lambda file: _read(*file, images))
    return joined([sheet for sheet in sheets if sheet is not None])


def _read(path: str, entry: SourceFile, images: Finder) -> Sheet | None:
    where = str(entry.where)
    content = read_json(entry)
    if not is_labelme(content):
        return None
    file = as_record(_File, content, where=where, mend="save it with labelme again")
    problems: list[Problem] = []
    areas: list[NamedArea] = []
    drawn = [(index, shape) for index, shape in enumerate(file.shapes) if shape.shape_type not in _NO_AREA]
    for index, shape in drawn:
        with collected(problems):
            area = _area(shape, f"{where}: shape {index} ({shape.label})")
            areas.append(NamedArea(None if shape.label == _IGNORED else shape.label, area))
    raise_problems(problems)
    size = None
    if file.imageHeight is not None and file.imageWidth is not None:
        size = file.imageHeight, file.imageWidth
    try:
        image = _image(file, path, images, where)
    except IncmaskError as error:
        if not content.get("imageData"):
            raise
        mend = "put it into the folder, or write out the copy that the file holds, with labelme_export_json"
        raise fail(where, error.problems[0].what, mend) from error
    return Sheet(image, Annotated(where, tuple(areas), size), len(file.shapes) - len(drawn))


def _image(file: _File, path: str, images: Finder, where: str) -> str:
    if file.imagePath:
        # Files are often renamed or moved after they were annotated, so the JSON's own name serves, too.
        with suppress(IncmaskError):
            return images.find(file.imagePath, beside=path, where=where)
    return images.find(PurePosixPath(path).stem, beside=path, where=where)


def _area(shape: _Shape, where: str) -> Area:
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    kind = shape.shape_type
    if kind == "mask":
        return _mask(shape, points, where)
    if kind not in ("polygon", "rectangle", "oriented_rectangle", "circle"):
        what = f"is a {kind}; polygons, rectangles, circles and masks are read"
        raise fail(where, what, "convert it to a polygon in labelme")
    expected = _NUM_POINTS.get(kind)
    if len(points) not in expected if expected else len(points) < 3:
        wanted = " or ".join(map(str, expected)) if expected else "3 or more"
        raise fail(where, f"is a {kind} of {len(points)} points; {wanted} are expected", "draw it again")
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        if radius == 0:
            raise fail(where, "is a circle of no size", "draw it again, or remove it")
        return circle(points[0], radius)
    return rectangle(points) if len(points) == 2 else polygon(points)


def _mask(shape: _Shape, points: np.ndarray, where: str) -> Pixels:
    """Give a mask, whose pixels are a PNG, and whose points are its first and its last pixel."""
    if shape.mask is None or len(points) != 2:
        raise fail(where, "is a mask without pixels, or without the two corners of its box", "draw it again")
    try:
        values = grey_values(decode_mask(Path(where), base64.b64decode(shape.mask, validate=True)))
    except binascii.Error as error:
        raise fail(where, f"is a mask whose pixels cannot be read ({error})", "draw it again") from error
    left, top = pixels_at(points.min(axis=0)).tolist()
    return Pixels(values != 0, top, left)


VERSION = "5.10.1"
"""Of the format; labelme reads files of any."""

HOW_TO = f"""\
Open the folder {IMAGES}/ with labelme (labelme {IMAGES} --labels labels.txt); each image has a JSON file beside it.
Correct the shapes and save. An image whose JSON file is missing is not taken back.
"""


def write(sheets: Iterable[LabelSheet], folder: Path, scheme: Scheme) -> None:
    """Write a file beside each image."""
    names = [*(each.name for each in scheme.foreground), UNSURE]
    write_text(folder / "labels.txt", "".join(f"{name}\n" for name in names))
    for sheet in sheets:
        height, width = sheet.size
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": [
                _shape(layer.name, each) for layer in sheet.layers(scheme) for each in objects_of(layer.mask, layer.ids)
            ],
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
    found = parse(files, known)
    if not found.images:
        raise fail(
            option("from", "labelme"), "found no labelme file", "give the folder with the JSON files, or its archive"
        )
    return corrected(found, known)


def _shape(name: str, each: Object) -> dict[str, Any]:
    about: dict[str, Any] = {"label": name, "group_id": None, "description": "", "flags": {}}
    outline = outline_of(each.pixels)
    if outline is not None:
        return about | {"points": outline.tolist(), "shape_type": "polygon", "mask": None}
    box = each.pixels.box
    _, png = cv2.imencode(".png", each.pixels.mask.astype(np.uint8))
    return about | {
        "points": [[box.left, box.top], [box.right - 1, box.bottom - 1]],
        "shape_type": "mask",
        "mask": base64.b64encode(png.tobytes()).decode(),
    }
