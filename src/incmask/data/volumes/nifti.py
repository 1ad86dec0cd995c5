"""Volumes of NIfTI: read as sheets, and masks written back in their own grid and header."""

import gzip
import io
import math
from pathlib import Path
from types import ModuleType
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import IncmaskError, fail
from incmask.base.files import write_bytes
from incmask.base.machine import available_bytes
from incmask.data.images.decode import MAX_PIXELS, MAX_VALUES, Raster, broken
from incmask.data.volumes.grid import Grid
from incmask.method.sheets import folded, unfolded

_REPLACE = "export the file again, or take it out of the folder"

_FILE_AXES = ("L", "P", "S")
"""Columns run to the patient's left, rows to the back, slices upwards: as radiologists look at slices."""

_MOST_BEFORE = 1 << 24
"""Bytes that programs may write between the header and the numbers."""

_READ_BYTES = 16
"""Of each number, once it is read, scaled and brought to 8 bits."""

_HEADER_BYTES = {348: 352, 540: 544}
"""Of NIfTI-1 and NIfTI-2, by what the first number of a file says."""


def load_nibabel(where: object) -> ModuleType:
    """Import nibabel.

    Raises:
        IncmaskError: it is not installed.
    """
    try:
        import nibabel
    except ImportError as error:
        remedy = "install it: pip install 'incmask[volumes]'"
        raise fail(where, "is a volume of NIfTI, which the package nibabel reads", remedy) from error
    return cast(ModuleType, nibabel)


def decode_nifti(path: Path, content: bytes) -> Raster:
    """Decode a volume, packed or not, as a sheet with its grid.

    Axes are turned and mirrored so that those of all files run the same ways, as their headers tell.

    Raises:
        IncmaskError: broken, truncated or too large; no numbers, or of more than four axes.
    """
    nibabel = load_nibabel(path)
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
        turned = nibabel.orientations.apply_orientation(values, _turns(nibabel, opened.affine))
    except IncmaskError:
        raise
    except Exception as error:  # a broken header raises anything
        raise broken(path, error, _REPLACE) from error
    grid = _grid(nibabel, opened)
    volume = np.ascontiguousarray(np.moveaxis(turned, (2, 1, 0), (0, 1, 2)))
    sheet = folded(volume)
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
    voxels, values = math.prod(shape[:3]), math.prod(shape)
    if voxels > MAX_PIXELS or values > MAX_VALUES:
        what = f"has {'×'.join(map(str, shape))} voxels, more than the {MAX_PIXELS // 10**6} million that are read"
        raise fail(path, what, "crop it, or resample it to a larger spacing")
    if voxels == 0:
        raise fail(path, "has no voxels", _REPLACE)
    needed, available = values * (header.get_data_dtype().itemsize + _READ_BYTES), available_bytes()
    if available is not None and needed > available:
        what = f"takes {needed / 2**30:.1f} GiB of memory to read, {available / 2**30:.1f} are free"
        raise fail(path, what, "crop it, resample it to a larger spacing, or close other programs")
    return shape


def _turns(nibabel: ModuleType, affine: NDArray[Any]) -> NDArray[Any]:
    """Tell how the file's axes become ours."""
    own = nibabel.orientations.io_orientation(affine)
    if np.isnan(own).any():  # an axis without a direction
        return np.array([[0, 1], [1, 1], [2, 1]])
    wanted = nibabel.orientations.axcodes2ornt(_FILE_AXES)
    return np.asarray(nibabel.orientations.ornt_transform(own, wanted))


def _grid(nibabel: ModuleType, opened: Any) -> Grid:
    # Headers have them in 32 bits.
    told = (float(f"{each:.6g}") for each in (*opened.header.get_zooms(), 1, 1, 1)[:3])
    zooms = [each if 0 < each < math.inf else 1.0 for each in told]
    shape = (*opened.shape, 1, 1)[:3]
    # Columns, rows and slices, in the file's own numbers of axes.
    of_ours = np.argsort(_turns(nibabel, opened.affine)[:, 0])
    width, height, depth = (int(shape[axis]) for axis in of_ours)
    columns, rows, slices = (zooms[axis] for axis in of_ours)
    return Grid((depth, height, width), (slices, rows, columns))


def write_nifti(path: Path, sheet: NDArray[np.uint8], like: Path) -> None:
    """Write a sheet (D·H, W) in the grid and with the header of the file ``like``, packed, whole or not at all."""
    nibabel = load_nibabel(path)
    with open(like, "rb") as file, gzip.open(file) if file.peek(2)[:2] == b"\x1f\x8b" else file as stream:
        header = _header(nibabel, cast(IO[bytes], stream))
    header.set_slope_inter(1, 0)
    header.set_data_dtype(np.uint8)
    header["cal_min"], header["cal_max"] = 0, 0
    kind = nibabel.Nifti1Image if header["sizeof_hdr"] == 348 else nibabel.Nifti2Image
    affine = header.get_best_affine()
    turns = _turns(nibabel, affine)
    own_shape = (*header.get_data_shape(), 1, 1)[:3]
    depth = int(own_shape[int(np.argsort(turns[:, 0])[2])])
    volume = np.moveaxis(unfolded(sheet, depth), (0, 1, 2), (2, 1, 0))
    own = nibabel.orientations.apply_orientation(volume, _undone(turns))
    content = kind(np.ascontiguousarray(own), affine, header).to_bytes()
    write_bytes(path, gzip.compress(content, 6, mtime=0))


def _undone(turns: NDArray[Any]) -> NDArray[Any]:
    """Give the turns that undo others."""
    undone = np.empty_like(turns)
    for axis, (target, sign) in enumerate(turns):
        undone[int(target)] = axis, sign
    return undone
