"""Images as the rest of the library and the network see them."""

from pathlib import Path

import cv2
import numpy as np

from incmask.data.decode import Raster, decode, read_bytes
from incmask.errors import fail

_PERCENTILES = (0.1, 99.9)


def read_image(path: Path) -> np.ndarray:
    """Read an image as displayed: EXIF rotation applied, palettes as RGB, alpha dropped.

    Returns:
        (H, W, C) uint8, uint16 or float32; types without a match become float32.

    Raises:
        IncmaskError: the file is no image, broken, too large, of several pages, or holds NaN or
            infinite intensities.
    """
    return image_of(path, decode(path, read_bytes(path)))


def image_of(path: Path, raster: Raster) -> np.ndarray:
    """Give a decoded file as ``read_image`` does."""
    image = np.atleast_3d(raster.to_colour())
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        with np.errstate(over="ignore"):
            image = image.astype(np.float32)
    if image.dtype == np.float32 and not np.isfinite(image).all():
        num_pixels = int((~np.isfinite(image)).any(axis=2).sum())
        raise fail(
            path,
            f"has NaN or infinite intensities at {num_pixels} pixels",
            "replace them by numbers, such as 0, or take the image out of the folder",
        )
    return image


def to_network_range(
    image: np.ndarray, channels: int, *, intensity: tuple[float, float] | None = None, where: object = ""
) -> np.ndarray:
    """Bring an image to 8 bits and to the network's number of channels.

    8-bit images stay as they are. Others are scaled so that ``intensity`` becomes 0 and 255; by default
    the 0.1 and 99.9 percentiles of the image itself, taken over all channels of a grey or RGB image and
    for each channel alone where there are others. Values beyond are clipped; a constant image is 0.

    Args:
        image: (H, W, C) of any numeric type, finite.
        channels: what the network sees: grey is repeated for 3, RGB becomes its luma for 1.
        intensity: the two intensities that become 0 and 255.
        where: the file, for the message.

    Returns:
        (H, W, channels) uint8.

    Raises:
        IncmaskError: the channels cannot be brought to ``channels``.
    """
    if image.dtype != np.uint8:
        image = _to_bytes(image, intensity)
    have = image.shape[2]
    if have == channels:
        return image
    if have == 1 and channels == 3:
        return np.repeat(image, 3, axis=2)
    if have == 3 and channels == 1:
        return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None]
    raise fail(where, f"has {have} channels where {channels} are expected", "convert it, or take it out of the folder")


def read_network_image(path: Path, *, channels: int, intensity: tuple[float, float] | None = None) -> np.ndarray:
    """Read an image as the network sees it: ``read_image``, then ``to_network_range``; (H, W, channels) uint8."""
    return to_network_range(read_image(path), channels, intensity=intensity, where=path)


def _to_bytes(image: np.ndarray, intensity: tuple[float, float] | None) -> np.ndarray:
    low: np.ndarray | float
    high: np.ndarray | float
    if intensity is not None:
        low, high = intensity
    else:
        axes = None if image.shape[2] in (1, 3) else (0, 1)
        low, high = np.percentile(image, _PERCENTILES, axis=axes)
    span = np.asarray(high, np.float64) - np.asarray(low, np.float64)
    scale = np.divide(255.0, span, out=np.zeros_like(span), where=span > 0)
    # In double precision, since intensities may be of any magnitude.
    scaled = (image.astype(np.float64) - low) * scale
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
