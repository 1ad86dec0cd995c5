"""Mask files as they are: which values occur in them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.errors import fail
from incmask.data.dataset import Colour
from incmask.data.images.decode import Raster, decode, read_bytes

MAX_COLOURS = 64
"""A mask with more colours is no drawing of classes."""


@dataclass(frozen=True)
class MaskFacts:
    """What occurs in a mask file.

    Attributes:
        path: the file.
        height: rows.
        width: columns.
        is_colour: the file is no single channel and its channels differ.
        counts: pixels of each value; of an indexed file, of each index; of a file in colours, of each
            colour packed into one number.
        palette: colour of each index; None where the file is not indexed.
        is_lossy: the file is a JPEG or the like, whose values are not the ones that were drawn.
    """

    path: Path
    height: int
    width: int
    is_colour: bool
    counts: dict[int, int]
    palette: tuple[Colour, ...] | None
    is_lossy: bool


def mask_facts(path: Path) -> MaskFacts:
    """Read a mask file and count its values.

    Raises:
        IncmaskError: the file is no image, broken, too large, of several pages, or has values that no
            mask can have.
    """
    raster = decode(path, read_bytes(path))
    values = raster.values
    if values.ndim == 3 and values.shape[2] != 3:
        raise fail(path, f"has {values.shape[2]} channels; a mask is grey, indexed or RGB", "export it as a grey PNG")
    is_colour = values.ndim == 3 and bool((values != values[..., :1]).any())
    if is_colour:
        counts = _count(pack_colours(values))
    else:
        values = grey_values(raster)
        with np.errstate(invalid="ignore"):
            whole = values if values.dtype.kind in "ui" else values.astype(np.int64)
        if (whole != values).any() or whole.min() < 0 or whole.max() >= 1 << 16:
            raise fail(
                path,
                f"has values from {values.min():g} to {values.max():g} that are no whole numbers from 0 to 65535",
                "export the mask with a whole number for each class",
            )
        counts = _count(whole)
    palette = None if raster.palette is None else tuple(_colour(row) for row in raster.palette)
    height, width = values.shape[:2]
    return MaskFacts(path, height, width, is_colour, counts, palette, raster.is_lossy)


def _colour(row: np.ndarray) -> Colour:
    red, green, blue = row.tolist()
    return (red, green, blue)


def _count(values: np.ndarray) -> dict[int, int]:
    # Masks are flat areas: sorting the runs of equal values is far quicker than sorting the pixels.
    flat = values.ravel()
    starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    lengths = np.diff(np.append(starts, len(flat)))
    found, place = np.unique(flat[starts], return_inverse=True)
    return dict(zip(found.tolist(), np.bincount(place, weights=lengths).astype(int).tolist(), strict=True))


def unpack_colour(packed: int) -> Colour:
    """Give the RGB colour of a number of ``pack_colours``."""
    return (packed >> 16, packed >> 8 & 255, packed & 255)


def grey_values(raster: Raster) -> np.ndarray:
    """Give the (H, W) values of a mask that is grey, whether stored with one channel or several."""
    return raster.values if raster.values.ndim == 2 else raster.values.max(axis=2)


def pack_colours(colours: np.ndarray) -> np.ndarray:
    """Pack (..., 3) uint8 colours, or (H, W) grey values, into one uint32 each: red·65536 + green·256 + blue."""
    if colours.dtype == np.uint16:
        colours = colours >> 8
    if colours.ndim == 2:
        return colours.astype(np.uint32) * np.uint32(0x010101)
    wide = colours.astype(np.uint32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def pack_colour(colour: Colour) -> int:
    """Give one colour as ``pack_colours`` does."""
    red, green, blue = colour
    return red << 16 | green << 8 | blue
