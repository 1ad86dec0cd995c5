"""labelme: a JSON file beside each image, with polygons, rectangles, circles and masks."""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated as Typed
from typing import Any

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from incmask.base.errors import IncmaskError, Problem, fail, raise_problems
from incmask.base.files import write_text
from incmask.data.dataset import DataOptions, Scheme
from incmask.data.images.decode import decode
from incmask.data.images.masks import grey_values
from incmask.data.images.writers import path_inside
from incmask.exchange.formats.annotations import Annotated, Finder, Images, NamedArea, found_of, labels_of
from incmask.exchange.formats.common import Files, FoundImages, files_ending, look_at, read_json
from incmask.exchange.formats.shapes import Area, Object, Pixels, Polygon, disc, objects_of
from incmask.exchange.formats.sheets import IMAGES, Corrected, Known, LabelSheet
from incmask.exchange.names import UNSURE
from incmask.exchange.sources.entry import SourceFile, entry_path

_IGNORED = "__ignore__"
_NO_AREA = ("point", "points", "line", "linestrip")
_NUM_POINTS = {"rectangle": (2, 4), "circle": (2,)}

Point = tuple[FiniteFloat, FiniteFloat]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    label: Typed[str, Field(min_length=1)]
    points: list[Point]
    shape_type: str = "polygon"
    mask: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    imagePath: str | None = None
    imageHeight: int | None = None
    imageWidth: int | None = None
    shapes: list[_Shape]


@dataclass(frozen=True)
class _Sheet:
    """A file of annotations."""

    path: str
    entry: SourceFile


@dataclass(frozen=True)
class _Read:
    image: str
    annotated: Annotated
    num_flat: int


def is_labelme(content: Any) -> bool:
    """Tell whether a JSON file's content is that of labelme."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def read_labelme(files: Files, data: DataOptions, *, where: object) -> FoundImages:
    """Read images that labelme annotated; a file without shapes says that its image shows background only.

    The label ``__ignore__`` marks what is not to be learnt from. Points and lines have no area and are left out.

    Raises:
        IncmaskError: a file breaks the format, or its image is not there; all problems are told.
    """
    images = Images(files)
    read = annotations_of_labelme(files, images)
    notes = [f"{read.num_flat} points and lines are left out, as they have no area"] if read.num_flat else []
    counts = Counter(area.name for item in read.images.values() for area in item.areas if area.name is not None)
    return found_of(read.images, images, names=sorted(counts), data=data, where=where, notes=notes)


@dataclass(frozen=True)
class LabelmeAnnotations:
    """What labelme's files tell.

    Attributes:
        images: that have a file, by the path under which they were found.
        num_flat: points and lines, which have no area.
    """

    images: dict[str, Annotated]
    num_flat: int


def annotations_of_labelme(files: Files, images: Finder) -> LabelmeAnnotations:
    """Read what labelme's files tell of images.

    Raises:
        IncmaskError: a file breaks the format, or its image is not there; all problems are told.
    """
    sheets = [_Sheet(path, entry) for path, entry in files_ending(files, ".json").items()]
    reads = [read for read in look_at(sheets, lambda sheet: _read(sheet, images)) if read is not None]
    annotated: dict[str, Annotated] = {}
    problems: list[Problem] = []
    for read in reads:
        if read.image in annotated:
            what = f"annotates {read.image}, as {annotated[read.image].where} does"
            problems.append(Problem(read.annotated.where, what, "keep one of the two"))
        annotated[read.image] = read.annotated
    raise_problems(problems)
    return LabelmeAnnotations(annotated, sum(read.num_flat for read in reads))


def _read(sheet: _Sheet, images: Finder) -> _Read | None:
    where = str(entry_path(sheet.entry))
    content = read_json(sheet.entry)
    if not is_labelme(content):
        return None
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise fail(where, f"has a wrong {key} ({first['msg']})", "save it with labelme again") from error
    problems: list[Problem] = []
    areas: list[NamedArea] = []
    num_flat = 0
    for index, shape in enumerate(file.shapes):
        if shape.shape_type in _NO_AREA:
            num_flat += 1
            continue
        name = f"{where}: shape {index} ({shape.label})"
        try:
            areas.append(NamedArea(None if shape.label == _IGNORED else shape.label, _area(shape, name)))
        except IncmaskError as error:
            problems += error.problems
    raise_problems(problems)
    size = None
    if file.imageHeight is not None and file.imageWidth is not None:
        size = file.imageHeight, file.imageWidth
    return _Read(_image(file, sheet, images, where), Annotated(where, tuple(areas), size), num_flat)


def _image(file: _File, sheet: _Sheet, images: Finder, where: str) -> str:
    stem = PurePosixPath(sheet.path).stem
    if file.imagePath:
        # Files are often renamed or moved after they were annotated, so the JSON's own name serves, too.
        try:
            return images.find(file.imagePath, beside=sheet.path, where=where)
        except IncmaskError:
            pass
    return images.find(stem, beside=sheet.path, where=where)


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
        return disc(points[0, 0], points[0, 1], radius)
    if len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return Polygon((points,))


def _mask(shape: _Shape, points: np.ndarray, where: str) -> Pixels:
    """Give a mask, whose pixels are a PNG, and whose points are its first and its last pixel."""
    if shape.mask is None or len(points) != 2:
        raise fail(where, "is a mask without pixels, or without the two corners of its box", "draw it again")
    try:
        values = grey_values(decode(Path(where), base64.b64decode(shape.mask, validate=True)))
    except binascii.Error as error:
        raise fail(where, f"is a mask whose pixels cannot be read ({error})", "draw it again") from error
    left, top = np.rint(points.min(axis=0)).astype(np.int64).tolist()
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
