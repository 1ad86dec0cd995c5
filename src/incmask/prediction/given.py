"""Images that a person gives in Python, as networks see them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from incmask.base.errors import fail
from incmask.data.images.decode import Raster
from incmask.data.images.given import channels_first_hint, image_array, listed
from incmask.data.images.readers import network_image
from incmask.data.volumes.grid import Grid, Spacing, VolumeFormat
from incmask.method.sheets import folded, unfolded
from incmask.prediction.values import About, Prediction


def network_images(
    given: Any, *, channels: int, intensity: tuple[float, float] | None, signals: bool = False
) -> Iterator[np.ndarray]:
    """Give images as networks see them, one after the other: uint8, (H, W, channels).

    Args:
        given: as for ``listed``.
        channels: that the networks see.
        intensity: of images that are not 8-bit, what becomes 0 and 255; None: percentiles.
        signals: they are of one row, and may be given as (N,).

    Raises:
        IncmaskError: one is no image, has another number of channels or of rows, or no data at any pixel.
    """
    for index, each in enumerate(listed(given, channels=channels)):
        where = f"images[{index}]"
        image = image_array(np.asarray(each)[None] if signals and np.ndim(each) == 1 else each, where)
        if signals:
            check_is_signal(where, image)
        if image.shape[2:] not in ((), (1,), (3,), (channels,)) and (remedy := channels_first_hint(image.shape)):
            raise fail(where, f"has the shape {image.shape}, which has its channels in front", remedy)
        yield network_image(where, Raster(np.atleast_3d(image)), channels=channels, intensity=intensity)


def check_is_signal(where: object, image: np.ndarray) -> None:
    """Refuse an image of several rows where networks are of signals.

    Raises:
        IncmaskError: it is one.
    """
    if image.shape[0] != 1:
        what = f"has {image.shape[0]} rows, and the models are of signals, of one row each"
        raise fail(where, what, "give each signal by itself: (N,) or (1, N), in a list where there are several")


def network_volumes(
    given: Any, shown: VolumeFormat, *, about: About, spacing: Spacing | None
) -> Iterator[tuple[np.ndarray, Grid]]:
    """Give volumes as networks see them, one after the other: sheets, uint8 (D·H, W, channels), and their grids.

    Args:
        given: an array (D, H, W) or (D, H, W, C) of any integer or float type, or several of them in a list.
        shown: how networks see volumes.
        about: the networks.
        spacing: of the volumes; None: as networks see them.

    Raises:
        IncmaskError: one has other axes or channels, or no data at any voxel.
    """
    for index, each in enumerate(given if isinstance(given, list | tuple) else [given]):
        where, volume = f"volumes[{index}]", np.asarray(each)
        volume = volume[..., None] if volume.ndim == 3 else volume
        if volume.ndim != 4 or volume.shape[3] != about.channels or not volume.size:
            what = f"has the shape {np.shape(each)}, expected (D, H, W) or (D, H, W, {about.channels})"
            raise fail(where, what, "give arrays, or a list of arrays, of volumes")
        depth, height, width = volume.shape[:3]
        raster = Raster(np.ascontiguousarray(folded(volume)))
        sheet = network_image(where, raster, channels=about.channels, intensity=about.intensity)
        yield sheet, Grid((depth, height, width), spacing or shown.spacing)


def unfolded_prediction(prediction: Prediction, grid: Grid) -> Prediction:
    """Give the prediction of a sheet as that of its volume, (D, H, W)."""
    depth = grid.shape[0]
    return replace(
        prediction,
        label=unfolded(prediction.label, depth),
        inconsistent=unfolded(prediction.inconsistent, depth),
        probability=unfolded(prediction.probability, depth, axis=1),
        disagreement=unfolded(prediction.disagreement, depth),
    )
