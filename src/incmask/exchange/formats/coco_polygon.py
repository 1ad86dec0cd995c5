"""Polygons as pycocotools fills them, by which COCO, CVAT and Datumaro go: by their centres, on a grid of fifths."""

from dataclasses import dataclass

import numpy as np

from incmask.exchange.formats.shapes import Area, Box, Polygon

_FIFTHS, _CENTRE = 5, 2
_FARTHEST_PX = 1 << 17


def coco_polygon(corners: np.ndarray) -> Area:
    """Give the area in an outline, float64 (n, 2) of x and y; of one that leads far off, by the centres alone."""
    return CocoPolygon(corners) if np.abs(corners).max() < _FARTHEST_PX else Polygon((corners,))


@dataclass(frozen=True, eq=False)
class CocoPolygon:
    """The pixels whose centre an outline encloses, once its corners and all that lies between are in fifths of pixels.

    Attributes:
        corners: (n, 2) float64 of x and y, finite; closed by themselves.
    """

    corners: np.ndarray

    @property
    def box(self) -> Box:
        """What bounds it."""
        lowest, highest = self._grid.min(axis=0) - _CENTRE, self._grid.max(axis=0) - _CENTRE
        (left, top), (right, bottom) = (-(-each // _FIFTHS) for each in (lowest, highest))
        return Box(int(top), int(left), int(bottom), int(right))

    @property
    def _grid(self) -> np.ndarray:
        return np.trunc(_FIFTHS * self.corners + 0.5).astype(np.int64)

    def draw(self, box: Box) -> np.ndarray:
        """Give the part of it inside ``box``."""
        x, y = _outline(self._grid)
        first, rows = np.minimum(x[1:], x[:-1]), np.minimum(y[1:], y[:-1])
        is_centre = (x[1:] != x[:-1]) & (first % _FIFTHS == _CENTRE)
        columns = (first[is_centre] - _CENTRE) // _FIFTHS - box.left
        height, width = box.size
        rows = np.clip(-((_CENTRE - rows[is_centre]) // _FIFTHS) - box.top, 0, height)
        inside = (columns >= 0) & (columns < width)
        # From where a column crosses the outline, what was outside is inside and the other way round.
        crossings = np.zeros((height + 1, width), np.uint8)
        np.bitwise_xor.at(crossings, (rows[inside], columns[inside]), 1)
        return np.bitwise_xor.accumulate(crossings, axis=0)[:height] > 0


def _outline(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each point of the grid along the way round, x and y; steps that are even are taken as pycocotools does."""
    starts, ends = corners, np.roll(corners, -1, axis=0)
    spans = np.abs(ends - starts)
    axis = (spans[:, 1] > spans[:, 0]).astype(np.int64)  # the longer one, along which steps are of 1
    edges = np.arange(len(corners))
    is_back = starts[edges, axis] > ends[edges, axis]
    low, high = np.where(is_back[:, None], ends, starts), np.where(is_back[:, None], starts, ends)
    lengths = spans[edges, axis]
    slopes = (high - low)[edges, 1 - axis] / np.maximum(lengths, 1)
    edge = np.repeat(edges, lengths + 1)
    steps = np.arange(len(edge)) - np.repeat(np.cumsum(lengths + 1) - lengths - 1, lengths + 1)
    steps = np.where(is_back[edge], lengths[edge] - steps, steps)
    points = np.empty((len(edge), 2), np.int64)
    points[np.arange(len(edge)), axis[edge]] = low[edge, axis[edge]] + steps
    across = np.trunc(low[edge, 1 - axis[edge]] + slopes[edge] * steps + 0.5)
    points[np.arange(len(edge)), 1 - axis[edge]] = across.astype(np.int64)
    return points[:, 0], points[:, 1]
