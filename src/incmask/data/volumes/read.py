"""Volumes by what they are: a file of NIfTI or DICOM, a store of zarr, or a folder of DICOM's slices."""

from pathlib import Path

from incmask.data.images.decode import Raster
from incmask.data.volumes.names import is_nifti, is_zarr_folder


def decode_volume(path: Path, content: bytes) -> Raster:
    """Decode a file of NIfTI or DICOM as a sheet with its grid.

    Raises:
        IncmaskError: as ``decode_nifti`` and ``read_series`` do.
    """
    if is_nifti(path):
        from incmask.data.volumes.nifti import decode_nifti

        return decode_nifti(path, content)
    from incmask.data.volumes.dicom import read_series

    return read_series(path)


def read_folder(path: Path) -> Raster:
    """Read a folder that stands for a volume as a sheet with its grid.

    Raises:
        IncmaskError: as ``read_ome_zarr`` and ``read_series`` do.
    """
    if is_zarr_folder(path):
        from incmask.data.volumes.ome_zarr import read_ome_zarr

        return read_ome_zarr(path)
    from incmask.data.volumes.dicom import read_series

    return read_series(path)
