"""Masks to outlines and runs, an object at a time; ``shapes`` is the way back."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import find_objects

from incmask.exchange.formats.coco_polygon import CocoPolygon
from incmask.exchange.formats.shapes import Box, Pixels, Polygon

# Right, down, left, up: the inside lies to the right of the way.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
_TOLERANCE_PX = 0.25
"""How far an outline may be simplified: it runs 0.35 or more from the centre of each pixel, so none changes side."""


@dataclass(frozen=True, eq=False)
class Object:
    """Pixels that hang together, corners included.

    Attributes:
        pixels: where they lie.
        outline: (n, 2) float64 of x and y, in the coordinates of ``Polygon``, which encloses exactly these pixels;
            None: there are holes.
    """

    pixels: Pixels
    outline: np.ndarray | None


def objects_of(mask: np.ndarray, ids: np.ndarray | None = None) -> Iterator[Object]:
    """Take a mask apart.

    Args:
        mask: bool, (H, W).
        ids: (H, W) numbers of objects in the mask, which are parted also where they touch; None: what hangs together is
            one.
    """
    if ids is None:
        yield from _parts_of(mask, 0, 0)
        return
    for index, window in enumerate(find_objects(ids), start=1):
        if window is not None:
            yield from _parts_of(ids[window] == index, window[0].start, window[1].start)
    yield from _parts_of(mask & (ids == 0), 0, 0)


def _parts_of(mask: np.ndarray, first_row: int, first_column: int) -> Iterator[Object]:
    """Give what hangs together in a mask that begins at this row and column."""
    num, ids, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for index in range(1, num):
        left, top, width, height = boxes[index, :4].tolist()
        part = ids[top : top + height, left : left + width] == index
        top, left = top + first_row, left + first_column
        outline = None if _has_holes(part) else _outline(part) + np.array((left, top))
        yield Object(Pixels(part, top, left), outline)


def outlines_of(mask: np.ndarray, ids: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Take a mask apart into outlines alone: an object with holes is cut through them, until no part has any.

    Args:
        mask, ids: as for ``objects_of``.

    Yields:
        As ``Object.outline``.
    """
    parts = [Pixels(mask)] if ids is None else [each.pixels for each in objects_of(mask, ids)]
    while parts:
        part = parts.pop()
        for each in objects_of(part.mask):
            if each.outline is None:
                box = each.pixels.box
                parts += [
                    Pixels(half.mask, part.top + box.top + half.top, part.left + box.left + half.left)
                    for half in _halves(each.pixels.mask)
                ]
            else:
                yield each.outline + np.array((part.left, part.top))


def run_lengths(mask: np.ndarray) -> list[int]:
    """Give the lengths of the runs of 0 and 1 in turn, along the rows, beginning with 0.

    Args:
        mask: bool, (H, W).
    """
    values = np.concatenate(([False], mask.ravel()))
    ends = np.flatnonzero(values[1:] != values[:-1])
    return np.diff(np.concatenate(([0], ends, [mask.size]))).tolist()


def _outline(part: np.ndarray) -> np.ndarray:
    ring, box = _ring(part), Box(0, 0, *part.shape)
    simple = cv2.approxPolyDP(ring.astype(np.float32), _TOLERANCE_PX, closed=True)[:, 0].astype(np.float64)
    areas = Polygon((simple,)), CocoPolygon(simple)
    return simple if len(simple) >= 3 and all(np.array_equal(area.draw(box), part) for area in areas) else ring


def _has_holes(part: np.ndarray) -> bool:
    around = np.pad(~part, 1, constant_values=True).astype(np.uint8)
    return cv2.connectedComponents(around, connectivity=4)[0] > 2


def _halves(part: np.ndarray) -> tuple[Pixels, Pixels]:
    """Cut an object across its longer side, through the hole that is nearest to the middle."""
    axis = int(part.shape[1] > part.shape[0])
    around = np.pad(~part, 1, constant_values=True).astype(np.uint8)
    _, ids, boxes, _ = cv2.connectedComponentsWithStats(around, connectivity=4)
    # 0 is the object, and the first corner lies around it.
    holes = np.delete(boxes, [0, ids[0, 0]], axis=0)
    first, length = holes[:, 1 - axis] - 1, holes[:, 3 - axis]
    middles = first + (length + 1) // 2
    cut = int(middles[np.abs(middles - part.shape[axis] / 2).argmin()])
    if axis:
        return Pixels(part[:, :cut]), Pixels(part[:, cut:], 0, cut)
    return Pixels(part[:cut]), Pixels(part[cut:], cut, 0)


def _ring(part: np.ndarray) -> np.ndarray:
    """Give the middles of the pixels' edges along the way round a mask without holes."""
    padded = np.pad(part, 1)
    outside = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    # Edges by the corner where they begin, and by their direction.
    edges: dict[tuple[int, int, int], None] = {}
    for direction, (x, y) in enumerate(((0, 0), (1, 0), (1, 1), (0, 1))):
        rows, columns = np.nonzero(part & ~outside[direction])
        edges.update(
            dict.fromkeys(zip((columns + x).tolist(), (rows + y).tolist(), [direction] * len(rows), strict=True))
        )
    x, y, direction = next(iter(edges))
    ring = []
    while edges.pop((x, y, direction), 0) is None:
        step_x, step_y = _STEPS[direction]
        ring.append((x + step_x / 2, y + step_y / 2))
        x, y = x + step_x, y + step_y
        # Where two pixels touch by their corners, the way goes over to the other one, as both are one object.
        turns = (direction - 1, direction, direction + 1)
        direction = next((turn % 4 for turn in turns if (x, y, turn % 4) in edges), direction)
    assert not edges, "there is one way round"
    return np.array(ring, np.float64)
