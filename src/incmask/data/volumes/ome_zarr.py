"""Volumes of OME-Zarr: stores of zarr, versions 2 and 3, as sheets with their grid."""

from pathlib import Path

import numpy as np

from incmask.base.errors import IncmaskError, fail
from incmask.data.images.decode import Raster, broken
from incmask.data.volumes.chunks import guarded, head_of
from incmask.data.volumes.grid import Grid
from incmask.data.volumes.ngff import image_of_store
from incmask.data.volumes.packages import load
from incmask.data.volumes.room import check_room
from incmask.method.sheets import folded

_REPLACE = "copy or export it again, or take it out of the folder"


def read_ome_zarr(path: Path) -> Raster:
    """Read the first and largest array of a store as a sheet with its grid.

    Raises:
        IncmaskError: broken, too large, of several times or images, of no numbers, or packed in a way that is not read.
    """
    zarr = load("zarr", path)
    try:
        image = image_of_store(path)
        head = head_of(path, image.path, zarr_format=image.zarr_format)
        sides = dict(zip(image.axes, head.shape, strict=True))
        if sides.get("t", 1) > 1:
            raise fail(path, f"has {sides['t']} points in time", "save each as a volume of its own")
        shape = (sides["z"], sides["y"], sides["x"])
        if sides["z"] < 2:
            raise fail(path, "has one slice, so it is an image and no volume", "save it as TIFF or PNG")
        channels = sides.get("c", 1)
        check_room(path, shape if channels == 1 else (*shape, channels), num_bytes=head.dtype.itemsize)
        store = guarded(zarr, path, head)
        array = zarr.open_array(store=store, path=image.path, mode="r", zarr_format=image.zarr_format)
        values = np.asarray(array[...]).reshape(channels, *shape)
    except IncmaskError:
        raise
    except Exception as error:  # of broken stores anything
        raise broken(path, error, _REPLACE) from error
    sheet = np.ascontiguousarray(folded(np.moveaxis(values, 0, -1)))
    if sheet.dtype.kind == "b":
        sheet = sheet.astype(np.uint8)
    sheet = sheet.astype(sheet.dtype.newbyteorder("="), copy=False)
    return Raster(sheet[..., 0] if channels == 1 else sheet, grid=Grid(shape, image.spacing))
