"""Volumes as pictures: some of their slices side by side."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incmask.method.sheets import unfolded

MOST_SLICES = 12
_PROPORTION = 1.4
"""Width of a picture to its height, as nearly as slices allow."""


def slice_sheet(sheet: NDArray[Any], depth: int) -> NDArray[Any]:
    """Put up to 12 slices, evenly spread over a volume, side by side, the lowest first.

    Args:
        sheet: (D·H, W) or (D·H, W, C).
        depth: D.

    Returns:
        (rows · H, columns · W) or (rows · H, columns · W, C); 0 where there is no slice left.
    """
    volume = unfolded(sheet, depth)
    num = min(depth, MOST_SLICES)
    chosen = volume[((np.arange(num) + 0.5) * depth / num).astype(int)]
    height, width = chosen.shape[1:3]
    num_columns = min(num, max(1, round(math.sqrt(num * _PROPORTION * height / width))))
    num_rows = -(-num // num_columns)
    cells = np.zeros((num_rows * num_columns, *chosen.shape[1:]), chosen.dtype)
    cells[:num] = chosen
    lines = cells.reshape(num_rows, num_columns, *chosen.shape[1:])
    picture = np.moveaxis(lines, 1, 2)
    return picture.reshape(num_rows * height, num_columns * width, *chosen.shape[3:])
