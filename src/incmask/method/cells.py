"""Cells: found in a label, counted by type, compared with the truth (paper, appendix A.1), and drawn as discs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.base.words import ShortRepr

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
LabelStack = Annotated[np.ndarray, "n h w k"]

_CELL_WINDOW_PX = 6
_LEAST_ERODED_PX = 5
"""Pixels that are left of the smallest disc for sure, and of specks of 4×4 pixels never."""
_ROUND = 0.8
"""Share of its enclosing circle that a disc fills, and a circle of three or four discs does not."""
_LEAST_RADIUS_PX, _MOST_RADIUS_PX = 3, 8
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, repr=False)
class Cells(ShortRepr):
    """The cells of one image, M of them.

    Attributes:
        centres_yx: float64 (M, 2), in pixels.
        types: int64 (M,), the place in ``cell_classes``; -1 where unclear.
        counts: int64 (T,), cells of each type, without the unclear.

    Examples:
        >>> import numpy as np
        >>> Cells(np.zeros((2, 2)), np.array([0, -1]), np.array([1])).counts.tolist()
        [1]
    """

    centres_yx: Annotated[Floats, "m 2"]
    types: Annotated[Ints, "m"]
    counts: Annotated[Ints, "t"]


def count_cells(label: Annotated[np.ndarray, "h w k"], *, position: int, cell_classes: Sequence[int]) -> Cells:
    """Find the cells and their types (paper, appendix A.1).

    The position channel is eroded by a 3×3 square (the border does not erode); what then hangs together edge to edge
    is a cell, unless it has fewer than 5 pixels: a mark of less than 5×5 pixels is a speck. Before that, holes are
    filled in what is round, so that a ring is one cell. A cell's type is the class with the most foreground in the 6×6
    pixels around its centroid: from 3 before the nearest pixel to 2 after it, clipped to the image. Equal or no
    foreground leaves the type unclear.

    Args:
        label: 0/1 (H, W, K).
        position: channel that marks the cells' places.
        cell_classes: channels of the T cell types, one or more.

    Returns:
        The cells: their centres, types and counts.

    Raises:
        IncmaskError: the label has other axes or lacks a channel named, or no cell type is given.

    Examples:
        >>> import numpy as np
        >>> label = np.zeros((12, 12, 2), np.uint8)  # one type of cell, and where they are
        >>> label[1:8, 1:8, 0] = label[2:7, 2:7, 1] = 1
        >>> cells = count_cells(label, position=1, cell_classes=[0])
        >>> cells.centres_yx.tolist(), cells.counts.tolist()
        ([[4.0, 4.0]], [1])
    """
    if not cell_classes:
        raise fail("count_cells(label)", "no cell type is given", "name one channel or more in cell_classes")
    if label.ndim != 3 or not all(0 <= channel < label.shape[-1] for channel in (position, *cell_classes)):
        raise fail("count_cells(label)", f"shape {label.shape}", f"give (H, W, K) with {position}, {cell_classes} < K")
    eroded = ndimage.binary_erosion(_rings_filled(label[..., position] == 1), structure=_SQUARE, border_value=1)
    components, _ = ndimage.label(eroded)
    cells = np.flatnonzero(np.bincount(components[eroded]) >= _LEAST_ERODED_PX)
    centres = ndimage.center_of_mass(eroded, components, cells)
    centres_yx = np.array(centres, dtype=np.float64).reshape(len(cells), 2)
    foreground = label[..., list(cell_classes)] == 1
    types = np.full(len(cells), -1, dtype=np.int64)
    for index, (top, left) in enumerate(np.floor(centres_yx + 0.5).astype(int) - _CELL_WINDOW_PX // 2):
        rows, columns = (slice(max(start, 0), start + _CELL_WINDOW_PX) for start in (top, left))
        area = foreground[rows, columns].sum(axis=(0, 1))
        if area.max() > 0 and (area == area.max()).sum() == 1:
            types[index] = area.argmax()
    return Cells(centres_yx, types, np.bincount(types[types >= 0], minlength=len(cell_classes)).astype(np.int64))


def mean_cell_count_error(
    predictions: Annotated[np.ndarray, "n h w k"],
    truths: Annotated[np.ndarray, "n h w k"],
    *,
    position: int,
    cell_classes: Sequence[int],
) -> float:
    """Give the mean over images of the sum over cell types of |true - predicted count| (equation A1).

    Args:
        predictions: 0/1 (N, H, W, K), N >= 1.
        truths: the same, and ``IGNORED`` where neither stack is to have anything.
        position: channel that marks the cells' places.
        cell_classes: channels of the cell types.

    Raises:
        IncmaskError: no image, shapes that differ, or a channel that lacks.

    Examples:
        >>> truth = np.zeros((1, 12, 12, 2), np.uint8)
        >>> truth[0, 1:8, 1:8, 0] = truth[0, 2:7, 2:7, 1] = 1
        >>> mean_cell_count_error(np.zeros_like(truth), truth, position=1, cell_classes=[0])
        1.0
    """
    if predictions.shape != truths.shape or len(truths) == 0:
        raise fail("mean_cell_count_error", f"shapes {predictions.shape} and {truths.shape}", "give two equal stacks")
    predictions = np.where(truths == IGNORED, 0, predictions)
    errors = [
        np.abs(
            count_cells(truth, position=position, cell_classes=cell_classes).counts
            - count_cells(prediction, position=position, cell_classes=cell_classes).counts
        ).sum()
        for prediction, truth in zip(predictions, truths, strict=True)
    ]
    return float(np.mean(errors))


def redraw_cells(places: Annotated[np.ndarray, "n h w"]) -> Annotated[NDArray[np.uint8], "n h w"]:
    """Draw the cells of position channels anew: find them as ``count_cells`` does, then ``redraw_positions``.

    Args:
        places: 0/1 (N, H, W): pixels that mark cells.

    Returns:
        uint8 0/1 (N, H, W).

    Examples:
        >>> places = np.zeros((1, 20, 20), np.uint8)
        >>> places[0, 4:9, 5:16] = 1  # a stripe
        >>> redraw_cells(places)[0, :, 10].tolist()  # a cell alone has a radius of 8
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    """
    redrawn = np.zeros(places.shape, np.uint8)
    for each, new in zip(places, redrawn, strict=True):
        new[...] = redraw_positions(count_cells(each[..., None], position=0, cell_classes=[0]).centres_yx, each.shape)
    return redrawn


def redraw_positions(
    centres_yx: Annotated[Floats, "m 2"], shape: tuple[int, int]
) -> Annotated[NDArray[np.uint8], "h w"]:
    """Draw a disc for each cell: radius a quarter of the way to its neighbour, floored, within 3 to 8; alone 8.

    Args:
        centres_yx: (M, 2) in pixels; a disc is drawn around the nearest pixel.
        shape: (H, W).

    Returns:
        uint8 0/1 (H, W).

    Examples:
        >>> redraw_positions(np.array([[20.0, 20.0], [20.0, 34.0]]), (40, 60)).sum(axis=0).max()  # radius 3
        np.uint64(7)
    """
    mask = np.zeros(shape, dtype=np.uint8)
    radii = np.full(len(centres_yx), _MOST_RADIUS_PX)
    if len(centres_yx) > 1:
        distances = cKDTree(centres_yx).query(centres_yx, k=2)[0][:, 1]
        radii = np.clip(distances // 4, _LEAST_RADIUS_PX, _MOST_RADIUS_PX).astype(int)
    for (y, x), radius in zip(np.floor(np.asarray(centres_yx) + 0.5).astype(int), radii, strict=True):
        top, left = max(y - radius, 0), max(x - radius, 0)
        part = mask[top : max(y + radius + 1, 0), left : max(x + radius + 1, 0)]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = 1
    return mask


def _rings_filled(position: Annotated[NDArray[np.bool_], "h w"]) -> Annotated[NDArray[np.bool_], "h w"]:
    """Fill holes of what is round; a hole between cells that touch each other stays."""
    grounds, num = ndimage.label(np.pad(~position, 1, constant_values=True), structure=_SQUARE)
    if num == 1:  # that around everything
        return position
    filled = grounds[1:-1, 1:-1] != 1
    parts, _ = ndimage.label(filled)
    windows, result = ndimage.find_objects(parts), position.copy()
    for index in np.unique(parts[filled & ~position]):
        part = parts[window := windows[index - 1]] == index
        _, radius_px = cv2.minEnclosingCircle(np.argwhere(part).astype(np.float32))
        # Pixels are larger than the points in the middle of them.
        if part.sum() >= _ROUND * np.pi * (radius_px + 0.5) ** 2:
            result[window] |= part
    return result
