"""Intensities of any type to 8 bits: what is no data is left out, and what differs stays different."""

import cv2
import numpy as np

from incmask.base.errors import fail

PERCENTILES = (0.1, 99.9)

_NO_DATA_BELOW = (-9999.0, -99999.0, -999.0, -32768.0, -32767.0, -2147483648.0, -2147483647.0)
"""What programs write where nothing was measured, if it lies apart from all else."""

_NO_DATA_ABOVE = (2147483647.0, 4294967295.0, 2147483648.0, 4294967296.0)
HUGE = 1e18
"""No intensity is so large, where the others are not."""

_FAR = 10.0
"""A value that is no number of these is no data where it lies so many times the range of all others below them."""

FULL_16_BITS = 65535.0
"""No data in some files of 16 bits, and saturated in others."""

_STEPS = 1 << 16
"""Parts of an image's range that its numbers must be able to tell apart."""


def as_intensities(image: np.ndarray, *, no_data: float | None = None, missing: np.ndarray | None = None) -> np.ndarray:
    """Give an image in a type that is scaled without a loss, with NaN where it has no data.

    No data are NaN, infinite values, ``no_data``, and what stands far apart from all other values as programs write it:
    -9999 or -32768, say, or one of the largest numbers that there are. Images of 8 bits stay as they are.

    Args:
        image: (H, W, C) of any real type.
        no_data: the value that the file names; None: it names none.
        missing: (H, W) bool, the pixels that the file masks; None: it masks none.

    Returns:
        (H, W, C) uint8, uint16 or float32; float64 where float32 could not tell its values apart.
    """
    if image.dtype == np.bool_:
        return image.astype(np.uint8) * np.uint8(255)
    if image.dtype == np.uint8:
        return image
    is_empty = _is_empty(image, no_data, missing)
    if is_empty is None:
        return image if image.dtype == np.uint16 else _narrow(image, image)
    wide = image.astype(np.float64)
    wide[is_empty] = np.nan
    return wide if is_empty.all() else _narrow(wide, wide[~is_empty])


def _is_empty(image: np.ndarray, no_data: float | None, missing: np.ndarray | None) -> np.ndarray | None:
    """Tell where there is no data; None: nowhere."""
    is_empty = np.zeros(image.shape, np.bool_)
    if missing is not None:
        is_empty[missing] = True
    if image.dtype.kind == "f":
        is_empty |= ~np.isfinite(image)
    if no_data is not None:
        # As the number is spelt in the image's own type; one that it cannot have compares to nothing.
        with np.errstate(over="ignore"):
            wanted = np.array(no_data).astype(image.dtype) if image.dtype.kind == "f" else no_data
        is_empty |= image == wanted
    if image.dtype.kind == "f" or image.dtype.itemsize > 2 or image.dtype.kind == "i":
        for _ in range(2):  # some have one for the outside and one for what is saturated
            if (value := _sentinel(image[~is_empty] if is_empty.any() else image)) is not None:
                is_empty |= image == value
    return is_empty if is_empty.any() else None


def _sentinel(values: np.ndarray) -> float | None:
    """Find a value that cannot have been measured, since it lies apart from all others as no data do."""
    if not values.size:
        return None
    lowest, highest = float(values.min()), float(values.max())
    if lowest < 0 and (rest := values[values != lowest]).size:
        least, span = float(rest.min()), highest - float(rest.min())
        gap = least - lowest
        is_known = lowest in _NO_DATA_BELOW or lowest <= -HUGE
        if span > 0 and (gap > _FAR * span or (is_known and (least >= 0 or gap > span / 2))):
            return lowest
    if (highest in _NO_DATA_ABOVE or highest >= HUGE) and (rest := values[values != highest]).size:
        span = float(rest.max()) - lowest
        if span > 0 and highest - float(rest.max()) > _FAR * span:
            return highest
    return None


def below_full_of(image: np.ndarray) -> float | None:
    """Give the highest intensity but for 65535, where that lies as far above as no data do; None where it does not.

    In 16 bits, it may as well be what saturates, so that only a person can tell.
    """
    rest = image[image < FULL_16_BITS]
    if not rest.size:
        return None
    lowest, highest = float(rest.min()), float(rest.max())
    return highest if FULL_16_BITS - highest > _FAR * (highest - lowest) > 0 else None


def _narrow(image: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Give an image as float32, unless that would make one of values that differ."""
    if image.dtype == np.float32:
        return image
    low, high = float(measured.min()), float(measured.max())
    largest = np.float32(max(abs(low), abs(high), float(np.finfo(np.float32).tiny)))
    is_told_apart = np.isfinite(largest) and float(np.spacing(largest)) * _STEPS <= high - low
    return image.astype(np.float32 if is_told_apart or low == high else np.float64)


def limits_of(image: np.ndarray) -> list[tuple[float, float]]:
    """Give the intensities that become 0 and 255 by default: the 0.1 and 99.9 percentiles of what was measured.

    Where these meet, as in an image with a few bright pixels, they are the lowest and the highest value.

    Args:
        image: (H, W, C), NaN where there is no data.

    Returns:
        A pair for all channels of a grey or RGB image, else one for each channel.
    """
    planes = [image] if image.shape[2] in (1, 3) else [image[..., index] for index in range(image.shape[2])]
    return [_limits(plane) for plane in planes]


def _limits(values: np.ndarray) -> tuple[float, float]:
    if values.dtype.kind == "f" and (is_empty := np.isnan(values)).any():
        values = values[~is_empty]
        if not values.size:
            return 0.0, 0.0
    low, high = np.percentile(values, PERCENTILES)
    if low == high:
        low, high = values.min(), values.max()
    return float(low), float(high)


def to_bytes(image: np.ndarray, limits: list[tuple[float, float]]) -> np.ndarray:
    """Scale intensities so that the limits become 0 and 255; beyond them they are clipped.

    What is no data becomes 0, and so does an image of one value; but where only data and no data differ, data are 255.

    Args:
        image: (H, W, C), NaN where there is no data.
        limits: a pair for all channels, or one for each.

    Returns:
        (H, W, C) uint8.
    """
    low, high = np.array(limits, np.float64).T
    span = high - low
    scale = np.divide(255.0, span, out=np.zeros_like(span), where=span > 0)
    # In double precision, since intensities may be of any magnitude.
    scaled = (image.astype(np.float64) - low) * scale
    is_empty = np.isnan(scaled)
    if is_empty.any():
        scaled[(~is_empty) & (span == 0)] = 255
        scaled[is_empty] = 0
    grey: np.ndarray = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return grey


def to_network_range(
    image: np.ndarray, channels: int, *, intensity: tuple[float, float] | None = None, where: object = ""
) -> np.ndarray:
    """Bring an image to 8 bits and to the network's number of channels.

    8-bit images stay as they are. Others are scaled so that ``intensity`` becomes 0 and 255; by default
    the 0.1 and 99.9 percentiles of the image itself, taken over all channels of a grey or RGB image and
    for each channel alone where there are others; where the two meet, its lowest and highest value. Values beyond are
    clipped; a constant image is 0, and so is what is no data.

    Args:
        image: (H, W, C) of any numeric type, NaN where there is no data: see ``as_intensities``.
        channels: what the network sees: grey is repeated for 3, RGB becomes its luma for 1.
        intensity: the two intensities that become 0 and 255.
        where: the file, for the message.

    Returns:
        (H, W, channels) uint8.

    Raises:
        IncmaskError: the channels cannot be brought to ``channels``.
    """
    if image.dtype != np.uint8:
        image = to_bytes(image, limits_of(image) if intensity is None else [intensity])
    return to_channels(image, channels, where=where)


def to_channels(image: np.ndarray, channels: int, *, where: object) -> np.ndarray:
    """Bring 8-bit pixels to the network's number of channels; as ``to_network_range`` does, and raises."""
    have = image.shape[2]
    if have == channels:
        return image
    if have == 1 and channels == 3:
        return np.repeat(image, 3, axis=2)
    if have == 3 and channels == 1:
        return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None]
    raise fail(where, f"has {have} channels where {channels} are expected", "convert it, or take it out of the folder")
