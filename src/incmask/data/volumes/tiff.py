"""Volumes in TIFF: pages that the file itself, as OME-TIFF, ImageJ's or tifffile's, calls slices."""

import hashlib
import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from incmask.base.files import whole_file
from incmask.data.volumes.grid import Grid, Spacing
from incmask.method.sheets import unfolded

_ORDER = "ZYXC"

_UNITS_UM = {"nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
"""Micrometres in the units that OME-TIFF may name beside them."""


def grid_of_tiff(file: tifffile.TiffFile) -> Grid | None:
    """Tell where the voxels of a file lie whose axes say that its pages are slices; None: it is an image."""
    if not (file.is_ome or file.is_imagej or file.is_shaped):
        return None
    series = file.series[0]
    sides = _sides(series)
    if len(file.series) > 1 or series.is_multifile or sides.get("Z", 1) < 2 or not {*sides} <= {*"ZYXCS"}:
        return None
    return Grid((sides["Z"], sides["Y"], sides["X"]), _spacing(file))


def _sides(series: tifffile.TiffPageSeries) -> dict[str, int]:
    """Give the axes that have several places, and those of a slice."""
    pairs = zip(series.axes, series.shape, strict=True)
    return {axis: side for axis, side in pairs if side > 1 or axis in "YX"}


def slices_of(file: tifffile.TiffFile) -> NDArray[Any]:
    """Read a volume, (D, H, W, C)."""
    series = file.series[0]
    sides = _sides(series)
    values = series.asarray().reshape(tuple(sides.values()))
    axes = "".join(sides).replace("S", "C")
    if "C" not in axes:
        values, axes = values[..., None], f"{axes}C"
    return np.moveaxis(values, [axes.index(axis) for axis in _ORDER], range(4))


def _spacing(file: tifffile.TiffFile) -> Spacing:
    if file.is_ome:
        found = [_size_um(file.ome_metadata or "", axis) for axis in "ZYX"]
    else:
        resolutions = [file.pages.first.tags.get(name) for name in ("YResolution", "XResolution")]
        per_pixel = [tag.value[1] / tag.value[0] if tag is not None and tag.value[0] else 1.0 for tag in resolutions]
        found = [(file.imagej_metadata or {}).get("spacing", 1.0), *per_pixel]
    slices, rows, columns = (float(each) if 0 < float(each) < np.inf else 1.0 for each in found)
    return slices, rows, columns


def _size_um(text: str, axis: str) -> float:
    found = re.search(rf'PhysicalSize{axis}="([0-9.eE+-]{{1,30}})"', text)
    unit = re.search(rf'PhysicalSize{axis}Unit="(\w{{1,3}})"', text)
    try:
        size = float(found[1]) if found else 1.0
    except ValueError:
        return 1.0
    return size if unit is None else float(f"{size * _UNITS_UM.get(unit[1], 1.0):.6g}")


def write_tiff_volume(path: Path, sheet: NDArray[Any], grid: Grid) -> None:
    """Write a sheet (D·H, W) as OME-TIFF with the spacing of its grid, whole or not at all."""
    volume = unfolded(sheet, grid.shape[0])
    sizes = {f"PhysicalSize{axis}": each for axis, each in zip("ZYX", grid.spacing, strict=True)}
    # Of what the file holds, since a drawn one would be another each time.
    name = uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(volume.tobytes()).hexdigest())
    with whole_file(path) as temporary:
        tifffile.imwrite(
            temporary,
            np.ascontiguousarray(volume),
            ome=True,
            photometric="minisblack",
            compression="zlib",
            metadata={"axes": "ZYX", "UUID": str(name), **sizes},
        )
