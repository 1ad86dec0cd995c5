"""Objects of an image that comes some rows at a time: what hangs together, or by its centres or waists."""

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from scipy import ndimage, sparse

from incmask.method.instances import Objects
from incmask.method.sheets import folded, unfolded

_MOST_WAITING_PX = 1 << 26
"""Pixels that wait for what hangs together to end; beyond, it is cut where they end."""


class Finder(Protocol):
    """Numbers the objects of rows that come from the top down; ids are preliminary until all rows were seen."""

    def add(self, label: np.ndarray) -> np.ndarray:
        """Take the rows that come next; give the ids of all rows that are through, from where they ended before."""

    def finish(self) -> np.ndarray:
        """Give the ids of the rows that are left."""

    def final_ids(self) -> np.ndarray:
        """Give the final id of each preliminary one: 1, 2, … by the first pixel of each object, 0 for 0; int32."""

    def counts(self) -> tuple[int, ...]:
        """Count the objects of each type, once all rows were seen."""


class ObjectFinder:
    """Numbers what hangs together, corner to corner, from the top row down.

    Ids are preliminary until all rows were seen: two parts of an object may meet further down. ``final_ids`` then
    tells what has become of each.
    """

    def __init__(self) -> None:
        self._num_parts = 0
        self._last_row: np.ndarray | None = None
        self._meetings: list[np.ndarray] = []

    def add(self, mask: np.ndarray) -> np.ndarray:
        """Number the parts in the rows that come next.

        Args:
            mask: bool, (rows, W).

        Returns:
            int32, (rows, W): preliminary ids, 0 where there is no object.
        """
        if not mask.any():
            self._last_row = np.zeros(mask.shape[1], np.int32)
            return np.zeros(mask.shape, np.int32)
        num, parts = cv2.connectedComponents(
            np.ascontiguousarray(mask).view(np.uint8), connectivity=8, ltype=cv2.CV_32S
        )
        parts = parts.astype(np.int32, copy=False)
        parts[parts > 0] += self._num_parts
        if self._last_row is not None:
            self._meetings.append(_meetings(self._last_row, parts[0]))
        self._num_parts += num - 1
        self._last_row = parts[-1].copy()
        return parts

    def finish(self) -> np.ndarray:
        """Give the rows that are left: none."""
        return np.zeros((0, 0), np.int32)

    def counts(self) -> tuple[int, ...]:
        """Count the objects, which are of one type."""
        return (int(self.final_ids().max()),)

    def final_ids(self) -> np.ndarray:
        """Give the final id of each preliminary one: 1, 2, … by the first row of each object, 0 for 0; int32."""
        size = self._num_parts + 1
        if not self._meetings:
            return np.arange(size, dtype=np.int32)  # of an image in one part, as most are
        pairs = np.concatenate(self._meetings)
        graph = sparse.coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
        _, groups = sparse.csgraph.connected_components(graph, directed=False)
        _, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
        # A group is known by its lowest preliminary id, and 0 is alone in the first.
        rank = np.empty(len(first), np.int32)
        rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
        return rank[group_of]


class VolumeObjects:
    """Numbers what hangs together in a volume that comes as one sheet, corner to corner.

    Args:
        depth: slices of the sheet.
    """

    def __init__(self, depth: int) -> None:
        self._depth, self._num = depth, 0

    def add(self, mask: np.ndarray) -> np.ndarray:
        """Take the sheet, bool (D·H, W); give int32 ids, 0 where there is no object."""
        found, self._num = ndimage.label(unfolded(mask, self._depth), structure=np.ones((3, 3, 3)))
        ids: np.ndarray = folded(np.asarray(found, np.int32))
        return ids

    def finish(self) -> np.ndarray:
        """Give the rows that are left: none."""
        return np.zeros((0, 0), np.int32)

    def final_ids(self) -> np.ndarray:
        """Give the final id of each: the same; int32."""
        return np.arange(self._num + 1, dtype=np.int32)

    def counts(self) -> tuple[int, ...]:
        """Count the objects, which are of one type."""
        return (self._num,)


class WholeObjects:
    """Finds objects in rows from the top down, each part of the body that hangs together once it has ended.

    They are those of all rows together, since what becomes of a part depends on nothing else; only what is cut because
    too many pixels wait may be shared out otherwise.

    Args:
        find: gives the objects of a label, as if there were no others.
        body: gives the pixels that objects can have, bool (rows, W).
        num_types: that objects may be of.
        most_px: pixels that wait at most.
    """

    def __init__(
        self,
        find: Callable[[np.ndarray], Objects],
        body: Callable[[np.ndarray], np.ndarray],
        *,
        num_types: int = 1,
        most_px: int = _MOST_WAITING_PX,
    ) -> None:
        self._find, self._body, self._num_types, self._most_px = find, body, num_types, most_px
        self._waiting: np.ndarray | None = None
        self._ids: np.ndarray = np.zeros((0, 0), np.int32)
        self._first_row = 0
        self._first_px, self._types = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)]

    def add(self, label: np.ndarray) -> np.ndarray:
        """Take the rows that come next, (rows, W) or (rows, W, K) of 0/1."""
        new = np.zeros(label.shape[:2], np.int32)
        if self._waiting is None:
            self._waiting, self._ids = label, new
        else:
            self._waiting, self._ids = np.concatenate([self._waiting, label]), np.concatenate([self._ids, new])
        return self._take(at_end=self._ids.size > self._most_px)

    def finish(self) -> np.ndarray:
        """Find the objects of the rows that are left."""
        return self._take(at_end=True) if self._ids.size else self._ids

    def counts(self) -> tuple[int, ...]:
        """Count the objects of each type."""
        return tuple(np.bincount(np.concatenate(self._types), minlength=self._num_types).tolist())

    def final_ids(self) -> np.ndarray:
        """Give the final id of each preliminary one, by its first pixel."""
        first_px = np.concatenate(self._first_px)
        ids = np.zeros(len(first_px), np.int32)
        ids[1 + np.argsort(first_px[1:])] = np.arange(1, len(first_px))
        return ids

    def _take(self, *, at_end: bool) -> np.ndarray:
        """Find the objects of what has ended, and give the rows above all that has not."""
        assert self._waiting is not None, "there are rows"
        body = np.ascontiguousarray(self._body(self._waiting)).view(np.uint8)
        _, parts, boxes, _ = cv2.connectedComponentsWithStats(body, connectivity=8)
        is_open = np.zeros(len(boxes), bool)
        if not at_end:
            is_open[parts[-1]], is_open[0] = True, False
        goes_on = is_open[parts]
        ended = self._waiting.copy()
        ended[goes_on] = 0
        self._number(ended)
        num_through = int(boxes[is_open, cv2.CC_STAT_TOP].min(initial=len(parts)))
        through, self._ids = self._ids[:num_through], self._ids[num_through:]
        left = self._waiting[num_through:].copy()
        left[~goes_on[num_through:]] = 0
        self._waiting, self._first_row = left, self._first_row + num_through
        return through

    def _number(self, label: np.ndarray) -> None:
        """Enter the objects of a label among those that were found before."""
        found = self._find(label)
        values, first_px = np.unique(found.ids, return_index=True)
        is_object = values > 0
        num_before = sum(map(len, self._types))
        self._ids[found.ids > 0] = found.ids[found.ids > 0] + num_before
        self._first_px.append(first_px[is_object] + self._first_row * label.shape[1])
        self._types.append(found.types)


def _meetings(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Pairs of ids that touch across two rows, corners included: int32, (pairs, 2)."""
    shifted = ((above, below), (above[1:], below[:-1]), (above[:-1], below[1:]))
    pairs = np.concatenate([np.stack(rows, 1) for rows in shifted])
    return np.unique(pairs[pairs.all(1)], axis=0)
