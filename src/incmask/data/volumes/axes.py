"""Axes of volumes of patients: turned and mirrored so that those of all files run the same ways, and back."""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incmask.data.volumes.grid import Grid

_FILE_AXES = ("L", "P", "S")
"""Columns run to the patient's left, rows to the back, slices upwards: as radiologists look at slices."""


class Axes:
    """The axes of a file, and how they become ours.

    Args:
        nibabel: the package.
        affine: (4, 4), from voxels of the file to the patient's right, front and top.
    """

    def __init__(self, nibabel: ModuleType, affine: NDArray[Any]):
        self._orientations = nibabel.orientations
        own = self._orientations.io_orientation(affine)
        if np.isnan(own).any():  # an axis without a direction
            self._turns = np.array([[0, 1], [1, 1], [2, 1]])
        else:
            wanted = self._orientations.axcodes2ornt(_FILE_AXES)
            self._turns = np.asarray(self._orientations.ornt_transform(own, wanted))
        # Columns, rows and slices, in the file's own numbers of axes.
        self._of_ours = np.argsort(self._turns[:, 0])

    def ours(self, values: NDArray[Any]) -> NDArray[Any]:
        """Turn the values of a file, (X, Y, Z) or (X, Y, Z, C), to (D, H, W) or (D, H, W, C)."""
        turned = self._orientations.apply_orientation(values, self._turns)
        return np.ascontiguousarray(np.moveaxis(turned, (2, 1, 0), (0, 1, 2)))

    def own(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Turn (D, H, W) to the file's own axes, (X, Y, Z)."""
        undone = np.empty_like(self._turns)
        for axis, (target, sign) in enumerate(self._turns):
            undone[int(target)] = axis, sign
        return np.ascontiguousarray(
            self._orientations.apply_orientation(np.moveaxis(volume, (0, 1, 2), (2, 1, 0)), undone)
        )

    def grid(self, shape: Sequence[int], zooms: Sequence[float]) -> Grid:
        """Give our grid of a file with so many voxels of these sizes along its own axes."""
        # Headers have them in 32 bits.
        told = [float(f"{float(each):.6g}") for each in zooms]
        sizes = [each if 0 < each < math.inf else 1.0 for each in told]
        width, height, depth = (int(shape[axis]) for axis in self._of_ours)
        columns, rows, slices = (sizes[axis] for axis in self._of_ours)
        return Grid((depth, height, width), (slices, rows, columns))
