"""Small volumes as others write them: OME-Zarr with zarr, series of DICOM with pydicom."""

import json
from pathlib import Path

import nibabel
import numpy as np
import zarr
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid


def write_ome_zarr(
    path: Path,
    values: np.ndarray,
    *,
    axes: str = "zyx",
    scale: tuple[float, ...] = (2.0, 0.5, 0.25),
    unit: str = "micrometer",
    version: str = "0.5",
    labels: np.ndarray | None = None,
    **array,
) -> Path:
    """Write a store of two arrays, of which the first is the larger."""
    zarr_format = 3 if version == "0.5" else 2
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    array = {"chunks": tuple(max(1, side // 2 + 1) for side in values.shape)} | array
    group.create_array("0", shape=values.shape, dtype=values.dtype, **array)[...] = values
    small = values[tuple(slice(None, None, 2) for _ in values.shape)]
    group.create_array("1", shape=small.shape, dtype=small.dtype)[...] = small
    sizes = [*(1.0,) * (len(axes) - len(scale)), *scale]
    kinds = {"t": "time", "c": "channel"}
    multiscales = {
        "axes": [
            {"name": name, "type": kinds.get(name, "space")} | ({"unit": unit} if name in "zyx" and unit else {})
            for name in axes
        ],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": sizes}]},
            {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [2 * each for each in sizes]}]},
        ],
    }
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": [multiscales]}
    else:
        group.attrs["multiscales"] = [multiscales | {"version": version}]
    if labels is not None:
        inside = group.create_group("labels")
        inside.attrs["labels"] = ["organ"]
        write_ome_zarr(path / "labels" / "organ", labels, scale=scale, unit=unit, version=version)
    return path


def change_record(path: Path, change) -> None:
    """Change what a file of JSON says."""
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def lps(affine: np.ndarray) -> np.ndarray:
    """Give an affine of NIfTI as DICOM counts: to the left and back."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def write_series(folder: Path, volume: np.ndarray, affine: np.ndarray, *, ending: str = ".dcm", **tags) -> list[Path]:
    """Write a volume (X, Y, Z) of whole numbers as a folder of slices, whose names tell nothing of their order.

    Args:
        folder: to write to.
        volume: int16 or uint16; its stored numbers.
        affine: as of NIfTI.
        ending: of the files.
        tags: further elements of each slice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series, rng = tags.pop("SeriesInstanceUID", generate_uid()), np.random.default_rng(0)
    paths = []
    for number, place in enumerate(rng.permutation(volume.shape[2])):
        path = folder / f"IM{number:04d}{ending}"
        file = _file(path, CTImageStorage, volume, affine)
        file.SeriesInstanceUID = series
        file.InstanceNumber = number + 1
        file.ImagePositionPatient = (lps(affine) @ [0, 0, place, 1])[:3].tolist()
        file.ImageOrientationPatient = _directions(affine)
        file.PixelSpacing = _pixel_mm(affine)
        file.SliceThickness = 99  # says nothing of where slices lie
        file.PixelData = np.ascontiguousarray(volume[:, :, place].T).tobytes()
        for name, value in tags.items():
            setattr(file, name, value)
        file.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def write_frames(path: Path, volume: np.ndarray, affine: np.ndarray, *, slope: float = 1.0) -> Path:
    """Write a volume (X, Y, Z) as one file of several frames, from the last slice to the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _file(path, EnhancedMRImageStorage, volume, affine)
    file.SeriesInstanceUID = generate_uid()
    order = range(volume.shape[2] - 1, -1, -1)
    file.NumberOfFrames = len(order)
    plane, measures, values = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = _directions(affine)
    measures.PixelSpacing = _pixel_mm(affine)
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, 0, "US"
    shared = Dataset()
    shared.PlaneOrientationSequence = Sequence([plane])
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PixelValueTransformationSequence = Sequence([values])
    file.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for place in order:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = (lps(affine) @ [0, 0, place, 1])[:3].tolist()
        frame.PlanePositionSequence = Sequence([position])
        frames.append(frame)
    file.PerFrameFunctionalGroupsSequence = Sequence(frames)
    file.PixelData = np.ascontiguousarray(volume[:, :, ::-1].transpose(2, 1, 0)).tobytes()
    file.save_as(path, enforce_file_format=True)
    return path


def _file(path: Path, kind: str, volume: np.ndarray, affine: np.ndarray) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    file.SOPClassUID, file.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    file.PatientName, file.PatientID = "Nobody", "0"
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.Columns, file.Rows = volume.shape[:2]
    file.BitsAllocated = file.BitsStored = 8 * volume.dtype.itemsize
    file.HighBit = file.BitsStored - 1
    file.PixelRepresentation = int(volume.dtype.kind == "i")
    return file


def _directions(affine: np.ndarray) -> list[float]:
    axes = lps(affine)[:3, :2]
    return [float(each) for each in (axes / np.linalg.norm(axes, axis=0)).T.ravel()]


def _pixel_mm(affine: np.ndarray) -> list[float]:
    columns, rows = np.linalg.norm(affine[:3, :2], axis=0)
    return [float(rows), float(columns)]


def write_nifti_of(path: Path, values: np.ndarray, affine: np.ndarray) -> Path:
    """Write an array (X, Y, Z) as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path
