"""The volumes of a run as pictures of their slices."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from incmask.data.volumes.grid import Grid, VolumeFormat, resample_image, resample_label
from incmask.experiment.paths import stack_folder
from incmask.experiment.record.run import RunRecord
from incmask.insight.report.picture import Pixels, as_rgb
from incmask.insight.report.run_page.thumbnails import SIDE_PX, StackPictures
from incmask.insight.report.slices import slice_sheet
from incmask.method.sheets import folded, unfolded


def pictures_of(record: RunRecord, part: str) -> StackPictures:
    """Give the images of a part of a run as thumbnails, or its volumes as sheets of slices.

    Raises:
        OSError, ValueError, IncmaskError: they are gone or damaged.
    """
    folder = stack_folder(record.root, part)
    if record.volumes is None:
        return StackPictures(folder)
    return VolumePictures(record, part, record.volumes)


class VolumePictures(StackPictures):
    """The volumes of a stack as sheets of slices; else as ``StackPictures``.

    Args:
        record: of the run.
        part: whose volumes.
        shown: how networks see them.
    """

    def __init__(self, record: RunRecord, part: str, shown: VolumeFormat):
        super().__init__(stack_folder(record.root, part))
        self._grids = {name: grid for name in record.part(part) if (grid := record.grid(part, name))}
        self._shown = shown

    def image(self, name: str, size: tuple[int, int]) -> Pixels | None:
        """See ``StackPictures.image``: (h, w, 3), slices side by side."""
        if not self.numbers(name) or name not in self._grids:
            return None
        grid = self._grids[name]
        volume = self._joined_patches(grid, [self.images[number] for number in self.numbers(name)])
        picture = as_rgb(slice_sheet(folded(resample_image(volume, grid.shape)), grid.shape[0]))
        scale = SIDE_PX / max(picture.shape[:2])
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def label(self, name: str, size: tuple[int, int], labels: Sequence[np.ndarray]) -> np.ndarray:
        """See ``StackPictures.label``: of the slices that ``image`` shows."""
        grid = self._grids[name]
        volume = resample_label(self._joined_patches(grid, labels), grid.shape)
        return slice_sheet(folded(volume), grid.shape[0])

    def _joined_patches(self, grid: Grid, patches: Sequence[np.ndarray]) -> NDArray[np.uint8]:
        shape = self._shown.shape_of(grid)
        volume = np.zeros((*shape, *patches[0].shape[2:]), np.uint8)
        for start, patch in zip(self._shown.starts(grid), patches, strict=True):
            inside = tuple(slice(first, first + side) for first, side in zip(start, self._shown.patch, strict=True))
            place = volume[inside]
            within = tuple(slice(0, side) for side in place.shape[:3])
            place[...] = unfolded(patch, self._shown.depth)[within]
        return volume
