"""What the names of volumes' files tell."""

from pathlib import PurePath

NIFTI_SUFFIXES = (".nii", ".nii.gz")

NIFTI, TIFF = ".nii.gz", ".ome.tif"
"""Endings of volumes that are written."""


def is_nifti(path: str | PurePath) -> bool:
    """Tell by its ending whether a file is a volume of NIfTI."""
    return str(path).casefold().endswith(NIFTI_SUFFIXES)
