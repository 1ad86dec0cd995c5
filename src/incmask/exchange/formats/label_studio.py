"""Label Studio: tasks with predictions, a polygon for each object and several for one with holes.

Brush masks are read, but not written: newer versions check predictions as they come in, and their check takes the
packed bytes for pairs of value and count, so that it refuses nearly every brush mask.
"""

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated as Typed
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlparse
from xml.sax.saxutils import quoteattr

import numpy as np
from pydantic import Field, FiniteFloat

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, Problem, collected, fail, raise_problems
from incmask.base.files import write_text
from incmask.base.words import are, counted
from incmask.data.dataset import Scheme
from incmask.data.images.decode import MAX_PIXELS
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder, corrected
from incmask.exchange.formats.common import Files, Record, as_record, files_ending, read_json
from incmask.exchange.formats.objects import outlines_of
from incmask.exchange.formats.shapes import Area, NamedArea, Pixels, Polygon
from incmask.exchange.formats.sheets import IMAGES, Corrected, Known, LabelSheet, hex_colours

TASKS, CONFIG = "tasks.json", "config.xml"
AGAIN = "export the project again as JSON"
_CHANNELS, _HALF = 4, 128
"""Of a brush mask's pixels."""

EMBEDDED_BYTES = 32 << 20
"""Images that are together no larger lie in the tasks themselves, so that no storage needs to be set up."""

_UPLOADED = re.compile(r"(?:^|(?<=/))[0-9a-f]{8}-(?=[^/]+$)")
"""What Label Studio puts before the name of a file that is uploaded."""

_TYPES = {".jpg": "jpeg", ".jpeg": "jpeg", ".bmp": "bmp"}

HOW_TO = f"""\
Create a project, paste {CONFIG} under Labeling Setup > Code, and import {TASKS}.
Where the tasks name /data/local-files/ (many images), start Label Studio with
LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=<this folder>, and add
{IMAGES}/ as a local storage of the project. Correct the predictions, submit, and export as JSON. An object with holes
comes as several polygons that touch; polygons and brush masks are both taken back.
Tasks that were not submitted are not taken back.
"""


class _Value(Record):
    points: list[tuple[FiniteFloat, FiniteFloat]] = Field(default_factory=list)
    rle: list[Typed[int, Field(ge=0, le=255)]] = Field(default_factory=list)
    polygonlabels: list[str] = Field(default_factory=list)
    brushlabels: list[str] = Field(default_factory=list)


class _Result(Record):
    type: str
    original_width: Typed[int, Field(ge=1, le=MAX_PIXELS)]
    original_height: Typed[int, Field(ge=1, le=MAX_PIXELS)]
    image_rotation: float = 0
    value: _Value


class _Annotation(Record):
    result: list[dict[str, Any]]
    was_cancelled: bool = False
    updated_at: str = ""


class _Data(Record):
    image: str = ""
    name: str | None = None


class _Task(Record):
    data: _Data
    annotations: list[_Annotation] = Field(default_factory=list)


def write(sheets: Iterable[LabelSheet], folder: Path, scheme: Scheme) -> None:
    """Write the tasks and the configuration of a project."""
    write_text(folder / CONFIG, _config(scheme))
    tasks = [_task(sheet, scheme) for sheet in sheets]
    paths = [folder / IMAGES / task["data"]["name"] for task in tasks]
    embedded = sum(path.stat().st_size for path in paths) <= EMBEDDED_BYTES
    for task, path in zip(tasks, paths, strict=True):
        file = quote(f"{IMAGES}/{task['data']['name']}")
        task["data"]["image"] = _embedded(path) if embedded else f"/data/local-files/?d={file}"
    write_text(folder / TASKS, json.dumps(tasks, ensure_ascii=False))


def is_label_studio(content: Any) -> bool:
    """Tell whether a JSON file's content is a list of Label Studio's tasks."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {"data", "annotations"} <= first.keys()


def read(files: Files, known: Known) -> Corrected:
    """Read the tasks that were annotated, of several annotations the one that was updated last."""
    return corrected(parse(files, known), known)


def parse(files: Files, finder: Finder) -> Annotations:
    """Read what Label Studio's files tell of the images whose tasks were submitted.

    Raises:
        IncmaskError: a file breaks the format, names images that are not there, or no task was submitted.
    """
    problems: list[Problem] = []
    images: dict[str, Annotated] = {}
    num_open = 0
    for path, entry in files_ending(files, ".json").items():
        where = str(entry.where)
        content = read_json(entry)
        if not isinstance(content, list):
            continue
        for index, task in enumerate(content, start=1):
            at = f"{where}: task {task.get('id', index) if isinstance(task, dict) else index}"
            with collected(problems):
                read_task = as_record(_Task, task, where=at, mend=AGAIN)
                done = [each for each in read_task.annotations if not each.was_cancelled]
                if not done:
                    num_open += 1
                    continue
                name = _find(finder, _name(read_task.data), beside=path, where=at)
                if name in images:
                    raise fail(at, f"stands for {name} a second time", "keep one of the two")
                images[name] = _annotated(max(done, key=lambda each: each.updated_at), at)
    raise_problems(problems)
    if not images:
        what = f"holds {counted(num_open, 'task')}, none of them annotated" if num_open else "found no tasks"
        raise fail(option("from", "label-studio"), what, f"submit the corrections, and {AGAIN}")
    notes = (f"{are(num_open, 'task')} left out, for want of being submitted",) if num_open else ()
    return Annotations(images, notes=notes)


def _find(finder: Finder, name: str, *, beside: str, where: str) -> str:
    """Find an image by its name, or by that which it had before it was uploaded."""
    try:
        return finder.find(name, beside=beside, where=where)
    except IncmaskError:
        if (before := _UPLOADED.sub("", name)) == name:
            raise
        return finder.find(before, beside=beside, where=where)


def _config(scheme: Scheme) -> str:
    labels = "".join(
        f'    <Label value={quoteattr(name)} background="{colour}"/>\n' for name, colour in hex_colours(scheme).items()
    )
    tools = "".join(
        f'  <{kind}Labels name="{kind.lower()}" toName="image">\n{labels}  </{kind}Labels>\n'
        for kind in ("Polygon", "Brush")
    )
    return f'<View>\n  <Image name="image" value="$image" zoom="true"/>\n{tools}</View>\n'


def _task(sheet: LabelSheet, scheme: Scheme) -> dict[str, Any]:
    results = [
        _result(layer.name, outline, sheet.size)
        for layer in sheet.layers(scheme)
        for outline in outlines_of(layer.mask, layer.ids)
    ]
    for index, result in enumerate(results, start=1):
        result["id"] = f"{index:06d}"
    return {"data": {"name": sheet.file}, "predictions": [{"model_version": "incmask", "result": results}]}


def _result(name: str, outline: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
    height, width = size
    # Rounding may lead a hair beyond the image, which is refused.
    points = np.minimum(outline * (100 / width, 100 / height), 100).tolist()
    return {
        "type": "polygonlabels",
        "from_name": "polygon",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"points": points, "closed": True, "polygonlabels": [name]},
    }


def _embedded(path: Path) -> str:
    kind = _TYPES.get(path.suffix.casefold(), "png")
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _name(data: _Data) -> str:
    if data.name:
        return data.name
    address = urlparse(data.image[:2000])
    return parse_qs(address.query).get("d", [unquote(address.path)])[0]


def _annotated(annotation: _Annotation, where: str) -> Annotated:
    problems: list[Problem] = []
    areas: list[NamedArea] = []
    sizes: dict[tuple[int, int], None] = {}
    for index, given in enumerate(annotation.result):
        at = f"{where}: region {given.get('id', index)}"
        with collected(problems):
            result = as_record(_Result, given, where=at, mend=AGAIN)
            size = (result.original_height, result.original_width)
            sizes[size] = None
            area = _area(result, size, at)
            areas += [NamedArea(name, area) for name in (result.value.polygonlabels or result.value.brushlabels)]
    if len(sizes) > 1:
        problems.append(Problem(where, f"tells of several sizes of its image, {[*sizes]}", AGAIN))
    raise_problems(problems)
    return Annotated(where, tuple(areas), next(iter(sizes), None))


def _area(result: _Result, size: tuple[int, int], where: str) -> Area:
    if result.image_rotation % 360:
        raise fail(where, "is on an image that was turned", "turn it back in Label Studio")
    if result.type == "polygonlabels":
        if len(result.value.points) < 3:
            raise fail(where, "is a polygon of fewer than three corners", "draw it again")
        height, width = size
        return Polygon((np.array(result.value.points, np.float64) * (width / 100, height / 100),))
    if result.type == "brushlabels":
        if size[0] * size[1] > MAX_PIXELS:
            raise fail(where, "is of an image larger than any that is read", AGAIN)
        try:
            return _cropped(decode_brush(bytes(result.value.rle), size))
        except ValueError as error:
            raise fail(where, f"is a brush mask that cannot be read ({error})", AGAIN) from error
    raise fail(where, f"is of the type {result.type}; polygons and brush masks are read", "draw it with one of these")


def _cropped(mask: np.ndarray) -> Pixels:
    """Keep the box of a mask alone: each region comes as large as its image, and there may be many."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return Pixels(mask[:0, :0])
    top, left = int(rows[0]), int(columns[0])
    return Pixels(mask[top : rows[-1] + 1, left : columns[-1] + 1].copy(), top, left)


def decode_brush(code: bytes, size: tuple[int, int]) -> np.ndarray:
    """Unpack a brush mask: runs of equal bytes, packed bit by bit.

    It begins with the number of bytes (32 bits), the bits of a byte less 1 (5) and four sizes of counts less 1 (4
    each). Then come runs: a bit that tells whether one value is repeated or values follow one by one, the number of
    the size of the count (2 bits), the count less 1, and the value or values. A pixel is four bytes, red, green, blue
    and alpha.

    Args:
        code: the numbers of Label Studio's ``rle``.
        size: height and width of the image.

    Returns:
        bool, (H, W): where alpha is half or more.

    Raises:
        ValueError: the code is broken, or of another size.
    """
    bits = "".join(f"{byte:08b}" for byte in code)
    at = 0

    def take(num_bits: int) -> int:
        nonlocal at
        if at + num_bits > len(bits):
            raise ValueError("it ends too early")
        at += num_bits
        return int(bits[at - num_bits : at], 2)

    num = take(32)
    if num != size[0] * size[1] * _CHANNELS:
        raise ValueError(f"it is of {num // _CHANNELS} pixels")
    if take(5) != 7:
        raise ValueError("its values are no bytes")
    count_bits = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    lengths: list[int] = []
    done = 0
    while done < num:
        is_run = take(1)
        count = take(count_bits[take(2)]) + 1
        values += [take(8) for _ in range(1 if is_run else count)]
        lengths += [count] if is_run else [1] * count
        done += count
    if done != num:
        raise ValueError("its runs are longer than the image")
    alpha = np.repeat(np.array(values, np.uint8), lengths).reshape(*size, _CHANNELS)[..., 3]
    return alpha >= _HALF
