"""What the rest reads of a data set: images as the network sees them, and labels as class ids."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo, Dataset, Item, MaskEncoding
from incmask.data.images.decode import Raster, decode, read_bytes
from incmask.data.images.masks import grey_values, pack_colours
from incmask.method.labels import labels_of

_OUTSIDE = 254
PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True)
class ImageFacts:
    """What a scan keeps of an image.

    Attributes:
        height: rows as displayed.
        width: columns as displayed.
        channels: channels without alpha.
        dtype: NumPy's name of the type.
        digest: of its pixels, as ``pixel_digest`` gives it.
        turned: EXIF turns the stored image by 90°.
    """

    height: int
    width: int
    channels: int
    dtype: str
    digest: str | None
    turned: bool


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


def image_facts(path: Path) -> ImageFacts:
    """Read an image to find out about it; raises as ``read_image`` does."""
    raster = decode(path, read_bytes(path))
    image = image_of(path, raster)
    height, width, channels = image.shape
    return ImageFacts(height, width, channels, str(image.dtype), pixel_digest(image), raster.turned)


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
        low, high = np.percentile(image, PERCENTILES, axis=axes)
    span = np.asarray(high, np.float64) - np.asarray(low, np.float64)
    scale = np.divide(255.0, span, out=np.zeros_like(span), where=span > 0)
    # In double precision, since intensities may be of any magnitude.
    scaled = (image.astype(np.float64) - low) * scale
    grey: np.ndarray = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return grey


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
        label = channels[0] if labels_of(dataset.task).is_one_class else np.stack(channels, axis=2)
        where: object = item.image
    else:
        (path,) = item.masks
        assert path is not None, "only folders leave out masks"
        where = path
        raster = decode(path, read_bytes(path))
        first_id = 1 if labels_of(dataset.task).is_one_class else 0
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
    label: np.ndarray = (values != 0).astype(np.uint8)
    if encoding.ignore is not None:
        label[values == encoding.ignore] = IGNORED
    return label


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
        label: np.ndarray = table[np.where(outside, 0, wide)]
        label[outside] = _OUTSIDE
        return label
    return np.asarray(table[values])
