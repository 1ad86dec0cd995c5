"""GeoJSON as QuPath writes it: polygons with holes in pixels, with the class of each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from incmask.base.errors import IncmaskError, Problem, fail, raise_problems
from incmask.data.dataset import Colour, DataOptions
from incmask.exchange.formats.annotations import Annotated, Images, NamedArea, found_of
from incmask.exchange.formats.common import Files, FoundImages, files_ending, look_at, read_json
from incmask.exchange.formats.shapes import Polygon
from incmask.exchange.sources.entry import SourceFile, entry_path

_IGNORED = "Ignore*"
_UNNAMED = "foreground"
_NO_AREA = ("Point", "MultiPoint", "LineString", "MultiLineString")

Rings = list[list[list[FiniteFloat]]]
_POLYGON: TypeAdapter[Rings] = TypeAdapter(Rings)
_POLYGONS: TypeAdapter[list[Rings]] = TypeAdapter(list[Rings])


class _Classification(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str | None = None
    names: list[str] = []
    color: Colour | None = None
    colorRGB: int | None = None


@dataclass(frozen=True)
class _Sheet:
    path: str
    entry: SourceFile


@dataclass(frozen=True)
class _Feature:
    """A feature; name None: without a class."""

    where: str
    name: str | None
    colour: Colour | None
    polygons: tuple[Polygon, ...]


@dataclass(frozen=True)
class _Read:
    sheet: str
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


def read_geojson(files: Files, data: DataOptions, *, where: object) -> FoundImages:
    """Read images that have a GeoJSON file of their name; one without features says that its image shows nothing.

    Coordinates are pixels of the image, from its upper left corner. The class ``Ignore*`` marks what is not to be
    learnt from. Where no feature has a class, all are foreground. Points and lines are left out.

    Raises:
        IncmaskError: a file breaks the format, or its image is not there; all problems are told.
    """
    images = Images(files)
    sheets = [_Sheet(path, entry) for path, entry in files_ending(files, ".geojson", ".json").items()]
    reads = [read for read in look_at(sheets, lambda sheet: _read(sheet, images)) if read is not None]
    features = [feature for read in reads for feature in read.features]
    unnamed = [feature for feature in features if feature.name is None]
    if unnamed and len(unnamed) < len(features):
        what = "has no properties.classification.name, as others have"
        problems = [Problem(feature.where, what, "give it a class, or remove it") for feature in unnamed]
        raise_problems(problems)
    annotated: dict[str, Annotated] = {}
    problems = []
    for read in reads:
        if read.image in annotated:
            what = f"annotates {read.image}, as {annotated[read.image].where} does"
            problems.append(Problem(read.where, what, "keep one of the two"))
        areas = tuple(NamedArea(_name(feature), area) for feature in read.features for area in feature.polygons)
        annotated[read.image] = Annotated(read.where, areas)
    raise_problems(problems)
    num_flat = sum(read.num_flat for read in reads)
    notes = [f"{num_flat} points and lines are left out, as they have no area"] if num_flat else []
    counts = Counter(area.name for item in annotated.values() for area in item.areas if area.name is not None)
    colours = {feature.name: feature.colour for feature in features if feature.name and feature.colour}
    return found_of(annotated, images, names=sorted(counts), data=data, where=where, colours=colours, notes=notes)


def _name(feature: _Feature) -> str | None:
    return None if feature.name == _IGNORED else feature.name or _UNNAMED


def _read(sheet: _Sheet, images: Images) -> _Read | None:
    where = str(entry_path(sheet.entry))
    given = features_of(read_json(sheet.entry))
    if given is None:
        if sheet.path.lower().endswith(".geojson"):
            what = "is no GeoJSON: a FeatureCollection, or a list of Features, is expected"
            raise fail(where, what, "export the annotations as GeoJSON again")
        return None
    problems: list[Problem] = []
    features: list[_Feature] = []
    num_flat = 0
    for index, feature in enumerate(given):
        name = f"{where}: feature {feature.get('id', index)}"
        geometry = feature.get("geometry") or {}
        if isinstance(geometry, dict) and geometry.get("type") in _NO_AREA:
            num_flat += 1
            continue
        try:
            features.append(_feature(feature, geometry, name))
        except IncmaskError as error:
            problems += error.problems
    raise_problems(problems)
    image = images.find(PurePosixPath(sheet.path).stem, beside=sheet.path, where=where)
    return _Read(sheet.path, where, image, tuple(features), num_flat)


def _feature(feature: dict[str, Any], geometry: Any, where: str) -> _Feature:
    properties = feature.get("properties")
    given = properties.get("classification") if isinstance(properties, dict) else None
    try:
        classification = _Classification.model_validate(given or {})
    except ValidationError as error:
        first = error.errors()[0]
        what = f"has a wrong properties.classification.{'.'.join(map(str, first['loc']))} ({first['msg']})"
        raise fail(where, what, "export the annotations as GeoJSON again") from error
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
        raise fail(where, what, "export the annotations as GeoJSON again") from error
    for rings in several:
        if not rings or any(len(ring) < 3 or any(len(point) < 2 for point in ring) for ring in rings):
            what = "has a ring of fewer than three corners, or a corner without x and y"
            raise fail(where, what, "draw it again, or remove it")
        yield Polygon(tuple(np.array([point[:2] for point in ring], np.float64) for ring in rings))
