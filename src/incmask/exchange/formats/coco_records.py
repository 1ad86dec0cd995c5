"""What COCO files hold: images, categories and annotations as records, and the areas that these mark."""

from collections.abc import Sequence
from typing import Annotated as Typed
from typing import Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, FiniteFloat, ValidationError

from incmask.base.errors import Problem, fail
from incmask.data.images.decode import MAX_PIXELS
from incmask.exchange.formats.coco_polygon import coco_polygon
from incmask.exchange.formats.common import Record, RecordT
from incmask.exchange.formats.shapes import Area, Box, Runs

Count = Typed[int, Field(ge=0, le=MAX_PIXELS)]
Side = Typed[int, Field(ge=1, le=MAX_PIXELS)]
_LARGEST_RUN = 1 << 40
AGAIN = "export the annotations again"


def _as_text(given: Any) -> Any:
    """Take 1 and "1" for the same, as some tools write ids as text in one place and as numbers in another."""
    return str(given) if isinstance(given, int) else given


def _as_size(given: Any) -> Any:
    """Take 0 for a size that is not told."""
    return given or None


Id = Typed[str, BeforeValidator(_as_text)]
Told = Typed[Side | None, BeforeValidator(_as_size)]


class CocoImage(Record):
    id: Id
    file_name: str
    height: Told = None
    width: Told = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width; None: they are not told."""
        return None if self.height is None or self.width is None else (self.height, self.width)


class CocoCategory(Record):
    id: Id
    name: Typed[str, Field(min_length=1)]


class CocoRuns(Record):
    counts: list[Count] | str
    size: tuple[Side, Side]


class CocoAnnotation(Record):
    id: int | str | None = None
    image_id: Id
    category_id: Id | None = None
    segmentation: list[list[FiniteFloat]] | CocoRuns | None = None
    keypoints: list[Any] | None = None
    iscrowd: Literal[0, 1] | bool = 0


def is_coco(content: Any) -> bool:
    """Tell whether a JSON file's content is that of COCO."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def kind_of(content: dict[str, Any]) -> str:
    """Tell the kind of a COCO file by its first annotation: "areas", "keypoints", "captions" or "panoptic"."""
    first = next(iter(content["annotations"]), None)
    keys = {"caption": "captions", "segments_info": "panoptic", "keypoints": "keypoints"}
    return next((kind for key, kind in keys.items() if isinstance(first, dict) and key in first), "areas")


def is_panoptic(content: Any) -> bool:
    """Tell whether a JSON file's content is that of COCO panoptic."""
    return is_coco(content) and kind_of(content) == "panoptic"


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


def is_flat(corners: Sequence[float]) -> bool:
    """Tell whether a polygon of so many numbers has no area: it has two corners, or fewer."""
    return len(corners) < 6


def areas_of(annotation: CocoAnnotation, size: tuple[int, int] | None, where: str) -> Sequence[Area]:
    """Give the areas whose union an annotation marks, in an image of a size that may not be told."""
    given = annotation.segmentation
    if not given:
        what = "has no segmentation, only a box or nothing; polygons or run lengths are expected"
        raise fail(where, what, "export segmentations, or remove the annotation")
    if isinstance(given, list):
        for corners in given:
            if len(corners) % 2:
                what = f"has a polygon of {len(corners)} numbers; x and y of each corner are expected"
                raise fail(where, what, "draw it again, or remove the annotation")
        with_area = [corners for corners in given if not is_flat(corners)]
        polygons = [coco_polygon(np.array(corners, np.float64).reshape(-1, 2)) for corners in with_area]
        if size and any(polygon.box.is_beyond(Box(0, 0, *size)) for polygon in polygons):
            what = f"lies outside its image of {size[1]}×{size[0]} pixels"
            raise fail(where, what, "export the annotations at the size of the images")
        return polygons
    height, width = given.size
    if size not in (None, (height, width)):
        what = f"has run lengths for {width}×{height} pixels in an image of {size[1]}×{size[0]}"
        raise fail(where, what, "export the annotations at the size of the images")
    try:
        lengths = decode_counts(given.counts) if isinstance(given.counts, str) else np.array(given.counts, np.int64)
    except ValueError as error:
        raise fail(where, f"has broken run lengths ({error})", AGAIN) from error
    if height * width > MAX_PIXELS or lengths.sum() != height * width:
        what = f"has run lengths for {lengths.sum()} pixels where its image has {height * width}"
        raise fail(where, what, AGAIN)
    return [Runs(lengths, height, width)]


def records_in(
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
