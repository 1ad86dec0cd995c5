"""Objects that networks cannot see, since images are made so small for them that hardly a pixel is left."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from incmask.base.caller import option
from incmask.base.words import counted
from incmask.data.dataset import Dataset, Item
from incmask.data.doctor.finding import Finding, label_of, worst_first
from incmask.method.labels import labels_of

LEAST_SIDE_PX = 2.0
"""An object of a smaller side, the root of its area, may fall between the pixels."""
_LEAST_SHARE, _LEAST_NUM = 0.1, 3
_LARGEST_SIZE_PX = 1024
_NETWORK_STEP_PX = 16


@dataclass(frozen=True)
class Sides:
    """Sides of the objects of one class on one image, in pixels of the file, and what a pixel becomes."""

    item: Item
    sides: np.ndarray
    scale: float

    @property
    def is_tiny(self) -> np.ndarray:
        """Which of them vanish; those that are no larger in the file are as they were drawn."""
        return np.asarray((self.sides >= LEAST_SIDE_PX) & (self.sides * self.scale < LEAST_SIDE_PX))


def object_sides(label: np.ndarray, dataset: Dataset) -> list[np.ndarray]:
    """Give the side of each object, a connected area, by class; of the ground, none.

    Args:
        label: as ``read_label`` gives it.
        dataset: tells what it means.
    """
    known, num_classes = labels_of(dataset.task), len(dataset.classes)
    sides = [np.zeros(0)] * num_classes
    for number in known.object_classes(num_classes):
        plane = known.class_pixels(label, number).astype(np.uint8)
        areas = cv2.connectedComponentsWithStats(plane, connectivity=8)[2][1:, cv2.CC_STAT_AREA]
        sides[number] = np.sqrt(areas)
    return sides


def scale_of(item: Item, size: tuple[int, int]) -> float:
    """Tell how many pixels a side of one pixel becomes where the image is brought to ``size``."""
    return math.sqrt(size[0] * size[1] / (item.height * item.width))


def tiny_finding(name: str, found: Sequence[Sides], size: tuple[int, int]) -> Finding | None:
    """Tell of a class of which many objects vanish.

    Args:
        name: of the class.
        found: its objects on each image.
        size: height and width of the networks' input.
    """
    num = sum(len(each.sides) for each in found)
    num_tiny = sum(int(each.is_tiny.sum()) for each in found)
    if num_tiny < max(_LEAST_NUM, _LEAST_SHARE * num):
        return None
    what = (
        f"{num_tiny:,} of {counted(num, 'object')} of class {name} ({100 * num_tiny / num:.0f} %) are smaller than "
        f"{LEAST_SIDE_PX:g}×{LEAST_SIDE_PX:g} pixels at {size[0]}×{size[1]}, the networks' size, and vanish"
    )
    files = [label_of("labelled", each.item) for each in found]
    tiny = [int(each.is_tiny.sum()) for each in found]
    worst = worst_first([file for file, count in zip(files, tiny, strict=True) if count], [c for c in tiny if c])
    return Finding("tiny_objects", "warning", worst, num_tiny / num, what, _remedy(found, size))


def _remedy(found: Sequence[Sides], size: tuple[int, int]) -> str:
    """Name the least size at which most objects are seen, where that is no larger than images and networks are."""
    sides = np.concatenate([each.sides * each.scale for each in found])
    factor = LEAST_SIDE_PX / np.quantile(sides, _LEAST_SHARE)
    wanted = [math.ceil(side * factor / _NETWORK_STEP_PX) * _NETWORK_STEP_PX for side in size]
    tiles = f"cut tiles at full resolution: {option('fit', 'tile')}"
    if max(wanted) > _LARGEST_SIZE_PX or factor * min(each.scale for each in found) > 1:
        return tiles
    return f"train on larger images: {option('size', wanted)}, or {tiles}"
