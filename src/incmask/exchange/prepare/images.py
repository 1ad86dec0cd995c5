"""Images and masks of the owners' data sets: read, and resized as a whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from incmask.base.described import callable_by_job
from incmask.base.errors import fail
from incmask.data.dataset import PartName
from incmask.data.images.masks import grey_values
from incmask.data.images.readers import network_image
from incmask.exchange.formats.common import read_mask, read_raster
from incmask.exchange.prepare.plan import Destination, Example, Work
from incmask.exchange.sources.archives import SourceFile

REFUSED = 254
"""In the ids of ``resized``: a value that no mask may hold. No data set has so many ids."""

_TOLD_AT_MOST = 10


@dataclass(frozen=True)
class SourcePair:
    """An image and its mask."""

    image: SourceFile
    mask: SourceFile


@callable_by_job
def resized(
    place: Destination, pair: SourcePair, *, size: tuple[int, int], area: bool, ids: bytes
) -> Iterator[Example]:
    """Make one example of an image and its mask, each resized as a whole.

    Args:
        place: where they go.
        pair: their files.
        size: height and width.
        area: as in ``resize_image``.
        ids: for each of the 256 values of the mask, its id, 255 for no label, or ``REFUSED``.

    Raises:
        IncmaskError: a file is damaged, their sizes differ, or the mask holds a value that is refused.
    """
    image, values = read_rgb(pair.image), read_values(pair.mask)
    if image.shape[:2] != values.shape:
        (height, width), (rows, columns) = image.shape[:2], values.shape
        what = f"has {columns}×{rows} pixels for an image of {width}×{height}"
        raise fail(pair.mask.where, what, "download image and mask again from their owner")
    label = np.frombuffer(ids, np.uint8)[values]
    if (label == REFUSED).any():
        strange = ", ".join(map(str, np.unique(values[label == REFUSED])[:_TOLD_AT_MOST].tolist()))
        what = f"holds the values {strange}, which its owner's masks do not have"
        raise fail(pair.mask.where, what, "use the masks as their owner distributes them")
    yield Example(place, resize_image(image, size, area=area), resize_label(label, size))


def resized_pairs(
    parts: Mapping[PartName, Mapping[str, SourcePair]], *, size: tuple[int, int], paper: bool, ids: bytes
) -> tuple[Work, ...]:
    """Give the work of all parts, as ``resized`` does it: by area, or in the paper's way."""
    make = partial(resized, size=size, area=not paper, ids=ids)
    pairs = {Destination(part, name): pair for part, of_part in parts.items() for name, pair in of_part.items()}
    return tuple(Work((place,), partial(make, place, pair)) for place, pair in pairs.items())


def resized_note(size: tuple[int, int], *, paper: bool) -> str:
    """Say how ``resized_pairs`` resizes."""
    how = "bilinearly" if paper else "by area"
    return f"resized to {size[0]}×{size[1]}: images {how}, masks to the nearest pixel"


def read_rgb(entry: SourceFile) -> np.ndarray:
    """Read an image in colours.

    Returns:
        (H, W, 3) uint8, as displayed; more than 8 bits are scaled as ``to_network_range`` does.

    Raises:
        IncmaskError: no image, broken, too large, or of other channels than 1 or 3.
    """
    return _read_image(entry, 3)


def read_grey(entry: SourceFile) -> np.ndarray:
    """Read an image in grey.

    Returns:
        (H, W) uint8, as displayed; colours become their luma, more than 8 bits are scaled.

    Raises:
        IncmaskError: as ``read_rgb``.
    """
    return _read_image(entry, 1)[..., 0]


def _read_image(entry: SourceFile, channels: int) -> np.ndarray:
    return network_image(entry.where, read_raster(entry), channels=channels)


def read_values(entry: SourceFile) -> np.ndarray:
    """Read a mask exactly as its values stand in the file.

    Returns:
        (H, W) uint8; indices where the file has a palette.

    Raises:
        IncmaskError: no image, broken, too large, in colours, or with values beyond 0 to 255.
    """
    path = entry.where
    raster = read_mask(entry)
    values = grey_values(raster)
    if raster.values.ndim == 3 and (raster.values != values[..., None]).any():
        raise fail(path, "is in colours where a mask of grey values is expected", "download it again from its owner")
    if values.dtype == np.uint8:
        return values
    narrow = np.clip(values, 0, 255).astype(np.uint8)
    if (narrow != values).any():
        what = f"has values from {values.min()} to {values.max()} where 0 to 255 are expected"
        raise fail(path, what, "download it again from its owner")
    return narrow


def resize_image(image: np.ndarray, size: tuple[int, int], *, area: bool) -> np.ndarray:
    """Resize an image.

    Args:
        image: (H, W) or (H, W, C) uint8, C up to 4.
        size: height and width.
        area: where it shrinks, each pixel becomes the mean of the area it covers, which leaves no false
            patterns (ours); else bilinear between four pixels, as in the paper. Enlarging is always bilinear.

    Returns:
        uint8 with as many dimensions as ``image``.
    """
    height, width = size
    resized = image
    if area:
        shrunk = min(height, image.shape[0]), min(width, image.shape[1])
        resized = _resize(resized, shrunk, cv2.INTER_AREA)
    return _resize(resized, size, cv2.INTER_LINEAR).reshape(height, width, *image.shape[2:])


def resize_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label: each pixel takes the value of the pixel that holds its centre; nothing is mixed.

    A centre between two pixels takes one of them, always the same.

    Args:
        label: (H, W) or (H, W, K) uint8.
        size: height and width.

    Returns:
        uint8 with as many dimensions as ``label``.
    """
    return _resize(label, size, cv2.INTER_NEAREST_EXACT).reshape(*size, *label.shape[2:])


def _resize(values: np.ndarray, size: tuple[int, int], how: int) -> np.ndarray:
    if values.shape[:2] == size:
        return values
    return cv2.resize(np.ascontiguousarray(values), size[::-1], interpolation=how)
