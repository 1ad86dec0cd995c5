"""Views of an image, or of a volume that travels as a sheet: flips and turns that can be undone, and intensities."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from incmask.method.augment import Geometry, Image, Strength, draw_geometry, flip_rotate, inverse, photometric
from incmask.method.augment_volumes import VolumeGeometry, draw_volume_geometry, move, photometric_volume
from incmask.method.sheets import folded, unfolded

Array = NDArray[Any]


def draw_view(
    strength: Strength, shape: tuple[int, ...], generator: np.random.Generator, *, depth: int | None = None
) -> Geometry | VolumeGeometry:
    """Draw flips and turns by right angles for an array of ``shape`` (H, W, ...), or (D·H, W, ...).

    Args:
        strength: says whether up and down may change.
        shape: of the array.
        generator: source of all draws.
        depth: D, slices of a sheet; None: an image.

    Examples:
        >>> draw_view(Strength(free_rotation=True), (12, 4), np.random.default_rng(1), depth=3).flip_depth
        True
    """
    if depth is None:
        return draw_geometry(strength, shape, generator)
    height, width = shape[:2]
    return draw_volume_geometry(strength, (depth, height // depth, width), generator, is_exact=True)


def turned(
    array: Annotated[Array, "..."], geometry: Geometry | VolumeGeometry, *, depth: int | None = None
) -> Annotated[Array, "..."]:
    """Apply what ``draw_view`` drew to an array (H, W) or (H, W, C) of any type; gives a new one.

    Examples:
        >>> turned(np.array([[1], [2], [3], [4]]), VolumeGeometry(flip_depth=True), depth=2).ravel().tolist()
        [3, 4, 1, 2]
    """
    if isinstance(geometry, Geometry):
        return flip_rotate(array, geometry)
    assert depth is not None, "volumes have slices"
    sheet: Array = folded(move(unfolded(array, depth), geometry))
    return sheet


def turned_back(
    array: Annotated[Array, "..."], geometry: Geometry | VolumeGeometry, *, depth: int | None = None
) -> Annotated[Array, "..."]:
    """Undo ``turned`` exactly.

    Examples:
        >>> there = VolumeGeometry(True, Geometry(flip_vertical=True, quarter_turns=1))
        >>> turned_back(turned(np.arange(8).reshape(4, 2), there, depth=2), there, depth=2).ravel().tolist()
        [0, 1, 2, 3, 4, 5, 6, 7]
    """
    if isinstance(geometry, Geometry):
        return flip_rotate(array, inverse(geometry))
    return turned(array, VolumeGeometry(geometry.flip_depth, inverse(geometry.in_plane)), depth=depth)


def relit(image: Image, *, strength: Strength, generator: np.random.Generator, depth: int | None = None) -> Image:
    """Change intensities at random, as ``photometric`` does, or of a sheet ``photometric_volume``.

    Examples:
        >>> sheet = np.full((4, 3, 1), 100, np.uint8)
        >>> relit(sheet, strength=Strength(), generator=np.random.default_rng(0), depth=2).shape
        (4, 3, 1)
    """
    if depth is None:
        return photometric(image, strength=strength, generator=generator)
    changed: Image = folded(photometric_volume(unfolded(image, depth), strength=strength, generator=generator))
    return changed
