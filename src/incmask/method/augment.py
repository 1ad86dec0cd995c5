"""Augment one image-label pair on the CPU: flips, quarter turns, brightness and contrast, blur, noise."""

from dataclasses import dataclass
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import fail

Array = NDArray[Any]
Bytes = NDArray[np.uint8]
Image = Annotated[Bytes, "h w c"]
Label = Annotated[Bytes, "h w"] | Annotated[Bytes, "h w k"] | Annotated[NDArray[np.float32], "h w"]
Mask = Annotated[NDArray[np.bool_], "h w"]

MAX_BLUR_PX = 127
"""Largest blur radius: a kernel of 255."""

MAX_NOISE = 128
"""Largest noise: half of the intensities."""

_BLUR_CHANNELS = 4
"""Channels blurred in one call; OpenCV takes no more than some hundred."""

_NOISE_BLOCK = 1 << 15
"""Numbers drawn at a time: small enough for the processor's cache and for memory that is kept."""

_OPENCV_PIXEL_BYTES = frozenset((1, 2, 3, 4, 6, 8, 12, 16, 24, 32))
"""Sizes of a pixel that OpenCV turns."""

_OPENCV_FLIPS = {(True, False): 0, (False, True): 1, (True, True): -1}
"""OpenCV's number for a vertical and a horizontal flip."""

_OPENCV_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True)
class Strength:
    """The maximum of each change; every draw lies between none and this (paper sections 2.1, A.3).

    Attributes:
        max_blur_px: largest radius r of the Gaussian kernel of side 2r+1, 0 to 127.
        max_noise: noise N is drawn from [-N, N) for each pixel and channel, 0 to 128.
        contrast: A, the gain is drawn from 1 ± A, 0 to 1.
        brightness: B, the offset is drawn from ± B in intensities, 0 to 255.
        free_rotation: whether up and down may change: vertical flips and quarter turns.

    Raises:
        IncmaskError: a number outside its range.
    """

    max_blur_px: int = 0
    max_noise: int = 0
    contrast: float = 0.0
    brightness: float = 0.0
    free_rotation: bool = False

    def __post_init__(self) -> None:
        for name, value, highest in (
            ("max_blur_px", self.max_blur_px, MAX_BLUR_PX),
            ("max_noise", self.max_noise, MAX_NOISE),
            ("contrast", self.contrast, 1),
            ("brightness", self.brightness, 255),
        ):
            if not 0 <= value <= highest:
                raise fail(name, f"{value} is outside 0 to {highest}", "choose a value in this range")
            if name.startswith("max_") and value != int(value):
                raise fail(name, f"{value} is no whole number", "round it")


@dataclass(frozen=True)
class Geometry:
    """A vertical flip (up becomes down), then a horizontal one, then quarter turns anticlockwise."""

    flip_vertical: bool = False
    flip_horizontal: bool = False
    quarter_turns: int = 0  # 0 to 3


@dataclass(frozen=True)
class Sample:
    """An image with what is known of its pixels.

    Attributes:
        image: intensities 0 to 255, ``(H, W, C)`` uint8.
        label: class ids ``(H, W)`` or one mask a class ``(H, W, K)``, uint8; or numbers ``(H, W)``, float32; None where
            unknown.
        inconsistent: where the members disagree, ``(H, W)`` bool; None where there is no such mask.
    """

    image: Image
    label: Label | None = None
    inconsistent: Mask | None = None


def augment_pair(
    image: Image,
    label: Label | None = None,
    inconsistent: Mask | None = None,
    *,
    strength: Strength,
    generator: np.random.Generator,
) -> Sample:
    """Change an image at random; its label and its inconsistency mask follow the geometry exactly.

    Args:
        image: ``(H, W, C)`` uint8, 1 or more channels.
        label: ``(H, W)`` or ``(H, W, K)`` uint8, ``(H, W)`` float32, or None.
        inconsistent: ``(H, W)`` bool, or None.
        strength: the maximum of each change.
        generator: source of all draws.

    Returns:
        New contiguous arrays of the shapes given (paper section 2.1, appendix A.3).

    Raises:
        ValueError: shapes or types other than these.

    Examples:
        >>> image, label = np.zeros((2, 3, 1), np.uint8), np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
        >>> augment_pair(image, label, strength=Strength(), generator=np.random.default_rng(1)).label.tolist()
        [[1, 2, 3], [4, 5, 6]]
        >>> augment_pair(image, label, strength=Strength(), generator=np.random.default_rng(0)).label.tolist()
        [[3, 2, 1], [6, 5, 4]]
    """
    _check_image(image)
    for name, follower in (("label", label), ("inconsistent", inconsistent)):
        if follower is not None and follower.shape[:2] != image.shape[:2]:
            raise ValueError(
                f"augment_pair: {name} {follower.shape} must have the image's height and width {image.shape[:2]}"
            )
    geometry = draw_geometry(strength, image.shape, generator)
    return Sample(
        image=photometric(flip_rotate(image, geometry), strength=strength, generator=generator),
        label=None if label is None else flip_rotate(label, geometry),
        inconsistent=None if inconsistent is None else flip_rotate(inconsistent, geometry),
    )


def draw_geometry(strength: Strength, shape: tuple[int, ...], generator: np.random.Generator) -> Geometry:
    """Draw flips and turns for an array of ``shape`` (H, W, ...).

    Each flip has probability one half and each turn the same; without ``free_rotation`` there is the
    horizontal flip alone. Where H and W differ, turns are by 0 or 180 degrees, so that the shape stays.

    Examples:
        >>> draw_geometry(Strength(free_rotation=True), (4, 4), np.random.default_rng(0))
        Geometry(flip_vertical=True, flip_horizontal=True, quarter_turns=2)
    """
    flip_horizontal = bool(generator.integers(2))
    if not strength.free_rotation:
        return Geometry(flip_horizontal=flip_horizontal)
    flip_vertical = bool(generator.integers(2))
    turns = int(generator.integers(4))
    return Geometry(flip_vertical, flip_horizontal, turns if shape[0] == shape[1] else turns // 2 * 2)


def flip_rotate(array: Annotated[Array, "..."], geometry: Geometry) -> Annotated[Array, "..."]:
    """Apply ``geometry`` to an array ``(H, W)`` or ``(H, W, C)`` of any type; gives a new contiguous array.

    Raises:
        ValueError: an array of other dimensions, or without pixels.

    Examples:
        >>> flip_rotate(np.array([[1, 2], [3, 4]]), Geometry(flip_horizontal=True, quarter_turns=1)).tolist()
        [[1, 3], [2, 4]]
    """
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"expected an array (H, W) or (H, W, C) with pixels, got shape {array.shape}")
    height, width = array.shape[:2]
    flat = np.ascontiguousarray(array).reshape(height, -1).view(np.uint8)
    pixel_bytes = flat.shape[1] // width
    if pixel_bytes in _OPENCV_PIXEL_BYTES:
        moved = _flip_rotate_opencv(flat.reshape(height, width, pixel_bytes), geometry)
    else:
        moved = _flip_rotate_numpy(flat.view(np.dtype((np.void, pixel_bytes))), geometry).view(np.uint8)
    height, width = moved.shape[:2]
    return moved.reshape(height, -1).view(array.dtype).reshape(height, -1, *array.shape[2:])


def undo(array: Annotated[Array, "..."], geometry: Geometry) -> Annotated[Array, "..."]:
    """Invert ``flip_rotate`` exactly: ``undo(flip_rotate(x, g), g)`` equals ``x``.

    Examples:
        >>> geometry = Geometry(flip_vertical=True, quarter_turns=3)
        >>> undo(flip_rotate(np.array([[1, 2], [3, 4]]), geometry), geometry).tolist()
        [[1, 2], [3, 4]]
    """
    return flip_rotate(array, inverse(geometry))


def inverse(geometry: Geometry) -> Geometry:
    """Give what undoes a geometry.

    Examples:
        >>> inverse(Geometry(flip_vertical=True, quarter_turns=1))
        Geometry(flip_vertical=False, flip_horizontal=True, quarter_turns=3)
    """
    flips = (geometry.flip_vertical, geometry.flip_horizontal)
    # A flip before an odd number of quarter turns is the other flip after it.
    vertical, horizontal = flips[::-1] if geometry.quarter_turns % 2 else flips
    return Geometry(vertical, horizontal, -geometry.quarter_turns % 4)


def photometric(image: Image, *, strength: Strength, generator: np.random.Generator) -> Image:
    """Change an image's intensities at random, in this order: contrast and brightness, blur, noise.

    Args:
        image: ``(H, W, C)`` uint8.
        strength: the maximum of each change; ``free_rotation`` plays no part.
        generator: source of all draws.

    Returns:
        A new contiguous ``(H, W, C)`` uint8 array; intensities saturate at 0 and 255.

    Raises:
        ValueError: an image of another shape or type.

    Examples:
        >>> grey = np.full((1, 4, 1), 128, np.uint8)
        >>> changed = photometric(grey, strength=Strength(max_noise=3), generator=np.random.default_rng(0))
        >>> bool(125 <= changed.min() <= changed.max() <= 130)
        True
    """
    _check_image(image)
    height, width, channels = image.shape
    # OpenCV drops a last axis of size 1 and has a maximum of channels; a flat image has neither trouble.
    flat: Any = np.array(image, order="C").reshape(height, width * channels)
    if (table := draw_table(strength, generator)) is not None:
        flat = cv2.LUT(flat, table)
    radius_px = int(generator.integers(strength.max_blur_px, endpoint=True))
    if radius_px:
        flat = _blur(flat.reshape(image.shape), 2 * radius_px + 1).reshape(flat.shape)
    if strength.max_noise:
        _add_noise(flat.reshape(-1), strength.max_noise, generator)
    changed: Bytes = flat.reshape(image.shape)
    return changed


def draw_table(strength: Strength, generator: np.random.Generator) -> Annotated[Bytes, "256"] | None:
    """Draw contrast and brightness: the new intensity of each, uint8 (256,), or with probability one half None.

    Examples:
        >>> table = draw_table(Strength(brightness=20), np.random.default_rng(0))
        >>> np.unique(np.diff(table[30:220])).tolist()  # without contrast, all are moved alike
        [1]
    """
    if not generator.integers(2):
        return None
    gain = 1 + generator.uniform(-strength.contrast, strength.contrast)
    offset = generator.uniform(-strength.brightness, strength.brightness)
    table: Bytes = np.clip(np.rint(gain * np.arange(256) + offset), 0, 255).astype(np.uint8)
    return table


def _add_noise(intensities: Bytes, highest: int, generator: np.random.Generator) -> None:
    """Add whole numbers from [-highest, highest) to a flat array in place, saturating.

    In blocks, since the system's zeroing of fresh memory would cost more than the noise; and of 16 bits,
    since NumPy takes twice as long to draw numbers of 8.
    """
    for start in range(0, intensities.size, _NOISE_BLOCK):
        block = intensities[start : start + _NOISE_BLOCK]
        noise = generator.integers(-highest, highest, block.size, dtype=np.int16)
        # As a row, since what OpenCV makes of one axis depends on its version.
        cv2.add(block[None], noise[None], block[None], dtype=cv2.CV_8U)


def _blur(image: Bytes, side_px: int) -> Bytes:
    blocks: list[Any] = [
        # Sigma 0: OpenCV derives it from the kernel's side.
        cv2.GaussianBlur(np.ascontiguousarray(image[..., i : i + _BLUR_CHANNELS]), (side_px, side_px), 0)
        for i in range(0, image.shape[-1], _BLUR_CHANNELS)
    ]
    return blocks[0] if len(blocks) == 1 else np.dstack(blocks)


def _flip_rotate_opencv(pixels: Bytes, geometry: Geometry) -> Bytes:
    """Move ``(H, W, bytes of a pixel)``; some ten times as fast as NumPy for pixels of three bytes."""
    moved: Any = pixels
    if (geometry.flip_vertical, geometry.flip_horizontal) in _OPENCV_FLIPS:
        moved = cv2.flip(moved, _OPENCV_FLIPS[geometry.flip_vertical, geometry.flip_horizontal])
    if geometry.quarter_turns in _OPENCV_TURNS:
        moved = cv2.rotate(moved, _OPENCV_TURNS[geometry.quarter_turns])
    turned: Bytes = pixels.copy() if moved is pixels else moved
    return turned


def _flip_rotate_numpy(pixels: Array, geometry: Geometry) -> Array:
    """Move ``(H, W)`` of whole pixels."""
    pixels = pixels[:: -1 if geometry.flip_vertical else 1, :: -1 if geometry.flip_horizontal else 1]
    return np.array(np.rot90(pixels, geometry.quarter_turns), order="C")


def _check_image(image: Bytes) -> None:
    if image.ndim != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"expected an image (H, W, C) of type uint8, got shape {image.shape} of type {image.dtype}")
