"""Images as a network sees them: the activations at its bottleneck, averaged over each region."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from incmask.base.npy_rows import Rows
from incmask.data.images.tiles import Window
from incmask.experiment.record.images import StackImage
from incmask.insight.ranking.diversity import Points
from incmask.method.sheets import folded
from incmask.nets.forward import chunk_images, forward

Floats = NDArray[np.float32]

_BOTTLENECK = "bottleneck"
"""The part of a network where its view of the image is widest and most condensed."""

_ROWS_AT_ONCE = 1 << 15
"""Features that are worked on in double precision at a time."""


@torch.inference_mode()
def bottleneck(
    network: nn.Module, images: np.ndarray, *, precision: Literal["auto", "float32", "bfloat16"]
) -> NDArray[np.float32]:
    """Activations of the bottleneck: float32, (N, D, h, w).

    Args:
        network: in evaluation mode, with a part named ``bottleneck``.
        images: uint8, (N, H, W, C).
        precision: of the computation.
    """
    found: list[torch.Tensor] = []
    hook = network.get_submodule(_BOTTLENECK).register_forward_hook(lambda module, given, output: found.append(output))
    try:
        forward([network], images, precision=precision)
    finally:
        hook.remove()
    values = found[0].float().cpu().numpy()
    return folded(values, axis=2) if values.ndim > 4 else values


class RegionMeans:
    """Means of what a grid over each stack row says, over the regions of one image.

    Args:
        regions: of the image; rows cover each of them.
    """

    def __init__(self, regions: Sequence[Window]):
        self._regions = regions
        # A large image may have thousands of regions and rows, of which few meet.
        self._edges = np.array([(each.top, each.left, each.height, each.width) for each in regions]).T
        self._totals: list[np.ndarray | float] = [0.0] * len(regions)
        self._pixels = np.zeros((len(regions), 1))

    def add(self, window: Window, grid: np.ndarray) -> None:
        """Take in what the part ``window`` of the image gave: (D, rows, columns)."""
        top, left, height, width = self._edges
        meets = (top < window.top + window.height) & (window.top < top + height)
        meets &= (left < window.left + window.width) & (window.left < left + width)
        for index in np.flatnonzero(meets).tolist():
            rows, columns = cover(self._regions[index], window, (grid.shape[1], grid.shape[2]))
            self._totals[index] = self._totals[index] + rows @ grid @ columns
            self._pixels[index] += float(rows.sum()) * float(columns.sum())

    def means(self) -> Floats:
        """Give the mean of each region by its pixels: float32, (regions, D)."""
        return (np.stack(self._totals) / self._pixels).astype(np.float32)


def cover(region: Window, window: Window, cells: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure how much of each cell of a grid over ``window`` lies in ``region``, by rows and by columns.

    A cell's share of the region's area is the product of the two.

    Args:
        region, window: of one image.
        cells: rows and columns of the grid.

    Returns:
        pixels, (rows,) and (columns,); all 0 where the two do not meet.
    """
    return (
        _overlap(region.top, region.height, window.top, window.height, cells[0]),
        _overlap(region.left, region.width, window.left, window.width, cells[1]),
    )


def _overlap(start: int, length: int, window_start: int, window_length: int, cells: int) -> NDArray[np.float32]:
    edges = window_start + np.arange(cells + 1) * (window_length / cells)
    inside = np.clip(edges, start, start + length)
    return np.diff(inside).astype(np.float32)


@dataclass(frozen=True)
class Row:
    """A row of a stack.

    Attributes:
        image: place of its image among those that are looked at.
        row: of the stack.
        window: the part of the image that it shows.
    """

    image: int
    row: int
    window: Window


def row_chunks(images: Sequence[StackImage], *, num_outputs: int, shape: tuple[int, ...]) -> Iterator[list[Row]]:
    """Give the rows of images in their order, as many at a time as a network takes.

    Args:
        images: of one stack.
        num_outputs: numbers that a network gives a pixel.
        shape: of the stack, (N, H, W, C).
    """
    rows = [
        Row(place, row, window)
        for place, image in enumerate(images)
        for row, window in zip(image.rows, image.windows, strict=True)
    ]
    num = chunk_images(num_outputs, shape)
    for first in range(0, len(rows), num):
        yield rows[first : first + num]


def standardise(first: Points, second: Points, *, into: Rows | None = None) -> tuple[Points, Floats]:
    """Bring two sets of features (N, D) and (M, D) to one scale: each dimension has variance 1 / D over both.

    Dimensions that are constant say nothing and turn 0. The distance of two things drawn at random is then about 1.4.

    Args:
        first, second: the features.
        into: takes the first ones, and may be these themselves; None: they are given as an array.
    """
    num, size = len(first) + len(second), first.shape[1]

    def some() -> Iterator[NDArray[np.float64]]:
        for start in range(0, num, _ROWS_AT_ONCE):
            ends = (min(start + _ROWS_AT_ONCE, len(first)), max(0, start + _ROWS_AT_ONCE - len(first)))
            of_both = first[min(start, len(first)) : ends[0]], second[max(0, start - len(first)) : ends[1]]
            yield np.concatenate(of_both).astype(np.float64)

    mean = sum(rows.sum(0) for rows in some()) / num
    spread = np.sqrt(sum(np.square(rows - mean).sum(0) for rows in some()) / num)
    largest = max(1e-30, *(float(np.abs(rows).max(initial=0)) for rows in some()))
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-9 * largest)
    scaled = np.empty(first.shape, np.float32) if into is None else into
    others = np.empty(second.shape, np.float32)
    for start, rows in zip(range(0, num, _ROWS_AT_ONCE), some(), strict=True):
        brought = ((rows - mean) * scale / np.sqrt(size)).astype(np.float32)
        here = max(0, min(len(brought), len(first) - start))
        if here:
            scaled[start : start + here] = brought[:here]
        beyond = start + here - len(first)
        if here < len(brought):
            others[beyond : beyond + len(brought) - here] = brought[here:]
    return scaled, others
