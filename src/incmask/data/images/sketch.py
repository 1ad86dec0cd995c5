"""A few bytes that stand for an image where many are compared: a small grey picture, and what it looks like."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import cv2
import numpy as np

SIDE_PX = 32
"""Of the small grey picture."""

FEATURES = ("brightness", "contrast", "colourfulness", "tint", "warmth", "sharpness", "size")
"""What ``Sketch.features`` tells, in this order."""

MAX_VALUES = 16
"""Of more values, no image is a mask that somebody drew."""

_COLOUR_PX = 64
_CROP_PX = 256


@dataclass(frozen=True, slots=True)
class Sketch:
    """What an image looks like.

    Attributes:
        grey: uint8, (SIDE_PX, SIDE_PX): the whole image, whatever its proportions; None: it is compared with none.
        features: of FEATURES: brightness, contrast, colourfulness, tint (red above green) and warmth (yellow above
            blue) in grey levels; sharpness and size in doublings: of the step between neighbours against the contrast,
            and of the side in pixels.
        is_flat: it has few values, in areas and not in single pixels, as masks have.
    """

    grey: np.ndarray | None = field(compare=False, repr=False)
    features: tuple[float, ...]
    is_flat: bool


def sketch_of(image: np.ndarray, limits: tuple[float, float] | None = None) -> Sketch:
    """Sketch an image.

    Args:
        image: (H, W, C) of ``read_image``.
        limits: the intensities that become 0 and 255; None: of 8 bits.
    """
    image, limits = _near_0(image, limits)
    planes = _planes(image, limits)
    red, green, blue = (cv2.mean(plane)[0] for plane in planes)
    grey = _grey(planes)
    features = (
        (red + green + blue) / 3,
        cv2.meanStdDev(grey)[1].item(),
        cv2.mean(reduce(cv2.max, planes))[0] - cv2.mean(reduce(cv2.min, planes))[0],
        red - green,
        (red + green) / 2 - blue,
        _sharpness(image, limits),
        np.log2(np.sqrt(image.shape[0] * image.shape[1])),
    )
    picture = cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return Sketch(np.rint(picture).astype(np.uint8), tuple(map(float, features)), _is_flat(image))


def small_grey(image: np.ndarray, limits: tuple[float, float] | None = None) -> np.ndarray:
    """Give a finer picture than ``sketch_of``: float32, (2 SIDE_PX, 2 SIDE_PX); arguments as there."""
    return _grey(_planes(*_near_0(image, limits)))


def _near_0(image: np.ndarray, limits: tuple[float, float] | None) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Take the lower limit away, since float32 may not tell apart what is far from 0."""
    if limits is None:
        return image, None
    return (image - np.float64(limits[0])).astype(np.float32), (0.0, limits[1] - limits[0])


def _planes(image: np.ndarray, limits: tuple[float, float] | None) -> Sequence[np.ndarray]:
    # By OpenCV, as NumPy takes longer to begin than to compute what is so small.
    small = _scaled(_small(_shown(image)), limits)
    return cv2.split(small) if small.ndim == 3 else (small, small, small)


def _grey(planes: Sequence[np.ndarray]) -> np.ndarray:
    grey: np.ndarray = cv2.transform(cv2.merge(planes), np.full((1, 3), 1 / 3, np.float32))
    return grey


def _shown(image: np.ndarray) -> np.ndarray:
    """Give the channels that tell what an image looks like: one, three, or the mean of any other number."""
    return image if image.shape[2] in (1, 3) else image.mean(2, dtype=np.float32)


def _small(image: np.ndarray) -> np.ndarray:
    """Make an image (_COLOUR_PX, _COLOUR_PX), by halves as long as these are whole, which is by far the fastest."""
    height, width = image.shape[:2]
    while min(height, width) >= 2 * _COLOUR_PX and height % 2 == width % 2 == 0:
        height, width = height // 2, width // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (_COLOUR_PX, _COLOUR_PX), interpolation=cv2.INTER_AREA)


def _scaled(values: np.ndarray, limits: tuple[float, float] | None) -> np.ndarray:
    scaled = values.astype(np.float32)
    if limits is not None:
        low, high = limits
        scaled = (np.nan_to_num(scaled, nan=low) - low) * (255 / (high - low) if high > low else 0)
    return np.clip(scaled, 0, 255)


def _sharpness(image: np.ndarray, limits: tuple[float, float] | None) -> float:
    """Compare the steps between neighbours in the middle of an image with its contrast there, in doublings."""
    top, left = (max(0, (side - _CROP_PX) // 2) for side in image.shape[:2])
    crop = _shown(image[top : top + _CROP_PX, left : left + _CROP_PX])
    # The middle channel stands for all three.
    plane = crop if crop.ndim == 2 else cv2.extractChannel(crop, crop.shape[2] // 2)
    values = plane if limits is None and plane.dtype == np.uint8 else _scaled(plane, limits)
    steps = cv2.mean(cv2.absdiff(values[1:], values[:-1]))[0] if len(values) > 1 else 0.0
    return float(np.log2((steps + 1) / (cv2.meanStdDev(values)[1].item() + 1)))


def _is_flat(image: np.ndarray) -> bool:
    """Tell whether an image has two values or more, but few, and hardly a pixel that stands alone."""
    if image.dtype.kind == "f" and np.isnan(image).any():
        return False
    # A row first, which tells nearly always.
    if len(np.unique(image[len(image) // 2])) > MAX_VALUES:
        return False
    values = np.unique(image)
    if not 1 < len(values) <= MAX_VALUES:
        return False
    weights = MAX_VALUES ** np.arange(min(image.shape[2], 3))
    colours, plane = np.unique(np.searchsorted(values, image[..., :3]) @ weights, return_inverse=True)
    if not 1 < len(colours) <= MAX_VALUES:
        return False
    plane = plane.reshape(image.shape[:2]).astype(np.uint8)
    others = plane != np.bincount(plane.ravel()).argmax()
    kept = cv2.medianBlur(plane, 3) == plane
    return bool(kept.mean() > 0.9 and kept[others].mean() > 0.5)
