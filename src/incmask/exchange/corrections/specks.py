"""Specks and holes merged into what surrounds them, so that a person has few shapes to look at."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import ndimage

from incmask.base.caller import either
from incmask.data.dataset import Scheme
from incmask.exchange.formats.sheets import LabelSheet
from incmask.exchange.names import LEAST_PX, UNSURE

UNSURE_TIMES = 4
"""An unsure region has to be so many times larger to stay: most are strips along an outline."""

_MOST_ROUNDS = 8
"""What is merged may leave new specks at its corners, and soon none."""


def merge_specks(ids: np.ndarray, *, hole_px: int = LEAST_PX, least_px: int = LEAST_PX) -> np.ndarray:
    """Give each region of fewer pixels the id of the nearest pixel of larger ones; where there are none, all stay.

    Regions hang together corner to corner, and those of the id 0 edge to edge, as holes do.

    Args:
        ids: uint8, (H, W).
        hole_px: pixels of a region of the id 0 that stays; 1: all stay.
        least_px: the same for all other ids.

    Returns:
        The same shape and type.

    Examples:
        >>> ids = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 2]], np.uint8)
        >>> merge_specks(ids, hole_px=2, least_px=2).tolist()
        [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    """
    for _ in range(_MOST_ROUNDS):
        specks = _specks(ids, hole_px, least_px)
        if not specks.any() or specks.all():
            break
        nearest = ndimage.distance_transform_edt(specks, return_distances=False, return_indices=True)
        ids = ids[tuple(nearest)]
    return ids


def _specks(ids: np.ndarray, hole_px: int, least_px: int) -> np.ndarray:
    """Tell which pixels lie in regions that are too small: bool, (H, W)."""
    specks = np.zeros(ids.shape, bool)
    for value in np.unique(ids):
        mask = (ids == value).astype(np.uint8)
        _, regions, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8 if value else 4)
        small = facts[:, cv2.CC_STAT_AREA] < (least_px if value else hole_px)
        small[0] = False  # everything else
        specks |= small[regions]
    return specks


@dataclass(frozen=True)
class Merged:
    """What merging specks changed.

    Attributes:
        least_px: pixels of a region that stayed.
        shapes_before, shapes_after: regions of an image, on the mean.
        changed_fraction: share of the pixels whose label is another than before, 0 to 1.
    """

    least_px: int
    shapes_before: float
    shapes_after: float
    changed_fraction: float

    def __str__(self) -> str:
        return (
            f"specks and holes of fewer than {self.least_px} pixels ({UNSURE}: {UNSURE_TIMES * self.least_px}) are "
            f"merged into what surrounds them: {self.shapes_after:.0f} shapes an image in place of "
            f"{self.shapes_before:.0f}, another label at {self.changed_fraction:.1%} of the pixels; "
            f"{either('--exact', 'least_px=1')} keeps all"
        )


class SpeckMerger:
    """Merges the specks and holes of each class, and those of the unsure pixels, and counts what that changes.

    Args:
        scheme: what labels mean.
        least_px: pixels of a region or hole that stays, 1: all; of an unsure region ``UNSURE_TIMES`` as many.
    """

    def __init__(self, scheme: Scheme, least_px: int):
        self._scheme, self._least_px = scheme, least_px
        self._num_images, self._num_pixels, self._num_changed, self._before, self._after = 0, 0, 0, 0, 0

    def merge(self, sheet: LabelSheet) -> LabelSheet:
        """Give the sheet of an image without its specks."""
        least_px = self._least_px
        if least_px == 1:
            return sheet
        layers = np.atleast_3d(sheet.label)
        merged = [merge_specks(layer, hole_px=least_px, least_px=least_px) for layer in np.moveaxis(layers, -1, 0)]
        unsure = merge_specks(sheet.unsure.view(np.uint8), hole_px=least_px, least_px=UNSURE_TIMES * least_px)
        label = np.stack(merged, axis=-1).reshape(sheet.label.shape)
        result = replace(sheet, label=label, unsure=unsure.view(bool))
        self._count(sheet, result)
        return result

    def merged(self) -> Merged | None:
        """Tell what was merged; None where nothing was to be."""
        if not self._num_images:
            return None
        before, after = self._before / self._num_images, self._after / self._num_images
        return Merged(self._least_px, before, after, self._num_changed / self._num_pixels)

    def _count(self, before: LabelSheet, after: LabelSheet) -> None:
        changed = before.uncorrected() != after.uncorrected()
        self._num_images += 1
        self._num_pixels += before.unsure.size
        self._num_changed += int(changed.reshape(*before.size, -1).any(-1).sum())
        self._before += self._num_shapes(before)
        self._after += self._num_shapes(after)

    def _num_shapes(self, sheet: LabelSheet) -> int:
        masks = (layer.mask.view(np.uint8) for layer in sheet.layers(self._scheme))
        return sum(cv2.connectedComponents(np.ascontiguousarray(mask), connectivity=8)[0] - 1 for mask in masks)
