"""Volumes of NIfTI: read as sheets, and masks written back in their own grid and header."""

import gzip
import io
import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import IncmaskError, fail
from incmask.base.files import write_bytes
from incmask.data.images.decode import Raster, broken
from incmask.data.volumes.axes import Axes
from incmask.data.volumes.packages import load
from incmask.data.volumes.room import check_room
from incmask.method.sheets import folded, unfolded

_REPLACE = "export the file again, or take it out of the folder"

_MOST_BEFORE = 1 << 24
"""Bytes that programs may write between the header and the numbers."""

_HEADER_BYTES = {348: 352, 540: 544}
"""Of NIfTI-1 and NIfTI-2, by what the first number of a file says."""


def decode_nifti(path: Path, content: bytes) -> Raster:
    """Decode a volume, packed or not, as a sheet with its grid.

    Axes are turned and mirrored so that those of all files run the same ways, as their headers tell.

    Raises:
        IncmaskError: broken, truncated or too large; no numbers, or of more than four axes.
    """
    nibabel = load("nibabel", path)
    try:
        # Packed files say how large they are before they take memory.
        with gzip.open(io.BytesIO(content)) if content[:2] == b"\x1f\x8b" else io.BytesIO(content) as stream:
            header = _header(nibabel, cast(IO[bytes], stream))
            shape = _checked_shape(path, header)
            stream.seek(0)
            offset = int(header.get_data_offset())
            if not 0 <= offset <= _MOST_BEFORE:
                raise ValueError(f"its numbers begin at byte {offset}")
            num_bytes = offset + math.prod(shape) * header.get_data_dtype().itemsize
            whole = stream.read(num_bytes)
        if len(whole) < num_bytes:
            raise ValueError(f"{len(whole)} of {num_bytes} bytes are there")
        image = nibabel.Nifti1Image if header["sizeof_hdr"] == 348 else nibabel.Nifti2Image
        opened = image.from_bytes(whole)
        values = np.asanyarray(opened.dataobj).reshape(shape)
        axes = Axes(nibabel, opened.affine)
        sheet = folded(axes.ours(values))
    except IncmaskError:
        raise
    except Exception as error:  # a broken header raises anything
        raise broken(path, error, _REPLACE) from error
    grid = axes.grid((*opened.shape, 1, 1)[:3], (*opened.header.get_zooms(), 1, 1, 1)[:3])
    return Raster(sheet if sheet.shape[2:] != (1,) else sheet[..., 0], grid=grid)


def _header(nibabel: ModuleType, stream: IO[bytes]) -> Any:
    """Read the header, of either version and byte order."""
    start = stream.read(4)
    size = max(_HEADER_BYTES.keys() & {int.from_bytes(start, "little"), int.from_bytes(start, "big")}, default=0)
    if not size:
        raise ValueError("it does not begin as NIfTI does")
    kind = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    return kind.from_fileobj(io.BytesIO(start + stream.read(_HEADER_BYTES[size] - 4)))


def _checked_shape(path: Path, header: Any) -> tuple[int, ...]:
    """Give X, Y, Z and, where there are several, channels.

    Raises:
        IncmaskError: too large, of other axes, or of no plain numbers.
    """
    shape = tuple(int(side) for side in header.get_data_shape())
    shape = shape[: max([3, *(axis + 1 for axis, side in enumerate(shape) if side > 1)])]
    shape = (*shape, *(1,) * (3 - len(shape)))
    if len(shape) > 4 or header.get_data_dtype().kind not in "uif":
        what = (
            f"is of {len(shape)} axes and type {header.get_data_dtype()}; read are numbers of three axes and channels"
        )
        raise fail(path, what, "save each volume as a file of its own")
    check_room(path, shape, num_bytes=header.get_data_dtype().itemsize)
    return shape


def header_of(path: Path) -> Any:
    """Read the header of a volume, packed or not."""
    nibabel = load("nibabel", path)
    with open(path, "rb") as file, gzip.open(file) if file.peek(2)[:2] == b"\x1f\x8b" else file as stream:
        return _header(nibabel, cast(IO[bytes], stream))


def header_of_affine(where: object, shape: Sequence[int], affine: NDArray[Any]) -> Any:
    """Make the header of a volume of (X, Y, Z) voxels that lie, in millimetres, where an affine says."""
    nibabel = load("nibabel", where)
    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_xyzt_units("mm")
    header.set_qform(affine, code="scanner")
    header.set_sform(affine, code="scanner")
    return header


def write_nifti(path: Path, sheet: NDArray[Any], header: Any) -> None:
    """Write a sheet (D·H, W) in the grid and with the header of a volume, packed, whole or not at all."""
    nibabel = load("nibabel", path)
    header.set_slope_inter(1, 0)
    header.set_data_dtype(sheet.dtype)
    header["cal_min"], header["cal_max"] = 0, 0
    kind = nibabel.Nifti1Image if header["sizeof_hdr"] == 348 else nibabel.Nifti2Image
    affine = header.get_best_affine()
    axes = Axes(nibabel, affine)
    depth = axes.grid((*header.get_data_shape(), 1, 1)[:3], (1, 1, 1)).shape[0]
    content = kind(axes.own(unfolded(sheet, depth)), affine, header).to_bytes()
    write_bytes(path, gzip.compress(content, 6, mtime=0))
