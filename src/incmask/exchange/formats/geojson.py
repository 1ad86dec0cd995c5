"""GeoJSON as QuPath writes it: polygons with holes in pixels, with the class of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.data.dataset import Colour
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder, Sheet, joined
from incmask.exchange.formats.common import Files, Record, as_record, files_ending, look_at, read_json
from incmask.exchange.formats.shapes import NamedArea, Polygon
from incmask.exchange.sources.archives import SourceFile

AGAIN = "export the annotations as GeoJSON again"
_IGNORED = "Ignore*"
_UNNAMED = "foreground"
_NO_AREA = ("Point", "MultiPoint", "LineString", "MultiLineString")

Rings = list[list[list[FiniteFloat]]]
_POLYGON: TypeAdapter[Rings] = TypeAdapter(Rings)
_POLYGONS: TypeAdapter[list[Rings]] = TypeAdapter(list[Rings])


class _Classification(Record):
    name: str | None = None
    names: list[str] = Field(default_factory=list)
    color: Colour | None = None
    colorRGB: int | None = None


@dataclass(frozen=True)
class _Feature:
    """A feature; name None: without a class."""

    where: str
    name: str | None
    colour: Colour | None
    polygons: tuple[Polygon, ...]


@dataclass(frozen=True)
class _Read:
    """What a file tells; ``num_flat`` counts points and lines."""

    where: str
    image: str
    features: tuple[_Feature, ...]
    num_flat: int


def features_of(content: Any) -> list[Any] | None:
    """Give the features of a JSON file's content: a collection, a list of features, or one; None: it has none."""
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        content = content.get("features")
    elif isinstance(content, dict) and content.get("type") == "Feature":
        content = [content]
    if not isinstance(content, list):
        return None
    return content if all(isinstance(item, dict) and item.get("type") == "Feature" for item in content) else None


def parse(files: Files, images: Finder) -> Annotations:
    """Read GeoJSON files, each of the image of its name; one without features says that its image shows nothing.

    Coordinates are pixels of the image, from its upper left corner. The class ``Ignore*`` marks what is not to be
    learnt from. Where no feature has a class, all are foreground. Points and lines are left out.

    Raises:
        IncmaskError: a file breaks the format, or its image is not there; all problems are told.
    """
    given = look_at([*files_ending(files, ".geojson", ".json").items()], lambda file: _read(*file, images))
    reads = [read for read in given if read is not None]
    features = [feature for read in reads for feature in read.features]
    if features and all(np.ptp(polygon.rings[0], axis=0).max() < 1 for each in features for polygon in each.polygons):
        what = "has shapes that are all smaller than a pixel, as those are whose coordinates are degrees on a map"
        remedy = "give them in pixels of the images, or draw masks with gdal_rasterize, on the grid of each image"
        raise fail(reads[0].where, what, remedy)
    unnamed = [feature for feature in features if feature.name is None]
    if len(unnamed) < len(features):
        what = "has no properties.classification.name, as others have"
        raise_problems([Problem(each.where, what, "give it a class, or remove it") for each in unnamed])
    return joined([_sheet(read) for read in reads])


def _sheet(read: _Read) -> Sheet:
    areas = (
        NamedArea(None if feature.name == _IGNORED else feature.name or _UNNAMED, polygon)
        for feature in read.features
        for polygon in feature.polygons
    )
    colours = {feature.name: feature.colour for feature in read.features if feature.name and feature.colour}
    return Sheet(read.image, Annotated(read.where, tuple(areas)), read.num_flat, colours)


def _read(path: str, entry: SourceFile, images: Finder) -> _Read | None:
    where = str(entry.where)
    given = features_of(read_json(entry))
    if given is None:
        if path.lower().endswith(".geojson"):
            raise fail(where, "is no GeoJSON: a FeatureCollection, or a list of Features, is expected", AGAIN)
        return None
    problems: list[Problem] = []
    features: list[_Feature] = []
    num_flat = 0
    for index, feature in enumerate(given):
        geometry = feature.get("geometry") or {}
        if isinstance(geometry, dict) and geometry.get("type") in _NO_AREA:
            num_flat += 1
            continue
        with collected(problems):
            features.append(_feature(feature, geometry, f"{where}: feature {feature.get('id', index)}"))
    raise_problems(problems)
    return _Read(where, images.find(PurePosixPath(path).stem, beside=path, where=where), tuple(features), num_flat)


def _feature(feature: dict[str, Any], geometry: Any, where: str) -> _Feature:
    properties = feature.get("properties")
    given = properties.get("classification") if isinstance(properties, dict) else None
    above = "properties.classification."
    classification = as_record(_Classification, given or {}, where=where, mend=AGAIN, above=above)
    name = classification.name or ": ".join(classification.names) or None
    colour = classification.color
    if colour is None and classification.colorRGB is not None:
        packed = classification.colorRGB & 0xFFFFFF
        colour = (packed >> 16, packed >> 8 & 255, packed & 255)
    return _Feature(where, name, colour, tuple(_polygons(geometry, where)))


def _polygons(geometry: Any, where: str) -> Iterator[Polygon]:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        what = f"has the geometry {kind}; Polygon or MultiPolygon is expected"
        raise fail(where, what, "convert it to a polygon, or remove it")
    try:
        coordinates = geometry.get("coordinates")
        several = (
            [_POLYGON.validate_python(coordinates)] if kind == "Polygon" else _POLYGONS.validate_python(coordinates)
        )
    except ValidationError as error:
        first = error.errors()[0]
        what = f"has wrong coordinates ({first['msg']} at {'.'.join(map(str, first['loc']))})"
        raise fail(where, what, AGAIN) from error
    for rings in several:
        if not rings or any(len(ring) < 3 or any(len(point) < 2 for point in ring) for ring in rings):
            what = "has a ring of fewer than three corners, or a corner without x and y"
            raise fail(where, what, "draw it again, or remove it")
        yield Polygon(tuple(np.array([point[:2] for point in ring], np.float64) for ring in rings))
