"""The parts of images that are ranked: whole images, or crops of them, and how they lie over a stack's rows."""

from collections.abc import Sequence

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.experiment.record.images import StackImage

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


def spread(images: Sequence[StackImage], num: int) -> list[tuple[StackImage, ...]]:
    """Share images out over at most ``num`` groups of neighbours with about as many rows each."""
    total, before = sum(len(image.rows) for image in images), 0
    groups: list[list[StackImage]] = [[] for _ in range(num)]
    for image in images:
        groups[before * num // total].append(image)
        before += len(image.rows)
    return [tuple(group) for group in groups if group]
