"""The parts of images that are ranked: whole images, or crops of them, and how they lie over a stack's rows."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from incmask.data.tiles import Window, windows
from incmask.errors import fail

LEAST_CROP_PX = 16


@dataclass(frozen=True)
class StackImage:
    """An image of a stack.

    Attributes:
        name: of the image.
        height, width: its own size in pixels.
        rows: of the stack, which follow each other.
        windows: which part of the image each row shows; it may reach beyond the image.
    """

    name: str
    height: int
    width: int
    rows: tuple[int, ...]
    windows: tuple[Window, ...]

    @property
    def whole(self) -> Window:
        """All of it."""
        return Window(0, 0, self.height, self.width)

    def regions(self, crop_px: int | None) -> list[Window]:
        """The image, or the crops that cover it evenly; none reaches beyond it.

        Args:
            crop_px: side of the crops; None: the whole image.
        """
        if crop_px is None:
            return [self.whole]
        side = (min(crop_px, self.height), min(crop_px, self.width))
        return windows((self.height, self.width), side)


def stack_images(index: Path, sizes: dict[str, tuple[int, int]]) -> list[StackImage]:
    """Read which images a stack holds, in the order of its rows.

    Args:
        index: the stack's ``index.csv``.
        sizes: height and width of each image, by name.

    Raises:
        IncmaskError: the table names an image that is not known.
    """
    rows: dict[str, list[int]] = {}
    places: dict[str, list[Window]] = {}
    with open(index, newline="", encoding="utf-8") as handle:
        for row, line in enumerate(csv.DictReader(handle)):
            where = Window(*(int(line[side]) for side in ("top", "left", "height", "width")))
            rows.setdefault(line["name"], []).append(row)
            places.setdefault(line["name"], []).append(where)
    if unknown := next((name for name in rows if name not in sizes), None):
        raise fail(index, f"names an image that data.json does not know: {unknown}", "restore the run folder")
    return [StackImage(name, *sizes[name], tuple(rows[name]), tuple(places[name])) for name in rows]


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


def check_crop(crop_px: int | None) -> None:
    """Refuse crops that show next to nothing.

    Raises:
        IncmaskError: fewer than 16 pixels.
    """
    if crop_px is not None and crop_px < LEAST_CROP_PX:
        raise fail("--crops", f"got {crop_px}, expected {LEAST_CROP_PX} pixels or more", "use --crops 256")


def spread(images: Sequence[StackImage], num: int) -> list[tuple[StackImage, ...]]:
    """Share images out over at most ``num`` groups of neighbours with about as many rows each."""
    total, before = sum(len(image.rows) for image in images), 0
    groups: list[list[StackImage]] = [[] for _ in range(num)]
    for image in images:
        groups[before * num // total].append(image)
        before += len(image.rows)
    return [tuple(group) for group in groups if group]


def _overlap(start: int, length: int, window_start: int, window_length: int, cells: int) -> NDArray[np.float32]:
    edges = window_start + np.arange(cells + 1) * (window_length / cells)
    inside = np.clip(edges, start, start + length)
    return np.diff(inside).astype(np.float32)
