"""Pictures of volumes to files: in the grid, and of NIfTI with the header, of the volume that they are of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.data.volumes.grid import Grid
from incmask.data.volumes.names import NIFTI, TIFF, is_nifti
from incmask.data.volumes.nifti import write_nifti
from incmask.data.volumes.tiff import write_tiff_volume


@dataclass(frozen=True)
class VolumeFile:
    """The volume that pictures are of.

    Attributes:
        path: its file.
        grid: of its voxels.
    """

    path: Path
    grid: Grid


class VolumeWriter:
    """Takes the sheet of a picture and writes it as a volume, whole or not at all.

    Args:
        path: without an ending; ``write`` chooses it.
        volume: that it is of.
    """

    def __init__(self, path: Path, volume: VolumeFile):
        self._path, self._volume, self._sheet = path, volume, np.zeros((0, 0), np.uint8)

    def add(self, rows: np.ndarray) -> None:
        """Take the sheet: whole numbers, (D·H, W)."""
        self._sheet = rows

    def write(self, *, table: np.ndarray | None = None) -> Path:
        """Write the file.

        Args:
            table: the id that each value becomes; None: values stay.

        Returns:
            Its path: ``.nii.gz`` for NIfTI, ``.ome.tif`` for TIFF.
        """
        sheet = self._sheet if table is None else table.astype(np.min_scalar_type(int(table.max())))[self._sheet]
        is_packed = is_nifti(self._volume.path)
        path = self._path.with_name(f"{self._path.name}{NIFTI if is_packed else TIFF}")
        if is_packed:
            write_nifti(path, sheet, self._volume.path)
        else:
            write_tiff_volume(path, sheet, self._volume.grid)
        return path

    def close(self) -> None:
        """Let go of nothing: all is in memory."""
