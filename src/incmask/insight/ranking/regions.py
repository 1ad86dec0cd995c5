"""The parts of images that are ranked: whole images, or crops of them, and how they lie over a stack's rows."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.base.made import Made
from incmask.experiment.record.images import StackImage
from incmask.insight.ranking.rows import Region

LEAST_CROP_PX = 16


def check_crop(crop_px: int | None) -> None:
    """Refuse crops that show next to nothing.

    Raises:
        IncmaskError: fewer than 16 pixels.
    """
    if crop_px is not None and crop_px < LEAST_CROP_PX:
        raise fail(
            option("crops"), f"got {crop_px}, expected {LEAST_CROP_PX} pixels or more", f"use {option('crops', 256)}"
        )


def spread(images: Sequence[StackImage], num: int) -> list[range]:
    """Share images out over at most ``num`` groups of neighbours with about as many rows each; give their places."""
    total, before = sum(len(image.rows) for image in images), 0
    begins, group = list[int](), -1
    for place, image in enumerate(images):
        if before * num // total > group:
            begins.append(place)
            group = before * num // total
        before += len(image.rows)
    return [range(first, last) for first, last in pairwise([*begins, len(images)])]


class Regions(Made[Region]):
    """The regions of images one after the other, whole images or their crops; each is made when it is asked for.

    Args:
        images: in order.
        crop_px: side of the crops; None: whole images.
    """

    def __init__(self, images: Sequence[StackImage], crop_px: int | None):
        self._images, self._crop_px = images, crop_px
        self._ends = array("Q", accumulate(1 if crop_px is None else len(each.regions(crop_px)) for each in images))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def begin(self, image: int) -> int:
        """Give the number of the first region of the image at a place."""
        return self._ends[image - 1] if image else 0

    def _at(self, place: int) -> Region:
        number = bisect_right(self._ends, place)
        image = self._images[number]
        crop = image.regions(self._crop_px)[place - self.begin(number)] if self._crop_px else None
        return Region(image.name, crop)
