"""Masks: their pixels as class ids, and the values that occur in a file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.data.dataset import IGNORED, ClassInfo, Colour, Dataset, Item, MaskEncoding
from incmask.data.decode import Raster, decode, read_bytes
from incmask.errors import fail

MAX_COLOURS = 64
"""A mask with more colours is no drawing of classes."""

_OUTSIDE = 254


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
        is_lossy: the file is a JPEG, whose values are not the ones that were drawn.
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
    content = read_bytes(path)
    raster = decode(path, content)
    values = raster.values
    if values.ndim == 3 and values.shape[2] != 3:
        raise fail(path, f"has {values.shape[2]} channels; a mask is grey, indexed or RGB", "export it as a grey PNG")
    is_colour = values.ndim == 3 and bool((values != values[..., :1]).any())
    if is_colour:
        counts = _count(pack_colours(values))
    else:
        values = grey_values(raster)
        with np.errstate(invalid="ignore"):
            whole = values.astype(np.int64)
        if (whole != values).any() or whole.min() < 0 or whole.max() >= 1 << 16:
            raise fail(
                path,
                f"has values from {values.min():g} to {values.max():g} that are no whole numbers from 0 to 65535",
                "export the mask with a whole number for each class",
            )
        counts = _count(whole)
    palette = None if raster.palette is None else tuple(_colour(row) for row in raster.palette)
    height, width = values.shape[:2]
    return MaskFacts(path, height, width, is_colour, counts, palette, content.startswith(b"\xff\xd8"))


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


def read_label(item: Item, dataset: Dataset) -> np.ndarray:
    """Read the masks of ``item`` as class ids.

    Returns:
        uint8: (H, W) with 0 or 1 for binary and 0 to K-1 for multiclass; (H, W, K) with 0 or 1 for
        multilabel; 255 where a pixel is ignored.

    Raises:
        IncmaskError: the item has no masks, a file is broken or of another size, or holds values outside the classes.
    """
    if item.masks is None:
        raise fail(item.image, "has no mask", "give it one, or use it as an unlabelled image")
    encoding = dataset.encoding
    if encoding.kind == "folders":
        channels = [
            np.zeros((item.height, item.width), np.uint8) if path is None else _read_folder_mask(path, encoding)
            for path in item.masks
        ]
        label = channels[0] if dataset.task == "binary" else np.stack(channels, axis=2)
        where: object = item.image
    else:
        (path,) = item.masks
        assert path is not None, "only folders leave out masks"
        where = path
        raster = decode(path, read_bytes(path))
        first_id = 1 if dataset.task == "binary" else 0
        if encoding.kind == "colour":
            label = _label_of_colours(raster, dataset.classes, encoding, first_id=first_id)
        else:
            label = _label_of_values(raster, dataset.classes, encoding, first_id=first_id)
        if (label == _OUTSIDE).any():
            raise fail(path, "has pixels outside the classes", "run `incmask check` to see which")
    if label.shape[:2] != (item.height, item.width):
        raise fail(
            where,
            f"has a mask of {label.shape[1]}×{label.shape[0]} pixels for an image of {item.width}×{item.height}",
            "export the mask in the image's size",
        )
    return label


def _read_folder_mask(path: Path, encoding: MaskEncoding) -> np.ndarray:
    values = grey_values(decode(path, read_bytes(path)))
    label = (values != 0).astype(np.uint8)
    if encoding.ignore is not None:
        label[values == encoding.ignore] = IGNORED
    return label


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


def _label_of_colours(
    raster: Raster, classes: tuple[ClassInfo, ...], encoding: MaskEncoding, *, first_id: int
) -> np.ndarray:
    packed = pack_colours(raster.to_colour())
    label = np.full(packed.shape, _OUTSIDE, np.uint8)
    if first_id == 1:
        label[packed == 0] = 0
    for class_id, info in enumerate(classes, start=first_id):
        label[packed == pack_colours(np.asarray(info.value))] = class_id
    if encoding.ignore is not None:
        label[packed == pack_colours(np.asarray(encoding.ignore))] = IGNORED
    return label


def _label_of_values(
    raster: Raster, classes: tuple[ClassInfo, ...], encoding: MaskEncoding, *, first_id: int
) -> np.ndarray:
    values = grey_values(raster)
    table = np.full(1 << 16, _OUTSIDE, np.uint8)
    if first_id == 1:
        table[0] = 0
    for class_id, info in enumerate(classes, start=first_id):
        assert isinstance(info.value, int), "grey masks have numbers"
        table[info.value] = class_id
    if isinstance(encoding.ignore, int):
        table[encoding.ignore] = IGNORED
    if values.dtype != np.uint8:
        with np.errstate(invalid="ignore"):
            wide = values.astype(np.int64)
        # 65535 may be a class; what fits no 16 bits cannot be, and takes the place of a value that is free.
        outside = (wide != values) | (wide < 0) | (wide >= len(table))
        label = table[np.where(outside, 0, wide)]
        label[outside] = _OUTSIDE
        return label
    return table[values]
