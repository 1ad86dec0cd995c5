"""Images that are masks: put into the wrong folder, or a folder of masks taken for that of the images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.words import counted
from incmask.data.dataset import PARTS, Item
from incmask.data.doctor.finding import Finding, how_to_fix, label_of
from incmask.data.images.masks import grey_values, mask_raster
from incmask.data.images.readers import ImageFacts, read_image

_MOST_FLAT = 0.5
"""Where more images than these are drawings, such as scanned letters, the network is to learn from drawings."""


@dataclass(frozen=True)
class MaskAsImage:
    """An image that is a mask; ``is_own``: it is that of its own, value by value."""

    part: str
    item: Item
    is_own: bool


def masks_as_images(items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts]) -> tuple[MaskAsImage, ...]:
    """Find images of few values in areas that are told by their masks, or that are few among other images."""
    flat = [(part, item) for part in PARTS for item in items[part] if images[item.image].sketch.is_flat]
    own = {item.image for _, item in flat if item.masks is not None and _is_own_mask(item)}
    are_few = len(flat) <= _MOST_FLAT * sum(len(items[part]) for part in PARTS)
    return tuple(MaskAsImage(part, item, item.image in own) for part, item in flat if are_few or item.image in own)


def _is_own_mask(item: Item) -> bool:
    """Tell whether each value of an image has a value of its mask, and each value of the mask one of the image."""
    paths = [path for path in item.masks or () if path is not None]
    image = _numbered(read_image(item.image).reshape(item.height * item.width, -1))
    for path in paths:
        mask = _numbered(grey_values(mask_raster(path)).reshape(-1, 1))
        if len(mask) == len(image):
            pairs = len(np.unique(image * (int(mask.max()) + 1) + mask))
            if pairs == mask.max() + 1 == image.max() + 1 > 1:
                return True
    return False


def _numbered(pixels: np.ndarray) -> np.ndarray:
    """Number the values that occur, (N, C) to (N,)."""
    return np.asarray(np.unique(pixels, axis=0, return_inverse=True)[1]).reshape(-1)


def mask_as_image_findings(found: Sequence[MaskAsImage], num_images: int) -> Iterator[Finding]:
    """Tell of images that are masks."""
    if not found:
        return
    num_own = sum(each.is_own for each in found)
    own = f", {num_own} of them equal to their own masks" if num_own else ""
    what = (
        f"{counted(len(found), 'image')} of {num_images:,} look like masks, of few values in even areas{own}, so that "
        "nothing is learnt from them"
    )
    files = [label_of(each.part, each.item) for each in sorted(found, key=lambda each: not each.is_own)]
    remedy = f"put the images in their place, or have {how_to_fix()} leave them out"
    yield Finding("masks_as_images", "warning", tuple(files), len(found) / num_images, what, remedy)
