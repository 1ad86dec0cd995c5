"""Images brought to the network's size, by scaling or by cutting tiles, and back."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

TILE_OVERLAP_FRACTION = 0.25
"""Share of a tile that neighbours share when predictions are stitched."""


@dataclass(frozen=True)
class Window:
    """Where a tile lies in its image: top left corner and the side lengths, in pixels.

    The tile may reach beyond the image where that is smaller than the tile.
    """

    top: int
    left: int
    height: int
    width: int


def windows(image_size: tuple[int, int], tile_size: tuple[int, int], *, overlap_fraction: float = 0.0) -> list[Window]:
    """Cover an image with the fewest tiles of equal size, spread evenly, each inside the image.

    Args:
        image_size: height and width.
        tile_size: height and width.
        overlap_fraction: least share of a tile that neighbours have in common, 0 to less than 1.
    """
    tops, lefts = (
        starts(length, side, side - math.floor(side * overlap_fraction))
        for length, side in zip(image_size, tile_size, strict=True)
    )
    return [Window(top, left, *tile_size) for top in tops for left in lefts]


def cut(image: np.ndarray, window: Window, *, fill: float | None = None) -> np.ndarray:
    """Copy a tile; beyond the image its content is mirrored, or ``fill`` where that is given.

    Args:
        image: (H, W) or (H, W, C).
        window: what to copy.
        fill: value beyond the image, for labels.
    """
    tile = image[window.top : window.top + window.height, window.left : window.left + window.width]
    missing = [(0, window.height - tile.shape[0]), (0, window.width - tile.shape[1])] + [(0, 0)] * (image.ndim - 2)
    if not any(after for _, after in missing):
        return tile
    if fill is None:
        return np.pad(tile, missing, mode="symmetric")
    return np.pad(tile, missing, constant_values=fill)


def scale_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale intensities to ``size``: area means when shrinking both sides, else bilinear.

    Args:
        image: (H, W, C), uint8 or float32.
        size: height and width.
    """
    height, width = size
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return _by_channel(image, lambda plane: cv2.resize(plane, (width, height), interpolation=how))


def shrink_rows(rows: np.ndarray, size: tuple[int, int], *, first: int, num_rows: int) -> np.ndarray:
    """Give what some rows add to their image scaled to ``size`` by area means; all rows together add up to it.

    Args:
        rows: uint8, (R, W, C), from row ``first`` on.
        size: height and width, neither larger than the image's.
        first: place of the first row in the image.
        num_rows: rows of the image.

    Returns:
        float32, (height, width, C).
    """
    height, width = size
    narrow = _by_channel(
        rows.astype(np.float32), lambda plane: cv2.resize(plane, (width, len(rows)), interpolation=cv2.INTER_AREA)
    )
    # The share of each new row that each of these rows covers.
    edges = np.arange(height + 1) * (num_rows / height)
    tops = np.arange(first, first + len(rows))
    covered = np.minimum(edges[1:, None], tops + 1) - np.maximum(edges[:-1, None], tops)
    weights = np.clip(covered, 0, None) * (height / num_rows)
    return np.tensordot(weights.astype(np.float32), narrow, 1)


def enlarge_rows(planes: np.ndarray, size: tuple[int, int], *, first: int, last: int) -> np.ndarray:
    """Give rows ``first`` to ``last - 1`` of planes scaled to ``size``, bilinear.

    Args:
        planes: float32, (..., h, w).
        size: height and width of the whole.
        first, last: rows of the whole.

    Returns:
        float32, (..., last - first, width).
    """
    height, width = size
    *_, num_rows, num_columns = planes.shape
    places = np.clip((np.arange(first, last) + 0.5) * (num_rows / height) - 0.5, 0, num_rows - 1)
    above = np.floor(places).astype(int)
    share = (places - above).astype(np.float32)[:, None]
    rows = planes[..., above, :] * (1 - share) + planes[..., np.minimum(above + 1, num_rows - 1), :] * share
    flat = rows.reshape(-1, last - first, num_columns)
    wide = [cv2.resize(plane, (width, last - first), interpolation=cv2.INTER_LINEAR) for plane in flat]
    return np.stack(wide).reshape(*planes.shape[:-2], last - first, width)


def scale_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale class ids or 0/1 channels to ``size``, nearest pixel.

    Args:
        label: uint8, (H, W) or (H, W, K).
        size: height and width.
    """
    height, width = size
    return _by_channel(label, lambda plane: cv2.resize(plane, (width, height), interpolation=cv2.INTER_NEAREST_EXACT))


def scale_values(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale numbers to ``size`` as ``scale_image`` does, over those that are known.

    Args:
        values: float32, (H, W), NaN where there is none.
        size: height and width.

    Returns:
        float32; NaN where less than half of what a pixel is made from is known.
    """
    known = ~np.isnan(values)
    planes = np.stack([np.where(known, values, 0), known.astype(np.float32)], axis=-1)
    total, weight = np.moveaxis(scale_image(planes, size), -1, 0)
    return np.where(weight >= 0.5, total / np.maximum(weight, 0.5), np.float32(np.nan))


def blend_weight(tile_size: tuple[int, int]) -> np.ndarray:
    """Weight of each pixel of a tile when predictions are stitched: float32, (H, W), least at the rim."""
    rows, columns = (np.minimum(np.arange(side) + 1, side - np.arange(side)) for side in tile_size)
    if len(rows) == 1:  # a signal fades towards its ends alone
        rows = columns.max(keepdims=True)
    return np.minimum(rows[:, None], columns[None, :]).astype(np.float32)


def assemble(tiles: Sequence[tuple[Window | None, np.ndarray]], size: tuple[int, int]) -> np.ndarray:
    """Bring tiles' probabilities (n, C, h, w) to the image's size (n, C, H, W): scaled, or stitched
    with weights that fade towards each tile's rim."""
    place, first = tiles[0]
    height, width = size
    if place is None:
        planes = first.reshape(-1, *first.shape[2:])
        scaled = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes]
        return np.stack(scaled).reshape(*first.shape[:2], height, width)
    total = np.zeros((*first.shape[:2], height, width), np.float32)
    weights = np.zeros((height, width), np.float32)
    weight = blend_weight((place.height, place.width))
    for window, tile in tiles:
        assert window is not None
        add_tile(total, weights, window, tile, weight)
    return total / weights


def add_tile(total: np.ndarray, weights: np.ndarray, window: Window, tile: np.ndarray, weight: np.ndarray) -> None:
    """Add a tile (n, C, h, w) with its weight to the sums (n, C, H, W) and (H, W), as far as it lies inside."""
    inside = (slice(window.top, window.top + window.height), slice(window.left, window.left + window.width))
    rows, columns = weights[inside].shape
    total[..., *inside] += (tile * weight)[..., :rows, :columns]
    weights[inside] += weight[:rows, :columns]


def starts(length: int, side: int, stride: int) -> list[int]:
    """Give where the fewest parts of a side begin that cover a length, at most a stride apart, spread evenly."""
    if length <= side:
        return [0]
    num = math.ceil((length - side) / stride) + 1
    return [round(index * (length - side) / (num - 1)) for index in range(num)]


def _by_channel(array: np.ndarray, scale: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if array.ndim == 2:
        return scale(array)
    # OpenCV drops an axis of 1 and does not take any number of channels.
    planes = np.ascontiguousarray(np.moveaxis(array, -1, 0))
    return np.stack([scale(plane) for plane in planes], axis=-1)
