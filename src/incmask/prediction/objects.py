"""Connected objects of a mask that comes some rows at a time."""

import cv2
import numpy as np
from scipy import sparse


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

    def final_ids(self) -> np.ndarray:
        """Give the final id of each preliminary one: 1, 2, … by the first row of each object, 0 for 0; int32."""
        pairs = np.concatenate([np.zeros((0, 2), np.int32), *self._meetings])
        size = self._num_parts + 1
        graph = sparse.coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
        _, groups = sparse.csgraph.connected_components(graph, directed=False)
        _, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
        # A group is known by its lowest preliminary id, and 0 is alone in the first.
        rank = np.empty(len(first), np.int32)
        rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
        return rank[group_of]


def _meetings(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Pairs of ids that touch across two rows, corners included: int32, (pairs, 2)."""
    shifted = ((above, below), (above[1:], below[:-1]), (above[:-1], below[1:]))
    pairs = np.concatenate([np.stack(rows, 1) for rows in shifted])
    return np.unique(pairs[pairs.all(1)], axis=0)
