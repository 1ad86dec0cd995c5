"""Images and volumes from where they lie: a file, or a folder that stands for one volume."""

from pathlib import Path

from incmask.data.images.decode import Raster, decode, read_bytes


def read_raster(path: Path) -> Raster:
    """Read an image or a volume, that as a sheet: of a file, of a store of zarr, or of a folder of DICOM's slices.

    Raises:
        IncmaskError: as ``read_bytes`` and ``decode`` do.
    """
    if path.is_dir():
        # What reads volumes is there with an extra alone, and takes long to import.
        from incmask.data.volumes.read import read_folder

        return read_folder(path)
    return decode(path, read_bytes(path), volumes=True)
