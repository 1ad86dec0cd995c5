"""Series of DICOM: a folder of slices, or a file of several frames, as a sheet; and the grid of its masks."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import IncmaskError, fail
from incmask.data.images.decode import MAX_FILE_BYTES, Raster, broken
from incmask.data.volumes.axes import Axes
from incmask.data.volumes.names import is_dicom_file
from incmask.data.volumes.nifti import header_of_affine
from incmask.data.volumes.packages import load
from incmask.data.volumes.room import check_room
from incmask.data.volumes.slices import Slice, in_order, slices_of, zooms_of
from incmask.method.sheets import folded

_REPLACE = "copy or export the file again, or take it out of the folder"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_INTERCEPT = 1 << 30
_TAGS = (
    "SOPClassUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "PhotometricInterpretation",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "RescaleSlope",
    "RescaleIntercept",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)


@dataclass(frozen=True)
class _Series:
    """The slices of a volume in order, where they lie, and whether 0 is white in them."""

    slices: Sequence[Slice]
    affine: NDArray[np.float64]
    inverted: bool
    num_bytes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows and slices."""
        rows, columns = self.slices[0].size
        return columns, rows, len(self.slices)


def read_series(path: Path) -> Raster:
    """Read a series of DICOM as a sheet with its grid.

    Slices are ordered by where they lie in the patient; axes are turned and mirrored as those of NIfTI are.

    Args:
        path: a folder of slices, or a file of several frames.

    Raises:
        IncmaskError: broken, too large, several series, no volume, or packed in a way that nothing unpacks.
    """
    pydicom, nibabel = load("pydicom", path), load("nibabel", path)
    series = _series_of(pydicom, path)
    check_room(path, series.shape, num_bytes=series.num_bytes)
    columns, rows, depth = series.shape
    intercepts = [each.intercept for each in series.slices]
    is_whole = series.num_bytes < 4 and all(each.slope == 1 for each in series.slices)
    is_whole &= all(abs(each) < _MOST_INTERCEPT and each == round(each) for each in intercepts)
    volume = np.zeros((depth, rows, columns), np.int32 if is_whole else np.float64)
    # A file of several frames is opened once.
    places: dict[Path, list[int]] = defaultdict(list)
    for number, each in enumerate(series.slices):
        places[each.path].append(number)
    for file, numbers in places.items():
        pixels = _pixels(pydicom, file, inverted=series.inverted)
        for number in numbers:
            each = series.slices[number]
            stored = pixels if each.frame is None else pixels[each.frame]
            if stored.shape != (rows, columns):
                raise fail(file, f"has pictures of {stored.shape} pixels, and tells others", _REPLACE)
            volume[number] = stored if each.slope == 1 else stored * each.slope
            volume[number] += np.asarray(each.intercept).astype(volume.dtype)
    axes = Axes(nibabel, series.affine)
    sheet = folded(axes.ours(np.moveaxis(_narrow(volume, num_bytes=series.num_bytes), (2, 1, 0), (0, 1, 2))))
    return Raster(sheet, inverted=series.inverted, grid=axes.grid(series.shape, zooms_of(series.affine)))


def series_header(path: Path) -> Any:
    """Give the header of a NIfTI on the grid of a series."""
    series = _series_of(load("pydicom", path), path)
    return header_of_affine(path, series.shape, series.affine)


def _narrow(volume: NDArray[Any], *, num_bytes: int) -> NDArray[Any]:
    """Give values in the smallest type that holds them, as files do; of 8 bits alone where they are stored so.

    Images of 8 bits are networks' intensities as they are, and others are scaled: how must not depend on the values.
    """
    if volume.dtype.kind != "i":
        return volume.astype(np.float32)
    low, high = int(volume.min()), int(volume.max())
    kinds = ("uint8", "uint16", "int16")[num_bytes > 1 :]
    kind = next((kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max), "int32")
    return volume.astype(kind)


def _series_of(pydicom: Any, path: Path) -> _Series:
    files = [path] if path.is_file() else sorted(each for each in path.iterdir() if _may_be_slice(each))
    headers = {file: _header(pydicom, file) for file in files}
    slices = {file: _slices(file, header) for file, header in headers.items()}
    with_pictures = {file: headers[file] for file, found in slices.items() if found}
    if not with_pictures:
        raise fail(path, "holds no pictures of DICOM", "take it out of the folder")
    told = Counter(
        (str(each.get("SeriesInstanceUID")), str(each.get("SeriesDescription", ""))) for each in with_pictures.values()
    )
    if len({uid for uid, _ in told}) > 1:
        listed = ", ".join(f"{description or 'one'} with {num} files" for (_, description), num in told.items())
        what = f"holds {len({uid for uid, _ in told})} series: {listed}"
        raise fail(path, what, "put the files of each into a folder of their own, which names the volume")
    ordered, affine = in_order(path, [each for found in slices.values() for each in found])
    inverted = {str(each.get("PhotometricInterpretation")) == "MONOCHROME1" for each in with_pictures.values()}
    if len(inverted) > 1:
        raise fail(path, "has slices in which 0 is black and others in which it is white", _REPLACE)
    num_bytes = max(int(each.BitsAllocated) for each in with_pictures.values()) // 8
    return _Series(ordered, affine, inverted.pop(), num_bytes)


def _may_be_slice(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.upper() != "DICOMDIR" and path.is_file() and is_dicom_file(path)


def _header(pydicom: Any, path: Path) -> Any:
    """Read what is needed of a header, and refuse what would take more memory than the file has bytes."""
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise fail(path, f"has more than the {MAX_FILE_BYTES >> 20} MiB that are read", "crop it")
        # The whole of such a file is packed, and its size is not told before.
        if _syntax(pydicom.filereader.read_file_meta_info(path)) == _DEFLATED:
            what = "is a packed (deflated) file of DICOM, which is not read"
            raise fail(path, what, "unpack it, with dcmconv +te of DCMTK")
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        for _ in header:  # each element is understood here, where what is broken is told, and not when it is looked at
            pass
        return header
    except IncmaskError:
        raise
    except Exception as error:  # of broken files anything
        raise broken(path, error, _REPLACE) from error


def _syntax(meta: Any) -> str:
    return str(meta.get("TransferSyntaxUID", ""))


def _slices(path: Path, header: Any) -> list[Slice]:
    try:
        return list(slices_of(path, header))
    except IncmaskError:
        raise
    except Exception as error:
        raise broken(path, error, _REPLACE) from error


def _pixels(pydicom: Any, path: Path, *, inverted: bool) -> NDArray[Any]:
    """Give the stored numbers of a file, 0 being black."""
    try:
        file = pydicom.dcmread(path)
        syntax = file.file_meta.TransferSyntaxUID
        if syntax.is_compressed and not _can_unpack(pydicom, syntax):
            what = f"is packed as {syntax.name}, which no installed package unpacks"
            remedy = "pip install 'pylibjpeg[all]', or unpack the series: gdcmconv --raw, dcmdjpeg or dcmdjpls"
            raise fail(path, what, remedy)
        pixels = np.asarray(file.pixel_array)
        if inverted:
            bits, is_signed = int(file.BitsStored), bool(file.PixelRepresentation)
            pixels = (-1 if is_signed else (1 << bits) - 1) - pixels.astype(np.int64)
        return pixels
    except IncmaskError:
        raise
    except Exception as error:
        raise broken(path, error, _REPLACE) from error


def _can_unpack(pydicom: Any, syntax: Any) -> bool:
    try:
        return bool(pydicom.pixels.get_decoder(syntax).is_available)
    except NotImplementedError:
        return False
