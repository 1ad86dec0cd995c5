"""Images that a person gives in Python, as networks see them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from incmask.base.errors import fail
from incmask.data.images.decode import Raster
from incmask.data.images.given import channels_first_hint, image_array, listed
from incmask.data.images.readers import network_image


def network_images(given: Any, *, channels: int, intensity: tuple[float, float] | None) -> Iterator[np.ndarray]:
    """Give images as networks see them, one after the other: uint8, (H, W, channels).

    Args:
        given: as for ``listed``.
        channels: that the networks see.
        intensity: of images that are not 8-bit, what becomes 0 and 255; None: percentiles.

    Raises:
        IncmaskError: one is no image, has another number of channels, or no data at any pixel.
    """
    for index, each in enumerate(listed(given, channels=channels)):
        where = f"images[{index}]"
        image = image_array(each, where)
        if image.shape[2:] not in ((), (1,), (3,), (channels,)) and (remedy := channels_first_hint(image.shape)):
            raise fail(where, f"has the shape {image.shape}, which has its channels in front", remedy)
        yield network_image(where, Raster(np.atleast_3d(image)), channels=channels, intensity=intensity)
