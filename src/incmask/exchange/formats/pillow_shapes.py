"""Shapes as labelme's own converter fills them, which draws with Pillow: the pixels of the outline belong to them."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw

from incmask.data.images.decode import MAX_PIXELS
from incmask.exchange.formats.shapes import Box, Pixels

_TOLERANCES_PX = (0.4, 0.0)
"""By how much outlines are simplified, if they still hold the same pixels."""


@dataclass(frozen=True, eq=False)
class PillowShape:
    """What Pillow fills.

    Attributes:
        kind: what the corners are; of a rectangle and an ellipse, the first and the last column and row.
        corners: int64, (n, 2), column and row of pixels.
    """

    kind: Literal["polygon", "rectangle", "ellipse"]
    corners: np.ndarray

    @property
    def box(self) -> Box:
        """What bounds it."""
        (left, top), (right, bottom) = self.corners.min(axis=0).tolist(), self.corners.max(axis=0).tolist()
        return Box(top, left, bottom + 1, right + 1)

    def draw(self, box: Box) -> np.ndarray:
        """Give the part of it inside ``box``."""
        # Pillow rounds edges by their column, so what is drawn begins with the first one, as in the whole image.
        canvas = Image.new("L", (box.right, box.bottom - box.top))
        points = [(column, row - box.top) for column, row in self.corners.tolist()]
        getattr(ImageDraw.Draw(canvas), self.kind)(points, fill=1, outline=1)
        return np.asarray(canvas)[:, box.left :] > 0


def pixels_at(positions: np.ndarray) -> np.ndarray:
    """Give the pixels in which positions lie as Pillow does: what is behind the point is cut off."""
    return np.trunc(np.clip(positions, -MAX_PIXELS, MAX_PIXELS)).astype(np.int64)


def polygon(points: np.ndarray) -> PillowShape:
    """Give a polygon by its corners, float (n, 2) of x and y."""
    return PillowShape("polygon", pixels_at(points))


def rectangle(points: np.ndarray) -> PillowShape:
    """Give a rectangle by two corners that face each other, float (2, 2)."""
    return PillowShape("rectangle", pixels_at(np.sort(points, axis=0)))


def circle(centre: np.ndarray, radius: float) -> PillowShape:
    """Give a circle by its centre, float (2,), and its radius."""
    return PillowShape("ellipse", pixels_at(np.stack([centre - radius, centre + radius])))


def outline_of(pixels: Pixels) -> np.ndarray | None:
    """Give the corners of a polygon that holds exactly these pixels, which hang together: float64, (n, 2) of x and y.

    They lie in the middle of pixels of the edge. None: no polygon does, as where there are holes.
    """
    around, _ = cv2.findContours(pixels.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for tolerance in _TOLERANCES_PX:
        ring = cv2.approxPolyDP(around[0], tolerance, closed=True)[:, 0] + 0.5
        corners = np.resize(ring, (max(3, len(ring)), 2))
        if np.array_equal(polygon(corners).draw(Box(0, 0, *pixels.mask.shape)), pixels.mask):
            return corners + np.array((pixels.left, pixels.top))
    return None
