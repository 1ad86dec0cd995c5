"""The parts of images that are ranked: whole images, or crops of them, and how they lie over a stack's rows."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate, pairwise

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.base.made import Made
from incmask.base.packed_texts import Texts
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
        self._begins = None if crop_px is None else _begins(len(each.regions(crop_px)) for each in images)

    @cached_property
    def _names(self) -> Texts:
        # Of an image that is made anew, all but its name would be for nothing.
        return Texts(image.name for image in self._images)

    def __len__(self) -> int:
        return len(self._images) if self._begins is None else self._begins[-1]

    def begin(self, image: int) -> int:
        """Give the number of the first region of the image at a place."""
        return image if self._begins is None else self._begins[image]

    def _at(self, place: int) -> Region:
        if self._begins is None:
            return Region(self._names[place], None)
        number = bisect_right(self._begins, place) - 1
        image = self._images[number]
        return Region(image.name, image.regions(self._crop_px)[place - self._begins[number]])


def _begins(sizes: Iterable[int]) -> "array[int]":
    return array("Q", accumulate(sizes, initial=0))
