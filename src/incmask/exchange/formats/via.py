"""VGG Image Annotator: a JSON file, or its project, with polygons, rectangles, circles and ellipses of many images."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat

from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder, Sheet, joined
from incmask.exchange.formats.common import Files, Record, as_record, files_ending, read_json
from incmask.exchange.formats.shapes import NamedArea, Polygon

AGAIN = "export the annotations from VIA as JSON again"
_UNNAMED = "foreground"
_NO_AREA = ("point", "polyline", "line")
_CORNERS = 64


class _Shape(Record):
    name: str
    all_points_x: list[FiniteFloat] = Field(default_factory=list)
    all_points_y: list[FiniteFloat] = Field(default_factory=list)
    x: FiniteFloat = 0
    y: FiniteFloat = 0
    width: FiniteFloat = 0
    height: FiniteFloat = 0
    cx: FiniteFloat = 0
    cy: FiniteFloat = 0
    r: FiniteFloat = 0
    rx: FiniteFloat = 0
    ry: FiniteFloat = 0
    theta: FiniteFloat = 0


class _Region(Record):
    shape_attributes: _Shape
    region_attributes: dict[str, Any] = Field(default_factory=dict)


class _File(Record):
    filename: str = Field(min_length=1)
    regions: list[_Region] | dict[str, _Region]


def entries_of(content: Any) -> list[Any] | None:
    """Give what the content of a JSON file tells of each image; None: it is not of VIA."""
    found = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(found, Mapping) or not found:
        return None
    is_via = all(isinstance(each, dict) and {"filename", "regions"} <= each.keys() for each in found.values())
    return list(found.values()) if is_via else None


def parse(files: Files, images: Finder) -> Annotations:
    """Read what VIA's files tell; images without a region may not have been looked at, and are not annotated.

    A region's class is the first of its attributes that has a value, "foreground" where there is none. Points and lines
    have no area and are left out.

    Raises:
        IncmaskError: a file breaks the format, or its image is not there; all problems are told.
    """
    sheets: list[Sheet] = []
    problems: list[Problem] = []
    for path, entry in files_ending(files, ".json").items():
        for given in entries_of(read_json(entry)) or []:
            with collected(problems):
                sheets += _sheet(given, path, str(entry.where), images)
    raise_problems(problems)
    return joined(sheets)


def _sheet(given: Any, path: str, where: str, images: Finder) -> Iterator[Sheet]:
    at = f"{where}: {given['filename']}"
    file = as_record(_File, given, where=at, mend=AGAIN)
    regions = [*file.regions.values()] if isinstance(file.regions, dict) else file.regions
    drawn = [region for region in regions if region.shape_attributes.name not in _NO_AREA]
    if drawn:
        areas = tuple(NamedArea(_class_of(each), _polygon(each.shape_attributes, at)) for each in drawn)
        image = images.find(file.filename, beside=path, where=at)
        yield Sheet(image, Annotated(at, areas), len(regions) - len(drawn))


def _class_of(region: _Region) -> str:
    """Give the class of a region: an attribute is a text, or for boxes to be ticked a mapping of those that are."""
    for value in region.region_attributes.values():
        ticked = next((name for name, is_set in value.items() if is_set), "") if isinstance(value, dict) else value
        if str(ticked).strip():
            return str(ticked).strip()
    return _UNNAMED


def _polygon(shape: _Shape, where: str) -> Polygon:
    if shape.name == "polygon":
        if len(shape.all_points_x) != len(shape.all_points_y) or len(shape.all_points_x) < 3:
            raise fail(where, "has a polygon of fewer than 3 corners", "draw it again, or remove it")
        return Polygon((np.column_stack([shape.all_points_x, shape.all_points_y]),))
    if shape.name == "rect":
        right, bottom = shape.x + shape.width, shape.y + shape.height
        return Polygon((np.array([(shape.x, shape.y), (right, shape.y), (right, bottom), (shape.x, bottom)]),))
    if shape.name not in ("circle", "ellipse"):
        raise fail(where, f"has a {shape.name}; polygons, rectangles, circles and ellipses are read", "draw a polygon")
    turns = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    across, along = (shape.r or shape.rx) * np.cos(turns), (shape.r or shape.ry) * np.sin(turns)
    cos, sin = np.cos(shape.theta), np.sin(shape.theta)
    points = [shape.cx + across * cos - along * sin, shape.cy + across * sin + along * cos]
    return Polygon((np.column_stack(points),))
