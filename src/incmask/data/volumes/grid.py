"""Where the voxels of volumes lie, what networks see of them, and the way from one grid to another."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from incmask.data.images.tiles import starts

Box = tuple[int, int, int]
Spacing = tuple[float, float, float]

_LEVELS, _LEAST_SIDE = 4, 4
"""Poolings of a network, and voxels that a side keeps."""

_MOST_VOXELS = 128 * 64 * 64
"""Of a patch whose size follows from the data."""

_SAME_SPACING = 0.01
"""Spacings that differ by no more are one."""


class Grid(NamedTuple):
    """Voxels of a volume.

    Attributes:
        shape: slices, rows and columns.
        spacing: distance of neighbours along each, in the unit of the file: millimetres, or micrometres.
    """

    shape: Box
    spacing: Spacing

    def told(self) -> str:
        """Tell a person.

        Examples:
            >>> Grid((35, 50, 36), (1.0, 0.5, 0.5)).told()
            '35×50×36 voxels of 1×0.5×0.5'
        """
        return f"{'×'.join(map(str, self.shape))} voxels of {'×'.join(f'{each:g}' for each in self.spacing)}"


@dataclass(frozen=True)
class VolumeFormat:
    """How networks see volumes: at one spacing, in patches.

    Attributes:
        spacing: that all volumes are brought to.
        patch: slices, rows and columns of what a network sees at a time.
        poolings: by how much each level of a network shrinks each axis, 1 or 2.
    """

    spacing: Spacing
    patch: Box
    poolings: tuple[Box, ...]

    @property
    def depth(self) -> int:
        """Slices of a patch."""
        return self.patch[0]

    @property
    def sheet(self) -> tuple[int, int]:
        """Height and width of a patch as a sheet."""
        return self.patch[0] * self.patch[1], self.patch[2]

    def shape_of(self, grid: Grid) -> Box:
        """Give the shape of a volume at the common spacing."""
        if all(abs(own / common - 1) < _SAME_SPACING for own, common in zip(grid.spacing, self.spacing, strict=True)):
            return grid.shape
        sides = zip(grid.shape, grid.spacing, self.spacing, strict=True)
        depth, height, width = (max(1, round(side * own / common)) for side, own, common in sides)
        return depth, height, width

    def starts(self, grid: Grid, *, overlap_fraction: float = 0.0) -> list[Box]:
        """Place patches over a volume at the common spacing: the fewest, spread evenly, each inside as far as it can.

        Args:
            grid: of the volume.
            overlap_fraction: least share of a side that neighbours have in common, 0 to less than 1.
        """
        sides = zip(self.shape_of(grid), self.patch, strict=True)
        slices, rows, columns = (
            starts(length, side, side - math.floor(side * overlap_fraction)) for length, side in sides
        )
        return list(itertools.product(slices, rows, columns))


def format_of(grids: Sequence[Grid], *, spacing: Spacing | None = None, patch: Box | None = None) -> VolumeFormat:
    """Choose how networks see volumes: at the median spacing, in patches of the median size.

    A level pools an axis that is left 4 voxels or more, and whose voxels are by then not twice as long as the shortest.

    Args:
        grids: of the labelled volumes.
        spacing: chosen by a person; None: the median.
        patch: chosen by a person and rounded up to what networks can take; None: the median, as far as it is no larger
            than 128 × 64 × 64 voxels in all.

    Examples:
        >>> format_of([Grid((35, 50, 35), (1.0, 1.0, 1.0))])  # doctest: +NORMALIZE_WHITESPACE
        VolumeFormat(spacing=(1.0, 1.0, 1.0), patch=(40, 56, 40),
            poolings=((2, 2, 2), (2, 2, 2), (2, 2, 2), (1, 1, 1)))
        >>> format_of([Grid((12, 64, 64), (5.0, 1.0, 1.0))]).poolings  # thick slices
        ((1, 2, 2), (1, 2, 2), (2, 2, 2), (1, 2, 2))
    """
    if spacing is None:
        spacing = _three(np.median([grid.spacing for grid in grids], axis=0).tolist())
    if patch is not None:
        return _with_poolings(spacing, patch)
    shapes = [VolumeFormat(spacing, (1, 1, 1), ()).shape_of(grid) for grid in grids]
    sides = [math.ceil(side) for side in np.median(shapes, axis=0).tolist()]
    while math.prod((found := _with_poolings(spacing, _three(sides))).patch) > _MOST_VOXELS:
        longest = sides.index(max(sides))
        sides[longest] = found.patch[longest] - math.prod(each[longest] for each in found.poolings)
    return found


def _with_poolings(spacing: Spacing, patch: Box) -> VolumeFormat:
    levels = poolings_of(patch, spacing, num_levels=_LEVELS, least_side=_LEAST_SIDE)
    steps = [math.prod(of_axis) for of_axis in zip(*levels, strict=True)]
    rounded = _three([-(-side // step) * step for side, step in zip(patch, steps, strict=True)])
    return VolumeFormat(spacing, rounded, levels)


def poolings_of(patch: Box, spacing: Spacing, *, num_levels: int, least_side: int) -> tuple[Box, ...]:
    """Choose by how much each level of a network shrinks each axis: 2, or 1 where it cannot bear it.

    An axis can where so many voxels are left, and its voxels are by then not twice as long as the shortest.

    Args:
        patch: slices, rows and columns.
        spacing: of its voxels.
        num_levels: poolings of the network.
        least_side: voxels that a side keeps, 1 or more.

    Examples:
        >>> poolings_of((4, 8, 8), (3.0, 1.0, 1.0), num_levels=3, least_side=2)
        ((1, 2, 2), (2, 2, 2), (1, 1, 1))
    """
    sides, lengths, levels = list(patch), list(spacing), []
    for _ in range(num_levels):
        long_enough = [side >= 2 * least_side for side in sides]
        finest = min((length for length, can in zip(lengths, long_enough, strict=True) if can), default=math.inf)
        factors = [2 if can and length < 2 * finest else 1 for length, can in zip(lengths, long_enough, strict=True)]
        sides = [-(-side // factor) for side, factor in zip(sides, factors, strict=True)]
        lengths = [length * factor for length, factor in zip(lengths, factors, strict=True)]
        levels.append(_three(factors))
    return tuple(levels)


def _three(values: Sequence[Any]) -> tuple[Any, Any, Any]:
    first, second, third = values
    return first, second, third


def resample(volumes: NDArray[Any], shape: Box) -> NDArray[np.float32]:
    """Bring volumes to another shape, trilinear; where an axis shrinks, smoothed before.

    Args:
        volumes: (..., D, H, W), numbers.
        shape: the new D, H and W.

    Examples:
        >>> resample(np.array([[[0.0, 1.0]]]), (1, 1, 4)).tolist()
        [[[0.0, 0.25, 0.75, 1.0]]]
    """
    old = volumes.shape[-3:]
    flat = volumes.reshape(-1, *old).astype(np.float32)
    if shape != old:
        # As scikit-image smooths: so much that what lies between the new voxels counts, too.
        sigma = [max(0.0, (before / after - 1) / 2) for before, after in zip(old, shape, strict=True)]
        factors = [after / before for before, after in zip(old, shape, strict=True)]
        smooth = (ndimage.gaussian_filter(each, sigma, mode="nearest") for each in flat) if any(sigma) else flat
        flat = np.stack([ndimage.zoom(each, factors, order=1, mode="nearest", grid_mode=True) for each in smooth])
    return np.asarray(flat.reshape(*volumes.shape[:-3], *shape), np.float32)


def resample_image(volume: NDArray[np.uint8], shape: Box) -> NDArray[np.uint8]:
    """Bring intensities (D, H, W, C) to another shape."""
    if shape == volume.shape[:3]:
        return volume
    mixed = resample(np.moveaxis(volume, -1, 0), shape)
    return np.ascontiguousarray(np.moveaxis(np.clip(np.rint(mixed), 0, 255).astype(np.uint8), 0, -1))


def resample_values(values: NDArray[np.float32], shape: Box) -> NDArray[np.float32]:
    """Bring numbers (D, H, W) to another shape, over those that are known; NaN where less than half is.

    Examples:
        >>> resample_values(np.float32([[[1, np.nan, 4]]]), (1, 1, 6)).tolist()
        [[[1.0, 1.0, nan, nan, 4.0, 4.0]]]
    """
    if shape == values.shape:
        return values
    known = ~np.isnan(values)
    total, weight = resample(np.stack([np.where(known, values, 0), known.astype(np.float32)]), shape)
    return np.where(weight >= 0.5, total / np.maximum(weight, 0.5), np.float32(np.nan))


def resample_label(label: NDArray[Any], shape: Box) -> NDArray[Any]:
    """Bring ids (D, H, W), or layers (D, H, W, K), to another shape: the nearest voxel.

    Examples:
        >>> resample_label(np.array([[[1, 2]]]), (1, 1, 4)).tolist()
        [[[1, 1, 2, 2]]]
    """
    if shape == label.shape[:3]:
        return label
    places = [
        np.minimum(((np.arange(after) + 0.5) * before / after).astype(int), before - 1)
        for before, after in zip(label.shape[:3], shape, strict=True)
    ]
    return label[np.ix_(*places)]
