"""The packages that read volumes: there with an extra, and imported when a volume of theirs is met."""

import importlib
import logging
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from incmask.base.errors import fail
from incmask.data.folder.names import IMAGE_SUFFIXES
from incmask.data.volumes.names import is_dicom_file, is_nifti, is_zarr_folder

_READS = {"nibabel": "of NIfTI", "zarr": "of zarr", "pydicom": "of DICOM"}

_LOGGERS = ("nibabel.global", "pydicom")


def load(package: str, where: object) -> Any:
    """Import a package that reads volumes.

    Args:
        package: "nibabel", "zarr" or "pydicom".
        where: the volume, for messages.

    Raises:
        IncmaskError: it is not installed.
    """
    try:
        module: ModuleType = importlib.import_module(package)
    except ImportError as error:
        what = f"is a volume {_READS[package]}, which the package {package} reads"
        raise fail(where, what, "install it: pip install 'incmask[volumes]'") from error
    # What they find odd in a header they also write to the terminal; what matters is raised as an error of ours.
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return module


def check_installed(paths: Iterable[Path]) -> None:
    """Check that what reads each of these images is there, before any is read.

    Raises:
        IncmaskError: for the first of which it is not.
    """
    first: dict[str, Path] = {}
    for path in paths:
        if package := _package_of(path):
            first.setdefault(package, path)
    for package, path in first.items():
        load(package, path)


def _package_of(path: Path) -> str | None:
    # Of a million images none is asked whether it is a folder.
    if str(path).casefold().endswith(IMAGE_SUFFIXES):
        return None
    if path.is_dir():
        return "zarr" if is_zarr_folder(path) else "pydicom"
    if is_nifti(path):
        return "nibabel"
    return "pydicom" if is_dicom_file(path) else None
