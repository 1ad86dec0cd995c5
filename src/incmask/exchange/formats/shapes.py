"""Outlines and runs to masks, and annotations to labels; ``objects`` is the way back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from incmask.base.config import IGNORED, Task
from incmask.base.errors import fail
from incmask.data.images.decode import MAX_PIXELS
from incmask.method.labels import labels_of

_THICK = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Box:
    """Pixels from ``top`` to before ``bottom`` and from ``left`` to before ``right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """Give height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def is_empty(self) -> bool:
        """Tell whether it holds no pixel."""
        return self.bottom <= self.top or self.right <= self.left

    def is_beyond(self, image: "Box") -> bool:
        """Tell whether it lies outside an image, and does not so much as touch it."""
        return (
            self.top >= image.bottom or self.left >= image.right or self.bottom < image.top or self.right < image.left
        )

    def seen_from(self, other: "Box") -> tuple[slice, slice]:
        """Give the rows and columns that it takes in an array of the pixels of ``other``, in which it lies."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )

    def within(self, other: "Box") -> "Box":
        """Give what both hold."""
        return Box(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )


class Area(Protocol):
    """A set of pixels."""

    @property
    def box(self) -> Box:
        """What bounds it; may reach beyond the image."""

    def draw(self, box: Box) -> np.ndarray:
        """Give the part of it inside ``box``: bool of that size."""


@dataclass(frozen=True, eq=False)
class Polygon:
    """The pixels whose centre an odd number of rings encloses: an outline and its holes.

    Corners are in the continuous coordinates of annotation tools: pixel (row, column) reaches from
    (column, row) to (column + 1, row + 1), and its centre lies in the middle. So a rectangle of 4×3 covers 12
    pixels, and polygons that share an edge share no pixel. ``cv2.fillPoly`` instead rounds corners to whole pixels
    and counts all pixels that an outline touches as inside, by which small objects grow and neighbours overlap.

    Attributes:
        rings: (n, 2) float64 of x and y each, finite; closed by themselves.
    """

    rings: tuple[np.ndarray, ...]

    @property
    def box(self) -> Box:
        """What bounds it."""
        corners = np.concatenate(self.rings)
        (left, top), (right, bottom) = _to_pixel(corners.min(axis=0)), _to_pixel(corners.max(axis=0))
        return Box(int(top), int(left), int(bottom), int(right))

    def draw(self, box: Box) -> np.ndarray:
        """Give the part of it inside ``box``, by the even-odd rule."""
        height, width = box.size
        starts = np.concatenate(self.rings)
        ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in self.rings])
        # Edges run downwards, so that one which two polygons share is computed alike for both.
        upward = (starts[:, 1] > ends[:, 1])[:, None]
        (x0, y0), (x1, y1) = np.where(upward, ends, starts).T, np.where(upward, starts, ends).T
        first = np.clip(_to_pixel(y0), box.top, box.bottom)
        lengths = np.maximum(np.clip(_to_pixel(y1), box.top, box.bottom) - first, 0)
        edge = np.repeat(np.arange(len(lengths)), lengths)
        rows = np.arange(len(edge)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[edge]
        share = (rows + 0.5 - y0[edge]) / (y1 - y0)[edge]
        columns = np.clip(_to_pixel(x0[edge] + share * (x1 - x0)[edge]), box.left, box.right)
        # From where a row crosses an edge, what was outside is inside and the other way round.
        crossings = np.zeros((height, width + 1), np.uint8)
        np.bitwise_xor.at(crossings, (rows - box.top, columns - box.left), 1)
        return np.bitwise_xor.accumulate(crossings, axis=1)[:, :width] > 0


def _to_pixel(positions: np.ndarray) -> np.ndarray:
    """Give the first pixel whose centre does not lie before the position."""
    return np.ceil(np.clip(positions, -MAX_PIXELS, MAX_PIXELS) - 0.5).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Runs:
    """A run-length code as COCO has it: runs of 0 and 1 in turn, down the columns.

    Attributes:
        lengths: int64, of each run; they add up to all pixels.
        height: rows of the image.
        width: columns of the image.
    """

    lengths: np.ndarray
    height: int
    width: int

    @property
    def box(self) -> Box:
        """Give the whole image."""
        return Box(0, 0, self.height, self.width)

    def draw(self, box: Box) -> np.ndarray:
        """Give the part of it inside ``box``."""
        values = np.arange(len(self.lengths)) % 2 > 0
        whole = np.repeat(values, self.lengths).reshape(self.width, self.height).T
        return whole[box.top : box.bottom, box.left : box.right]


@dataclass(frozen=True, eq=False)
class Pixels:
    """A mask of a part of the image.

    Attributes:
        mask: bool, (h, w).
        top: row of the image that its first row is.
        left: column of the image that its first column is.
    """

    mask: np.ndarray
    top: int = 0
    left: int = 0

    @property
    def box(self) -> Box:
        """Give where the mask lies."""
        height, width = self.mask.shape
        return Box(self.top, self.left, self.top + height, self.left + width)

    def draw(self, box: Box) -> np.ndarray:
        """Give the part of it inside ``box``."""
        drawn = np.zeros(box.size, bool)
        both = box.within(self.box)
        if not both.is_empty:
            drawn[both.seen_from(box)] = self.mask[both.seen_from(self.box)]
        return drawn


@dataclass(frozen=True)
class NamedArea:
    """An area that was annotated.

    Attributes:
        name: of its class, or a name of the background; None: no label there.
        area: its pixels.
    """

    name: str | None
    area: Area


def is_background(name: str) -> bool:
    """Tell whether areas of this name show that nothing is there.

    Examples:
        >>> is_background("_background_"), is_background("Background"), is_background("background cell")
        (True, True, False)
    """
    return name.strip().strip("_").casefold() == "background"


@dataclass(frozen=True)
class DrawnLabel:
    """The label of an image that was annotated by shapes.

    Attributes:
        where: the file that holds them, for messages.
        areas: later ones lie over earlier ones; those without a label over all. Names that are not among ``names`` are
            of the background.
        task: what the label means.
        names: of the classes, without background.
        size: height and width of the image as the file tells; None: it does not.
    """

    where: str
    areas: tuple[NamedArea, ...]
    task: Task
    names: tuple[str, ...]
    size: tuple[int, int] | None = None

    def make(self, height: int, width: int) -> np.ndarray:
        """Draw the label.

        Returns:
            uint8 as ``Example.label``.

        Raises:
            IncmaskError: the image has another size than the file tells, or a shape lies outside.
        """
        if self.size not in (None, (height, width)):
            assert self.size is not None
            what = f"tells of an image of {self.size[1]}×{self.size[0]} pixels where it has {width}×{height}"
            raise fail(self.where, what, "use the image that was annotated, at the size at which it was")
        image = Box(0, 0, height, width)
        labels = labels_of(self.task)
        label = np.zeros(labels.shape((height, width), len(self.names)), np.uint8)
        for each in sorted(self.areas, key=lambda each: each.name is None):
            box = each.area.box.within(image)
            if box.is_empty:
                if each.area.box.is_beyond(image):
                    what = f"has a shape in {each.area.box}, outside its image of {width}×{height} pixels"
                    raise fail(self.where, what, "use the image that was annotated, at the size at which it was")
                continue
            part = label[box.seen_from(image)]
            if each.name is None:
                part[each.area.draw(box)] = IGNORED
            elif each.name not in self.names:  # background
                part[each.area.draw(box)] = 0
            elif labels.is_layered:
                part[each.area.draw(box), self.names.index(each.name)] = 1
            else:
                part[each.area.draw(box)] = self.names.index(each.name) + 1
        return label


def overlap_anywhere(images: Sequence[Sequence[NamedArea]]) -> int | None:
    """Give the first image in which areas of different classes overlap; None where none do.

    Overlaps that nowhere hold 3×3 pixels are strokes along a shared edge, and do not count.
    """
    return next((index for index, areas in enumerate(images) if _overlap(areas)), None)


def _overlap(areas: Sequence[NamedArea]) -> bool:
    names = dict.fromkeys(each.name for each in areas if each.name is not None and not is_background(each.name))
    if len(names) < 2:
        return False
    boxes = [each.area.box for each in areas]
    limits = Box(0, 0, max(box.bottom for box in boxes), max(box.right for box in boxes))
    if limits.is_empty or limits.size[0] * limits.size[1] > MAX_PIXELS:
        return False  # beyond any image; told when it is drawn
    painted = np.zeros(limits.size, np.uint8)
    twice = np.zeros(limits.size, np.uint8)
    for name in names:
        layer = np.zeros(limits.size, np.uint8)
        for each, box in zip(areas, boxes, strict=True):
            inside = box.within(limits)
            if each.name == name and not inside.is_empty:
                layer[inside.seen_from(limits)] |= each.area.draw(inside)
        twice |= painted & layer
        painted |= layer
    return is_thick(twice)


def is_thick(mask: np.ndarray) -> bool:
    """Tell whether a (H, W) uint8 mask of 0 and 1 holds a square of 3×3 pixels."""
    return bool(mask.any()) and bool(cv2.erode(mask, _THICK, borderType=cv2.BORDER_CONSTANT, borderValue=0.0).any())
