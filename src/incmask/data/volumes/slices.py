"""The slices of a series of DICOM: what their headers say, and in which order they make a volume."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import fail

_SAME = 0.05
"""Steps between slices that differ by no more than this share are one: positions are rounded in files."""

_SAME_DIRECTION = 1e-3

_OWN_FOLDER = "put the slices of each volume into a folder of their own"
_TAKE_OUT = f"take the others out, such as scouts, or {_OWN_FOLDER}"
_CONVERT = "convert the series to NIfTI with dcm2niix, which resamples it, and take that"


@dataclass(frozen=True)
class Slice:
    """One slice, or frame, of a series.

    Attributes:
        path: its file.
        frame: of the file, from 0; None where the file has one alone.
        position: (3,), of its first pixel, in millimetres towards the patient's left, back and top.
        directions: (2, 3), in which columns and rows are counted.
        pixel_mm: distance of columns, and of rows.
        size: rows and columns.
        slope, intercept: from stored numbers to values.
    """

    path: Path
    frame: int | None
    position: NDArray[np.float64]
    directions: NDArray[np.float64]
    pixel_mm: tuple[float, float]
    size: tuple[int, int]
    slope: float
    intercept: float


def slices_of(path: Path, header: Any) -> Iterator[Slice]:
    """Give the slices of a file's header; none where it holds no picture.

    Raises:
        IncmaskError: it has pictures that do not lie in space, in colours, or of a segmentation.
        Exception: of a broken header.
    """
    if "Rows" not in header:
        return
    if int(header.get("SamplesPerPixel", 1)) != 1:
        raise fail(path, "is in colours, as no volume of DICOM that is read is", "save its slices as PNG or TIFF")
    if int(header.BitsAllocated) not in (8, 16, 32):
        remedy = "save it as NIfTI on the grid of its image, with 3D Slicer or highdicom"
        raise fail(path, f"has {header.BitsAllocated} bits a pixel, as segmentations of DICOM have", remedy)
    num_frames = int(header.get("NumberOfFrames", 1) or 1)
    shared = _first(header, "SharedFunctionalGroupsSequence")
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if frames is None:
        if num_frames > 1 or "ImagePositionPatient" not in header or "ImageOrientationPatient" not in header:
            remedy = "take it out of the folder, or save its pictures as PNG or TIFF"
            raise fail(path, "does not say where its pictures lie in space (ImagePositionPatient)", remedy)
        yield _slice(path, header, None, [header])
        return
    if len(frames) != num_frames:
        raise ValueError(f"it tells of {len(frames)} frames, and has {num_frames}")
    for number, frame in enumerate(frames):
        yield _slice(path, header, number if num_frames > 1 else None, [frame, shared])


def _slice(path: Path, header: Any, frame: int | None, groups: Sequence[Any]) -> Slice:
    def told(sequence: str, name: str, default: Any = None) -> Any:
        for group in groups:
            holder = group if group is header else _first(group, sequence)
            if holder is not None and (value := holder.get(name)) is not None:
                return value
        if default is None:
            raise ValueError(f"it has no {name}")
        return default

    directions = np.array(told("PlaneOrientationSequence", "ImageOrientationPatient"), np.float64).reshape(2, 3)
    rows_mm, columns_mm = map(float, told("PixelMeasuresSequence", "PixelSpacing"))
    found = Slice(
        path,
        frame,
        np.array(told("PlanePositionSequence", "ImagePositionPatient"), np.float64).reshape(3),
        directions,
        (columns_mm, rows_mm),
        (int(header.Rows), int(header.Columns)),
        float(told("PixelValueTransformationSequence", "RescaleSlope", 1.0)),
        float(told("PixelValueTransformationSequence", "RescaleIntercept", 0.0)),
    )
    numbers = (*found.position, *directions.ravel(), *found.pixel_mm, found.slope, found.intercept)
    if not np.isfinite(numbers).all() or min(found.pixel_mm) <= 0:
        raise ValueError("its positions or sizes are no numbers")
    if not np.allclose(directions @ directions.T, np.eye(2), atol=0.01):
        raise ValueError("its rows and columns are not at right angles")
    return found


def _first(holder: Any, name: str) -> Any:
    sequence = None if holder is None else holder.get(name)
    return sequence[0] if sequence else None


def in_order(where: Path, slices: Sequence[Slice]) -> tuple[list[Slice], NDArray[np.float64]]:
    """Order slices along their normal, and tell where the voxels of their volume lie.

    Args:
        where: the file or folder, for messages.
        slices: all of one series.

    Returns:
        The slices, and the affine (4, 4) from column, row and slice to millimetres towards the patient's right, front
        and top.

    Raises:
        IncmaskError: they are no volume: fewer than two, of several sizes or directions, at one place twice, with
            gaps, or shifted against each other.
    """
    _check_alike(where, slices)
    normal = np.cross(*slices[0].directions)
    ordered = sorted(slices, key=lambda each: float(each.position @ normal))
    positions = np.array([each.position for each in ordered])
    vector = (positions[-1] - positions[0]) / (len(ordered) - 1)
    step = _step(where, positions @ normal)
    if float(np.linalg.norm(np.cross(vector, normal))) > _SAME * step:
        raise fail(where, "has slices that are shifted against each other, as of a tilted scanner", _CONVERT)
    first = ordered[0]
    columns, rows = first.directions
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = columns * first.pixel_mm[0], rows * first.pixel_mm[1], vector
    affine[:3, 3] = positions[0]
    # DICOM counts to the left and back, NIfTI to the right and front.
    return ordered, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _check_alike(where: Path, slices: Sequence[Slice]) -> None:
    """Check that there are several slices, of one size and direction."""
    if len(slices) < 2:
        raise fail(where, "is a single slice, of which no volume can be made", f"{_OWN_FOLDER}, below the images")
    sizes = Counter((*each.size, *each.pixel_mm) for each in slices)
    if len(sizes) > 1:
        told = [f"{num} of {rows}×{columns} pixels of {y:g}×{x:g} mm" for (rows, columns, x, y), num in sizes.items()]
        raise fail(where, f"has slices of several sizes: {', '.join(told)}", _TAKE_OUT)
    if any(np.abs(each.directions - slices[0].directions).max() > _SAME_DIRECTION for each in slices):
        raise fail(where, "has slices of several directions, as scouts or several series have", _TAKE_OUT)


def _step(where: Path, along: NDArray[np.float64]) -> float:
    """Give the one distance of slices by their places along the normal, in order."""
    steps = np.diff(along)
    step = float(np.sort(steps)[(len(steps) - 1) // 2])
    if step <= 0 or (steps <= _SAME * step).any():
        at = along[int(np.argmin(steps))]
        raise fail(where, f"has two slices at {at:.6g} mm, as of several times, echoes or phases", _OWN_FOLDER)
    if (np.abs(steps - step) > _SAME * step).any():
        place = int(np.argmax(np.abs(steps - step)))
        raise fail(
            where,
            f"has slices {step:.6g} mm apart, but {steps[place]:.6g} mm after the one at {along[place]:.6g} mm",
            f"bring the slices that lack; where the steps differ, {_CONVERT}",
        )
    return step


def zooms_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Give the distances of voxels along each axis of an affine."""
    columns, rows, slices = (math.sqrt(float(axis @ axis)) for axis in affine[:3, :3].T)
    return columns, rows, slices
