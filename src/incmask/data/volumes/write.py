"""Pictures of volumes to files: in the grid of the volume that they are of, and of NIfTI with its header."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from incmask.data.volumes.grid import Grid
from incmask.data.volumes.names import NIFTI, TIFF, is_dicom_file, is_nifti, is_zarr_folder
from incmask.data.volumes.nifti import header_of, write_nifti
from incmask.data.volumes.tiff import write_tiff_volume


@dataclass(frozen=True)
class VolumeFile:
    """The volume that pictures are of.

    Attributes:
        path: its file or folder.
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
        """Take the sheet, (D·H, W): whole numbers, or float32."""
        self._sheet = rows

    def write(self, *, table: np.ndarray | None = None) -> Path:
        """Write the file.

        Args:
            table: the id that each value becomes; None: values stay.

        Returns:
            Its path: ``.nii.gz`` for NIfTI and DICOM, ``.ome.tif`` for TIFF and OME-Zarr.
        """
        sheet = self._sheet if table is None else table.astype(np.min_scalar_type(int(table.max())))[self._sheet]
        header = _header_like(self._volume.path)
        path = self._path.with_name(f"{self._path.name}{TIFF if header is None else NIFTI}")
        if header is None:
            write_tiff_volume(path, sheet, self._volume.grid)
        else:
            write_nifti(path, sheet, header)
        return path

    def close(self) -> None:
        """Let go of nothing: all is in memory."""


def _header_like(path: Path) -> Any:
    """Give the header of NIfTI for what is of a volume; None: it is written as TIFF."""
    if is_nifti(path):
        return header_of(path)
    if is_zarr_folder(path) or not (path.is_dir() or is_dicom_file(path)):
        return None
    from incmask.data.volumes.dicom import series_header

    return series_header(path)
