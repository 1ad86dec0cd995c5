"""What the names of volumes' files and folders tell."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePath

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ZARR_SUFFIX = ".zarr"
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
VOLUME_SUFFIXES = (*NIFTI_SUFFIXES, ZARR_SUFFIX, *DICOM_SUFFIXES)

ZARR_RECORDS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
"""Files that tell of a group or an array, of versions 3 and 2."""

_FRAMES = re.compile(rb"\x28\x00\x08\x00(?:IS[\x02-\x0c]\x00|[\x02-\x0c]\x00\x00\x00) *(\d{1,9})[ \x00]*")
"""The number of frames, with its kind or without, in the order of bytes that all scanners write."""

_HEADER_BYTES = 1 << 18
"""In which it stands, far before pixels."""

DICOM_START, _DICOM_START_AT = b"DICM", 128

NIFTI, TIFF = ".nii.gz", ".ome.tif"
"""Endings of volumes that are written."""


def is_nifti(path: str | PurePath) -> bool:
    """Tell by its ending whether a file is a volume of NIfTI."""
    return str(path).casefold().endswith(NIFTI_SUFFIXES)


def is_zarr(path: str | PurePath) -> bool:
    """Tell by its ending whether a folder is a store of zarr."""
    return str(path).casefold().endswith(ZARR_SUFFIX)


def is_zarr_folder(folder: Path) -> bool:
    """Tell whether a folder is a store of zarr, or a group in one."""
    return is_zarr(folder) or any((folder / name).is_file() for name in ZARR_RECORDS)


def is_dicom(path: str | PurePath) -> bool:
    """Tell by its ending whether a file is one of DICOM."""
    return str(path).casefold().endswith(DICOM_SUFFIXES)


def begins_as_dicom(content: bytes) -> bool:
    """Tell by its first bytes whether a file is one of DICOM."""
    return content[_DICOM_START_AT : _DICOM_START_AT + len(DICOM_START)] == DICOM_START


def is_dicom_file(path: Path) -> bool:
    """Tell whether a file is one of DICOM: by its ending or, as scanners' files have none, by its first bytes."""
    if is_dicom(path):
        return True
    if path.suffix.strip(".0123456789") or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            return begins_as_dicom(file.read(_DICOM_START_AT + len(DICOM_START)))
    except OSError:  # of which whoever reads it tells
        return False


def has_frames(path: Path) -> bool:
    """Tell whether a file of DICOM says that it has several pictures, which are a volume by themselves.

    Its header is not understood for that, which takes pydicom, but searched for the number of frames (0028,0008).
    """
    try:
        with open(path, "rb") as file:
            found = _FRAMES.search(file.read(_HEADER_BYTES))
    except OSError:  # of which whoever reads it tells
        return False
    return found is not None and int(found[1]) > 1


def slices_among(files: Iterable[str]) -> list[str]:
    """Give the names of the files in a folder that may be slices, sorted: all but DICOM's own table of contents."""
    return sorted(name for name in files if name.upper() != "DICOMDIR")


def first_slice(folder: Path, slices: Iterable[str]) -> Path | None:
    """Give the first file that tells a folder without folders in it for one of DICOM; None: it is none.

    Args:
        folder: where it is.
        slices: of ``slices_among``, of files that are not hidden.
    """
    slices = list(slices)
    if named := next(filter(is_dicom, slices), None):
        return folder / named
    # Of thousands of slices one is opened.
    first = next((name for name in slices if not Path(name).suffix.strip(".0123456789")), None)
    return folder / first if first is not None and is_dicom_file(folder / first) else None
