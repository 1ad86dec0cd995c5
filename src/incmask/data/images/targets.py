"""Targets that are numbers, from TIFF, NPY, 16-bit PNG and whatever else holds one number a pixel."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.config import Task
from incmask.base.errors import fail
from incmask.data.images.decode import Raster
from incmask.data.images.files import read_raster
from incmask.data.volumes.grid import Grid
from incmask.method.labels import labels_of
from incmask.method.labels.numbers import Continuous


@dataclass(frozen=True)
class TargetFacts:
    """What a scan keeps of a target.

    Attributes:
        height, width: in pixels.
        dtype: NumPy's name of the file's type.
        low, high: the least and the greatest number.
        num_missing: pixels without one.
        grid: of a volume; None: it is an image.
    """

    height: int
    width: int
    dtype: str
    low: float
    high: float
    num_missing: int
    grid: Grid | None = None


def read_target(path: Path, task: Task) -> np.ndarray:
    """Read a target: float32, (H, W), of a volume the sheet; NaN where there is no number, of depth also 0 or less.

    Raises:
        IncmaskError: the file is no image, broken, of several channels, or has no number at any pixel.
    """
    return _target_of(path, _decoded(path), task)


def target_facts(path: Path, task: Task) -> TargetFacts:
    """Read a target to find out about it; raises as ``read_target`` does."""
    raster = _decoded(path)
    target = _target_of(path, raster, task)
    (height, width), num_missing = target.shape, int(np.isnan(target).sum())
    low, high = float(np.nanmin(target)), float(np.nanmax(target))
    return TargetFacts(height, width, str(raster.values.dtype), low, high, num_missing, raster.grid)


def _decoded(path: Path) -> Raster:
    return read_raster(path)


def _target_of(path: Path, raster: Raster, task: Task) -> np.ndarray:
    values = raster.to_colour()
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim == 3:
        what = f"has {values.shape[2]} channels that differ, where a target has one number a pixel"
        raise fail(path, what, "save one channel; or a folder for each, and train on each by itself")
    kind = labels_of(task)
    assert isinstance(kind, Continuous), "asked of targets that are numbers"
    target = values.astype(np.float32)
    is_missing = ~np.isfinite(target)
    if raster.no_data is not None:
        is_missing |= values == raster.no_data
    if raster.missing is not None:
        is_missing |= raster.missing
    if kind.zero_is_missing:
        is_missing |= ~(target > 0)
    if is_missing.all():
        least = ", and 0 and less is none" if kind.zero_is_missing else ""
        raise fail(path, f"has no number at any pixel (NaN and infinite values are none{least})", "take it out")
    target[is_missing] = np.nan
    return target
