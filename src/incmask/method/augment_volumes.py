"""Augment a volume and its labels on the CPU: flips, quarter turns, a small affine change, intensities, blur, noise."""

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from incmask.base.config import IGNORED
from incmask.method.augment import Geometry, Label, Mask, Sample, Strength, draw_geometry, photometric
from incmask.method.sheets import folded, unfolded

Volume = Annotated[NDArray[Any], "d h w"] | Annotated[NDArray[Any], "d h w c"]
Matrix = Annotated[NDArray[np.float64], "3 3"]
Sheet = Annotated[NDArray[np.uint8], "h w c"]

MAX_TURN_DEGREES, MAX_SCALE = 10.0, 0.1
"""Of the affine change: about the axis of the slices, and of each axis; half of the volumes have one."""


@dataclass(frozen=True)
class VolumeGeometry:
    """A flip along the slices, then flips and quarter turns within them, then an affine change about the middle.

    Attributes:
        flip_depth: the last slice becomes the first.
        in_plane: of each slice.
        matrix: from places in the new volume to places in the old one, both from the middle, in voxels; None: no
            change.
    """

    flip_depth: bool = False
    in_plane: Geometry = field(default_factory=Geometry)
    matrix: Matrix | None = None


def augment_sheet(
    image: Sheet,
    label: Label | None = None,
    inconsistent: Mask | None = None,
    *,
    depth: int,
    strength: Strength,
    generator: np.random.Generator,
    is_exact: bool = False,
) -> Sample:
    """Change a volume at random; its label and its inconsistency mask follow the geometry.

    As ``augment_pair`` does with images, and with half of them a turn and a scaling by up to 10 degrees and 10 %.

    Args:
        image: sheet (D·H, W, C), uint8.
        label: sheet (D·H, W) or (D·H, W, K), uint8, or None.
        inconsistent: sheet (D·H, W), bool, or None.
        depth: D.
        strength: the maximum of each change; with ``free_rotation`` volumes may be turned upside down, too.
        generator: source of all draws.
        is_exact: flip and turn by right angles alone, so that every voxel stays one.

    Returns:
        New sheets of the same shapes; labels beyond the volume are 255.

    Examples:
        >>> image, label = np.zeros((4, 3, 1), np.uint8), np.arange(12, dtype=np.uint8).reshape(4, 3)
        >>> given = {"depth": 2, "strength": Strength(), "generator": np.random.default_rng(2)}
        >>> augment_sheet(image, label, label > 3, **given).label.tolist()  # flipped, and not changed otherwise
        [[2, 1, 0], [5, 4, 3], [8, 7, 6], [11, 10, 9]]
    """
    volume = unfolded(image, depth)
    geometry = draw_volume_geometry(strength, volume.shape, generator, is_exact=is_exact)
    moved = [None if each is None else folded(move(unfolded(each, depth), geometry)) for each in (label, inconsistent)]
    shown = photometric_volume(move(volume, geometry, smooth=True), strength=strength, generator=generator)
    return Sample(folded(shown), *moved)


def draw_volume_geometry(
    strength: Strength, shape: tuple[int, ...], generator: np.random.Generator, *, is_exact: bool = False
) -> VolumeGeometry:
    """Draw flips, turns and, unless they are to be exact, an affine change for an array of ``shape`` (D, H, W, ...).

    Examples:
        >>> drawn = draw_volume_geometry(Strength(free_rotation=True), (4, 6, 8), np.random.default_rng(1))
        >>> drawn.flip_depth, drawn.in_plane.quarter_turns % 2, drawn.matrix is None
        (True, 0, True)
    """
    in_plane = draw_geometry(strength, shape[1:], generator)
    flip_depth = bool(generator.integers(2)) and strength.free_rotation
    if is_exact or not generator.integers(2):
        return VolumeGeometry(flip_depth, in_plane)
    angle = math.radians(generator.uniform(-MAX_TURN_DEGREES, MAX_TURN_DEGREES))
    scales = np.diag(1 / generator.uniform(1 - MAX_SCALE, 1 + MAX_SCALE, 3))
    turn = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
    return VolumeGeometry(flip_depth, in_plane, scales @ turn)


def move(volume: Volume, geometry: VolumeGeometry, *, smooth: bool = False) -> Volume:
    """Apply ``geometry`` to an array (D, H, W) or (D, H, W, C) of any type; gives a new one.

    Args:
        volume: of intensities, labels or a mask.
        geometry: what is done.
        smooth: values between voxels are mixed, and what lies beyond is mirrored, as for intensities; else the nearest
            voxel counts, and beyond the volume stands 255, False, or of numbers NaN.

    Examples:
        >>> move(np.arange(4).reshape(2, 1, 2), VolumeGeometry(True, Geometry(flip_horizontal=True))).tolist()
        [[[3, 2]], [[1, 0]]]
    """
    plane = geometry.in_plane
    steps = (geometry.flip_depth, plane.flip_vertical, plane.flip_horizontal)
    flipped = volume[tuple(slice(None, None, -1 if is_flipped else 1) for is_flipped in steps)]
    moved: NDArray[Any] = np.array(np.rot90(flipped, plane.quarter_turns, axes=(1, 2)), order="C")
    if geometry.matrix is None:
        return moved
    layers = moved[..., None] if moved.ndim == 3 else moved
    changed = [_affine(layers[..., each], geometry.matrix, smooth=smooth) for each in range(layers.shape[-1])]
    return np.stack(changed, axis=-1).reshape(moved.shape)


def _affine(volume: NDArray[Any], matrix: Matrix, *, smooth: bool) -> NDArray[Any]:
    middle = (np.array(volume.shape) - 1) / 2
    given = {"matrix": matrix, "offset": middle - matrix @ middle}
    if smooth:
        mixed = ndimage.affine_transform(volume.astype(np.float32), **given, order=1, mode="mirror")
        return np.asarray(np.clip(np.rint(mixed), 0, 255).astype(volume.dtype))
    if volume.dtype.kind == "f":  # numbers: NaN is none
        numbers = ndimage.affine_transform(volume, **given, order=0, mode="constant", cval=np.nan)
        return np.asarray(numbers.astype(volume.dtype))
    beyond = 0 if volume.dtype == np.bool_ else IGNORED
    nearest = ndimage.affine_transform(volume.view(np.uint8), **given, order=0, mode="constant", cval=beyond)
    return np.asarray(nearest.view(volume.dtype))


def photometric_volume(volume: Volume, *, strength: Strength, generator: np.random.Generator) -> Volume:
    """Change a volume's intensities at random: contrast and brightness, blur along all three axes, noise.

    Args:
        volume: (D, H, W, C), uint8.
        strength: the maximum of each change.
        generator: source of all draws.

    Examples:
        >>> given = {"strength": Strength(max_noise=3), "generator": np.random.default_rng(0)}
        >>> changed = photometric_volume(np.full((2, 1, 4, 1), 128, np.uint8), **given)
        >>> bool(125 <= changed.min() <= changed.max() <= 130)
        True
    """
    depth, sheet = len(volume), folded(volume)
    radius_px = int(generator.integers(strength.max_blur_px, endpoint=True))
    lit = photometric(sheet, strength=replace(strength, max_blur_px=0, max_noise=0), generator=generator)
    blurred = blur_volume(unfolded(lit, depth), radius_px)
    noise_alone = Strength(max_noise=strength.max_noise)
    return np.asarray(unfolded(photometric(folded(blurred), strength=noise_alone, generator=generator), depth))


def blur_volume(volume: Volume, radius_px: int) -> Volume:
    """Blur (D, H, W, C) with the Gaussian that OpenCV takes for a kernel of side ``2 radius_px + 1``, along each axis.

    Examples:
        >>> point = np.zeros((5, 5, 5, 1), np.uint8)
        >>> point[2, 2, 2] = 255
        >>> blur_volume(point, 1)[2, 2, 1:4, 0].tolist()  # quarter, half, quarter along each axis
        [16, 32, 16]
    """
    if not radius_px:
        return volume
    kernel = cv2.getGaussianKernel(2 * radius_px + 1, 0).ravel()
    blurred = volume.astype(np.float32)
    for axis in range(3):
        blurred = ndimage.correlate1d(blurred, kernel, axis=axis, mode="mirror")
    return np.asarray(np.rint(blurred).astype(np.uint8))
