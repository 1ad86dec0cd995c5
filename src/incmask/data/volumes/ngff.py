"""What OME-NGFF 0.4 and 0.5 say of a volume in zarr: which array it is, its axes, and the distances of its voxels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from incmask.base.errors import fail
from incmask.base.parse import parse_json
from incmask.data.volumes.grid import Spacing
from incmask.data.volumes.names import ZARR_RECORDS

MOST_RECORD_BYTES = 1 << 24
"""Of a file that tells of a group or an array."""

_CONVERT = "save it as OME-Zarr 0.4 or 0.5, with bioformats2raw or ome-zarr-py, or as OME-TIFF"

UNITS_UM = {
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}
"""Micrometres in each unit of length that files name."""


@dataclass(frozen=True)
class ZarrImage:
    """The largest of an image's arrays.

    Attributes:
        path: below the store.
        axes: a letter an axis, of t, c, z, y and x.
        spacing: of slices, rows and columns, in micrometres, or in the unit of the file where it names none.
        zarr_format: 2 or 3.
    """

    path: str
    axes: str
    spacing: Spacing
    zarr_format: int


def record_of(folder: Path) -> tuple[Mapping[str, Any], int]:
    """Read what a group says of itself, and in which version of zarr.

    Raises:
        IncmaskError: it is none, or what it says is too long.
        ValueError: it is no JSON.
    """
    new, old = folder / "zarr.json", folder / ".zattrs"
    if new.is_file():
        return _mapping(_mapping(read_record(new)).get("attributes", {})), 3
    if not old.is_file() and not (folder / ".zgroup").is_file():
        raise fail(folder, f"is no group of zarr ({', '.join(ZARR_RECORDS[:2])})", _CONVERT)
    return _mapping(read_record(old)) if old.is_file() else {}, 2


def read_record(path: Path) -> Any:
    """Read a file that tells of a group or an array; raises as ``record_of`` does."""
    if path.stat().st_size > MOST_RECORD_BYTES:
        raise fail(path, f"has more than {MOST_RECORD_BYTES >> 20} MiB, and tells of an array alone", _CONVERT)
    return parse_json(path.read_bytes())


def image_of_store(store: Path) -> ZarrImage:
    """Tell which array of a store is the image.

    Raises:
        IncmaskError: it is no OME-NGFF of one volume.
        Exception: of what it says being broken.
    """
    told, zarr_format = record_of(store)
    group = ""
    if "bioformats2raw.layout" in {**told, **_mapping(told.get("ome", {}))} and not _images(told):
        if (store / "1").is_dir():
            raise fail(store, "holds several images (bioformats2raw)", "give each a store of its own")
        group = "0"
        told, zarr_format = record_of(store / group)
    images = _images(told)
    if not images:
        what = "has no multiscales, by which OME-NGFF 0.4 and 0.5 say what the axes of an array are"
        raise fail(store, what, _CONVERT)
    if len(images) > 1:
        raise fail(store, f"holds {len(images)} images (multiscales)", "give each a store of its own")
    image = _mapping(images[0])
    axes = "".join(_axis(store, each) for each in image.get("axes", ()))
    if "y" not in axes or "x" not in axes or list(axes) != sorted({*axes}, key="tczyx".index):
        raise fail(store, f"has the axes {axes or 'of no name'}; read are t, c, z, y and x in this order", _CONVERT)
    if "z" not in axes:
        raise fail(store, "has no axis z, so it is an image and no volume", "save images as TIFF or PNG")
    dataset = _mapping(image["datasets"][0])
    scale = [
        one * other
        for one, other in zip(_scale(store, dataset, len(axes)), _scale(store, image, len(axes), none=1), strict=True)
    ]
    units = [str(_mapping(each).get("unit", "")) for each in image["axes"]]
    slices, rows, columns = (_length(scale[axes.index(axis)], units[axes.index(axis)]) for axis in "zyx")
    return ZarrImage(_inside(store, f"{group}/{dataset['path']}"), axes, (slices, rows, columns), zarr_format)


def label_of_store(store: Path) -> Path | None:
    """Give the one image of labels that lies in a store beside its image; None: there is none, or several."""
    folder = store / "labels"
    if not folder.is_dir():
        return None
    found = [each for each in folder.iterdir() if any((each / name).is_file() for name in ZARR_RECORDS)]
    return found[0] if len(found) == 1 else None


def _images(told: Mapping[str, Any]) -> Sequence[Any]:
    """Give the images that a group tells of: version 0.5 puts them below ``ome``."""
    return list(_mapping(told.get("ome", told)).get("multiscales", ()))


def _axis(store: Path, axis: Any) -> str:
    name = str(axis.get("name", "")) if isinstance(axis, dict) else ""
    if name not in {*"tczyx"}:
        raise fail(store, f"has an axis {name or axis}; read are t, c, z, y and x", _CONVERT)
    return name


def _scale(store: Path, holder: Mapping[str, Any], num_axes: int, *, none: float | None = None) -> list[float]:
    told = [_mapping(each) for each in holder.get("coordinateTransformations", ())]
    found = [each for each in told if each.get("type") == "scale"]
    if not found and none is not None:
        return [none] * num_axes
    others = {str(each.get("type")) for each in told} - {"scale", "translation"}
    if len(found) != 1 or others or len(found[0]["scale"]) != num_axes:
        raise fail(store, "has no one scale of its axes (coordinateTransformations)", _CONVERT)
    return [float(each) for each in found[0]["scale"]]


def _length(scale: float, unit: str) -> float:
    length = float(f"{scale * UNITS_UM.get(unit, 1.0):.6g}")
    return length if 0 < length < math.inf else 1.0


def _inside(store: Path, path: str) -> str:
    """Give a path that a file names, if it leads nowhere else."""
    parts = PurePosixPath(path.strip("/")).parts
    if ".." in parts or "\\" in path or ":" in path:
        raise fail(store, f"names an array outside of itself: {path}", "take it out of the folder")
    return "/".join(parts)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{str(value)[:40]} stands where names and values are expected")
    return value
