"""Distances between the surfaces of two masks, in millimetres or whatever unit the spacing has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = Annotated[NDArray[np.bool_], "*spatial"]


@dataclass(frozen=True)
class SurfaceDistance:
    """How far two surfaces are apart.

    Attributes:
        hd95: the greater of the 95th percentiles of both ways, which a few stray voxels do not decide.
        mean: over all surface voxels of both.
    """

    hd95: float
    mean: float


def surface_distance(prediction: Mask, truth: Mask, *, spacing: Sequence[float] | None = None) -> SurfaceDistance:
    """Measure how far the surfaces of two masks are apart (Taha & Hanbury 2015).

    A surface is those voxels of a mask that have a neighbour beside, above, before or behind them that is none of it,
    or lie at the border of the image.

    Args:
        prediction, truth: bool, of one shape in any number of axes.
        spacing: distance of neighbouring voxels along each axis; None: 1.

    Returns:
        Both distances in the unit of ``spacing``; infinite where one mask alone is empty, 0 where both are.

    Raises:
        ValueError: the shapes differ, or there is no spacing of each axis.

    Examples:
        >>> truth = np.array([False, True, True, True, False, False])
        >>> surface_distance(np.roll(truth, 1), truth, spacing=[2.0])
        SurfaceDistance(hd95=2.0, mean=2.0)
    """
    spacing = (1.0,) * truth.ndim if spacing is None else tuple(spacing)
    if prediction.shape != truth.shape or len(spacing) != truth.ndim:
        raise ValueError(f"surface_distance: shapes {prediction.shape} and {truth.shape}, spacing {spacing}")
    if not prediction.any() or not truth.any():
        distance = 0.0 if prediction.any() == truth.any() else float("inf")
        return SurfaceDistance(distance, distance)
    ways = [_to_surface(*pair, spacing) for pair in ((prediction, truth), (truth, prediction))]
    return SurfaceDistance(max(float(np.percentile(each, 95)) for each in ways), float(np.concatenate(ways).mean()))


def _surface(mask: Mask) -> Mask:
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _to_surface(first: Mask, second: Mask, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Give the distance of each surface voxel of the first mask to the surface of the second."""
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~_surface(second), sampling=spacing)
    return distance[_surface(first)]
