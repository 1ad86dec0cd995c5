"""What the rest reads of a data set: images as the network sees them, and labels as class ids."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.caller import command
from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo, Dataset, Item, MaskEncoding
from incmask.data.images.decode import Raster
from incmask.data.images.files import read_raster
from incmask.data.images.intensity import FULL_16_BITS, as_intensities, below_full_of, limits_of, to_network_range
from incmask.data.images.masks import facts_of, foreground_of, grey_values, is_soft, mask_raster, pack_colours
from incmask.data.images.nearest import snap
from incmask.data.images.sketch import Sketch, sketch_of
from incmask.data.images.targets import read_target
from incmask.data.volumes.grid import Grid
from incmask.method.labels import labels_of

_OUTSIDE = 254


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a scan keeps of an image.

    Attributes:
        height: rows as displayed.
        width: columns as displayed.
        channels: channels without alpha.
        dtype: NumPy's name of the type.
        digest: of its pixels, as ``pixel_digest`` gives it.
        turned: its orientation turns the stored image by 90°.
        sketch: what it looks like.
        extra: it has an alpha channel.
        has_drawn_alpha: which tells pixels apart.
        limits: the intensities that become 0 and 255 by default; None for 8 bits.
        extent: its lowest and its highest intensity; None for 8 bits.
        below_full: the highest intensity but for the highest there can be in 16 bits, where that lies far above; None
            where it does not.
        grid: of a volume; None: it is an image.
    """

    height: int
    width: int
    channels: int
    dtype: str
    digest: str | None
    turned: bool
    sketch: Sketch
    extra: bool = False
    has_drawn_alpha: bool = False
    limits: tuple[float, float] | None = None
    extent: tuple[float, float] | None = None
    below_full: float | None = None
    grid: Grid | None = None


def read_image(path: Path) -> np.ndarray:
    """Read an image as displayed: its orientation applied, palettes as RGB, alpha left out; of a volume the sheet.

    Returns:
        (H, W, C), as ``as_intensities`` gives it: uint8, uint16 or float32, NaN where there is no data.

    Raises:
        IncmaskError: the file is no image, broken, too large, of several pages, without data, or drawn in its alpha
            channel alone.
    """
    return image_of(path, read_raster(path))


def image_of(path: object, raster: Raster, *, channels: int | None = None) -> np.ndarray:
    """Give a decoded file as ``read_image`` does; with its alpha channel where that makes ``channels``."""
    values = np.atleast_3d(raster.to_colour())
    if raster.alpha is not None and channels == values.shape[2] + 1:
        values = np.dstack([values, raster.alpha])
    elif raster.has_drawn_alpha and (values == values[0, 0]).all():
        what = "is of one colour, and what it shows stands in its alpha channel"
        raise fail(path, what, "save it without transparency, as it is seen on a background")
    image = as_intensities(values, no_data=raster.no_data, missing=raster.missing)
    if image.dtype.kind == "f" and np.isnan(image).all():
        raise fail(path, "has no data at any pixel: NaN, infinite or no-data values alone", "take it out of the folder")
    return image


def image_facts(path: Path) -> ImageFacts:
    """Read an image to find out about it; raises as ``read_image`` does."""
    raster = read_raster(path)
    image = image_of(path, raster)
    height, width, channels = image.shape
    limits = _outer(limits_of(image)) if image.dtype != np.uint8 else None
    return ImageFacts(
        height,
        width,
        channels,
        sys.intern(str(image.dtype)),
        pixel_digest(image),
        raster.turned,
        sketch_of(image, limits),
        has_drawn_alpha=raster.has_drawn_alpha,
        extra=raster.alpha is not None,
        limits=limits,
        extent=None if limits is None else (float(np.nanmin(image)), float(np.nanmax(image))),
        below_full=below_full_of(image) if limits is not None and limits[1] == FULL_16_BITS else None,
        grid=raster.grid,
    )


def _outer(limits: list[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in limits), max(high for _, high in limits)


def pixel_digest(image: np.ndarray) -> str | None:
    """Give the SHA-256 of what an image shows: the same for equal images, whatever files they come from.

    Args:
        image: (H, W, C); three equal channels count as one.

    Returns:
        None for an image of a single colour, such as an empty slice: that others are as empty says nothing.
    """
    if image.shape[2] == 3 and _repeats(image[0]) and _repeats(image):
        image = image[..., :1]
    # Rows first, which tell nearly always.
    if (image[0] == image[0, 0]).all() and (image == image[0, 0]).all():
        return None
    digest = hashlib.sha256(f"{image.dtype} {image.shape}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _repeats(pixels: np.ndarray) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def read_network_image(path: Path, *, channels: int, intensity: tuple[float, float] | None = None) -> np.ndarray:
    """Read an image as the network sees it, or of a volume the sheet; see ``network_image``."""
    raster = read_raster(path)
    return network_image(path, raster, channels=channels, intensity=intensity)


def network_image(
    path: object, raster: Raster, *, channels: int, intensity: tuple[float, float] | None = None
) -> np.ndarray:
    """Give a decoded file as the network sees it: ``image_of``, then ``to_network_range``; (H, W, channels) uint8.

    An alpha channel is left out, unless the network sees as many channels as there are with it.
    """
    return to_network_range(image_of(path, raster, channels=channels), channels, intensity=intensity, where=path)


def read_label(item: Item, dataset: Dataset) -> np.ndarray:
    """Read the masks of ``item`` as class ids.

    Returns:
        uint8: (H, W) with 0 or 1 for binary and 0 to K-1 for multiclass; (H, W, K) with 0 or 1 for
        multilabel; 255 where a pixel is ignored. Numbers as ``read_target`` gives them.

    Raises:
        IncmaskError: the item has no masks, a file is broken or of another size, or holds values outside the classes.
    """
    if item.masks is None:
        raise fail(item.image, "has no mask", "give it one, or use it as an unlabelled image")
    encoding = dataset.encoding
    if dataset.target is not None:
        (where,) = item.masks
        assert where is not None, "a target is one file"
        label = read_target(where, dataset.task)
    elif encoding.kind == "folders":
        channels = [
            np.zeros((item.height, item.width), np.uint8) if path is None else _read_folder_mask(path, encoding)
            for path in item.masks
        ]
        label = channels[0] if labels_of(dataset.task).is_one_class else np.stack(channels, axis=2)
        where = item.image
    else:
        (path,) = item.masks
        assert path is not None, "only folders leave out masks"
        where = path
        raster = mask_raster(path)
        first_id = 1 if labels_of(dataset.task).is_one_class else 0
        if encoding.kind == "colour":
            label = _label_of_colours(raster, dataset.classes, encoding, first_id=first_id, where=path)
        else:
            label = _label_of_values(raster, dataset.classes, encoding, first_id=first_id)
        if (label == _OUTSIDE).any():
            raise fail(path, "has pixels outside the classes", f"{command('check')} tells which")
    if label.shape[:2] != (item.height, item.width):
        raise fail(
            where,
            f"has a mask of {label.shape[1]}×{label.shape[0]} pixels for an image of {item.width}×{item.height}",
            "export the mask in the image's size",
        )
    return label


def _read_folder_mask(path: Path, encoding: MaskEncoding) -> np.ndarray:
    raster = mask_raster(path)
    values = grey_values(raster)
    is_blurred = encoding.ignore is None and is_soft(facts_of(path, raster))
    label: np.ndarray = foreground_of(values, is_blurred=is_blurred).astype(np.uint8)
    if encoding.ignore is not None:
        label[values == encoding.ignore] = IGNORED
    return label


def _label_of_colours(
    raster: Raster, classes: tuple[ClassInfo, ...], encoding: MaskEncoding, *, first_id: int, where: object
) -> np.ndarray:
    packed = pack_colours(raster.to_colour())
    if encoding.nearest:
        known = [info.value for info in classes] + [encoding.ignore] * (encoding.ignore is not None)
        keys = {int(pack_colours(np.asarray(value))) for value in known} | ({0} if first_id == 1 else set())
        packed = snap(packed, sorted(keys), where=where)
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
        label: np.ndarray = table[np.where(outside, 0, wide)]
        label[outside] = _OUTSIDE
        return label
    return np.asarray(table[values])
