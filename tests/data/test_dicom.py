"""Series of DICOM as volumes: the same as their NIfTI, voxel by voxel, whatever their slices are called."""

import sys
import warnings

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless, generate_uid
from scipy.spatial.transform import Rotation

from incmask.base.errors import IncmaskError
from incmask.data.folder.scan import scan
from incmask.data.images.decode import decode, read_bytes
from incmask.data.images.files import read_raster
from incmask.data.images.masks import mask_raster
from incmask.data.images.readers import read_network_image
from incmask.data.volumes.write import VolumeFile, VolumeWriter
from volume_formats import write_frames, write_nifti_of, write_series

ALONG = np.array([[0.7, 0, 0, -20], [0, 0.9, 0, 11], [0, 0, 2.5, 5], [0, 0, 0, 1.0]])


def oblique(*degrees):
    affine = ALONG.copy()
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * [0.7, 0.9, 2.5]
    return affine


AFFINES = {
    "transverse": np.diag([-1.0, -1, 1, 1]) @ ALONG,
    "sagittal": ALONG[[2, 0, 1, 3]] * [[1], [-1], [-1], [1]],
    "coronal": ALONG[[0, 2, 1, 3]] * [[1], [1], [-1], [1]],
    "oblique": oblique(10, -15, 80),
    "flipped": oblique(190, 5, 3),
}


def volume(dtype=np.int16):
    return np.random.default_rng(0).integers(0, 1000, (6, 5, 4)).astype(dtype)


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
@pytest.mark.parametrize("write", [write_series, lambda path, *more: write_frames(path.with_suffix(".dcm"), *more)])
def test_a_series_is_its_nifti_and_what_is_written_lies_on_it(tmp_path, affine, write):
    write(tmp_path / "case", volume(), affine)
    path = next(each for each in tmp_path.iterdir())
    known = read_raster(write_nifti_of(tmp_path / "known.nii.gz", volume(), affine))
    raster = read_raster(path)
    assert np.array_equal(raster.values, known.values)
    assert raster.values.dtype == np.uint16
    assert raster.grid == known.grid
    writer = VolumeWriter(tmp_path / "mask", VolumeFile(path, raster.grid))
    writer.add((raster.values % 3).astype(np.uint8))
    made = nibabel.load(writer.write())
    # Whatever way its own axes run, the same voxels lie at the same places.
    places = np.argwhere(np.ones(made.shape))
    there = np.linalg.inv(affine) @ made.affine @ np.c_[places, np.ones(len(places))].T
    voxels = np.rint(there[:3]).astype(int)
    assert np.abs(there[:3] - voxels).max() < 1e-4
    assert np.array_equal(np.asarray(made.dataobj)[tuple(places.T)], volume()[tuple(voxels)] % 3)
    assert made.header.get_xyzt_units()[0] == "mm"


def test_how_intensities_are_scaled_does_not_depend_on_the_values(tmp_path):
    dark = volume() % 200
    write_series(tmp_path / "case", dark, ALONG)
    known = write_nifti_of(tmp_path / "known.nii.gz", dark, ALONG)
    seen, theirs = (read_network_image(path, channels=1) for path in (tmp_path / "case", known))
    assert read_raster(tmp_path / "case").values.dtype == np.uint16
    assert np.array_equal(seen, theirs)
    assert (seen.min(), seen.max()) == (0, 255)


def test_stored_numbers_become_values(tmp_path):
    stored, affine = volume(), AFFINES["transverse"]
    write_series(tmp_path / "ct", stored, affine, RescaleSlope=1, RescaleIntercept=-1024)
    raster = read_raster(tmp_path / "ct")
    assert raster.values.dtype == np.int16
    assert np.array_equal(
        raster.values, read_raster(write_nifti_of(tmp_path / "a.nii", stored - np.int16(1024), affine)).values
    )
    # As PET has it, each slice has a factor of its own.
    for number, path in enumerate(write_series(tmp_path / "pet", stored, affine)):
        file = pydicom.dcmread(path)
        file.RescaleSlope, file.RescaleIntercept = 0.5 * (number + 1), 0
        file.save_as(path)
        place = round((float(file.ImagePositionPatient[2]) - 5) / 2.5)
        stored_here = stored[:, :, place] * 0.5 * (number + 1)
        sheet = read_raster(tmp_path / "pet").values.reshape(4, 5, 6) if number == 3 else None
    assert np.allclose(sheet[place], stored_here.T)
    write_frames(tmp_path / "half.dcm", stored, affine, slope=0.5)
    assert np.array_equal(read_raster(tmp_path / "half.dcm").values * 2, raster.values.astype(float) + 1024)


def test_packed_slices_are_unpacked(tmp_path):
    paths = write_series(tmp_path / "a", volume(), AFFINES["oblique"])
    known = read_raster(tmp_path / "a")
    for path in paths:
        file = pydicom.dcmread(path)
        file.compress(RLELossless)
        file.save_as(path)
    assert np.array_equal(read_raster(tmp_path / "a").values, known.values)


def test_where_0_is_white_values_are_turned_round(tmp_path):
    affine = AFFINES["transverse"]
    write_series(tmp_path / "a", volume(np.uint16), affine, PhotometricInterpretation="MONOCHROME1", BitsStored=12)
    write_series(tmp_path / "b", 4095 - volume(np.uint16), affine)
    assert np.array_equal(read_raster(tmp_path / "a").values, read_raster(tmp_path / "b").values)
    with pytest.raises(IncmaskError, match="0 is white"):
        mask_raster(tmp_path / "a")
    assert mask_raster(tmp_path / "b").grid.spacing == (2.5, 0.9, 0.7)


def _move(paths, number, by):
    file = pydicom.dcmread(paths[number])
    file.ImagePositionPatient = (np.array(file.ImagePositionPatient, float) + by).tolist()
    file.save_as(paths[number])


def _again(path, **tags):
    file = pydicom.dcmread(path)
    for name, value in tags.items():
        setattr(file, name, value)
    file.SOPInstanceUID = generate_uid()
    file.save_as(path.with_name("again.dcm"))


def _as_syntax(path, uid):
    file = pydicom.dcmread(path)
    file.file_meta.TransferSyntaxUID = uid
    if uid == JPEGLSLossless:
        file.PixelData = pydicom.encaps.encapsulate([bytes(20)])
    file.save_as(path)


def _drop_inner(paths):
    ordered = sorted(paths, key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))
    ordered[1].unlink()


REFUSED = {
    "a slice lacks": (_drop_inner, "2.5 mm apart, but 5 mm after the one at 5 mm; bring the slices that lack"),
    "unequal": (lambda paths: [_move(paths, 0, [0, 0, 1])], "mm apart, but"),
    "shifted": (lambda paths: [_move(paths, n, [3 * n, 0, 0]) for n in range(4)], "shifted against each other"),
    "one alone": (lambda paths: [path.unlink() for path in paths[1:]], "is a single slice"),
    "two times": (lambda paths: _again(paths[0]), "two slices at"),
    "two series": (lambda paths: _again(paths[0], SeriesInstanceUID="1.2", SeriesDescription="scout"), "2 series"),
    "a scout": (lambda paths: _again(paths[0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "several directions"),
    "other sizes": (lambda paths: _again(paths[0], PixelSpacing=[3, 3]), "slices of several sizes: 4 of 5×6 pixels"),
    "no place": (lambda paths: [_again(paths[0], ImagePositionPatient=None)], "where its pictures lie|broken"),
    "colours": (lambda paths: _again(paths[0], SamplesPerPixel=3), "is in colours"),
    "bits": (lambda paths: _again(paths[0], BitsAllocated=1), "1 bits a pixel, as segmentations"),
    "JPEG-LS": (lambda paths: [_as_syntax(path, JPEGLSLossless) for path in paths], "pip install 'pylibjpeg"),
    "deflated": (lambda paths: [_as_syntax(paths[0], "1.2.840.10008.1.2.1.99")], "deflated"),
    "cut off": (lambda paths: paths[0].write_bytes(paths[0].read_bytes()[:-40]), "broken or truncated"),
    "no pixels": (lambda paths: [path.write_bytes(bytes(128) + b"DICM") for path in paths], "no pictures|broken"),
}


@pytest.mark.parametrize(("damage", "told"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_one_volume_is_refused(tmp_path, damage, told):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, that what is written is broken
        damage(write_series(tmp_path / "case", volume(), AFFINES["transverse"]))
    with pytest.raises(IncmaskError, match=told):
        read_raster(tmp_path / "case")


def test_sizes_are_checked_before_memory_is_taken(tmp_path):
    write_series(tmp_path / "case", volume(), AFFINES["transverse"], Rows=30000, Columns=30000)
    with pytest.raises(IncmaskError, match="30000×30000×4 voxels, more than"):
        read_raster(tmp_path / "case")


def test_a_slice_alone_and_images_are_told_apart(tmp_path):
    path, *_ = write_series(tmp_path, volume(), AFFINES["transverse"])
    with pytest.raises(IncmaskError, match="single slice"):
        read_raster(path)
    with pytest.raises(IncmaskError, match="is a volume, where an image is expected"):
        decode(path, read_bytes(path))


def test_a_folder_of_series(tmp_path):
    """Names of series have dots, files no endings, and masks are NIfTI, or series of whole numbers."""
    affine = AFFINES["oblique"]
    label = (volume() > 500).astype(np.uint16)
    for part, names in {"labelled": ("1.2.840.1", "1.2.840.2", "pat/ct"), "unlabelled": ("1.2.840.3",)}.items():
        for name in names:
            write_series(tmp_path / part / "images" / name, volume(), affine, ending="")
    for name in ("1.2.840.1", "pat/ct"):
        write_nifti_of(tmp_path / "labelled" / "masks" / f"{name}.nii.gz", label, affine)
    write_series(tmp_path / "labelled" / "masks" / "1.2.840.2", label, affine)
    (tmp_path / "labelled" / "images" / "1.2.840.1" / "DICOMDIR").write_bytes(b"none")
    (tmp_path / "labelled" / "images" / "1.2.840.1" / "notes.txt").write_text("none")
    found = scan(tmp_path)
    assert [str(each) for each in found.problems] == []
    assert [item.name for item in found.dataset.labelled] == ["1.2.840.1", "1.2.840.2", "pat/ct"]
    assert [item.name for item in found.dataset.unlabelled] == ["1.2.840.3"]
    assert {item.grid.spacing for item in found.dataset.labelled} == {(2.5, 0.7, 0.9)}


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    for folder in ("images", "masks"):
        write_series(tmp_path / folder / "case", volume(np.uint16), AFFINES["oblique"])
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (problem,) = scan(tmp_path).problems
    assert "which the package pydicom reads; install it: pip install 'incmask[volumes]'" in str(problem)


@pytest.mark.parametrize("num", [1, 3])
def test_files_of_several_frames_are_a_volume_each_wherever_they_lie(tmp_path, num):
    generator = np.random.default_rng(0)
    affine = np.diag([2.0, 1.0, 1.5, 1.0])
    for number in range(num):
        for part, most in (("images", 200), ("masks", 2)):
            values = generator.integers(0, most, (8, 7, 6)).astype(np.uint16)
            write_frames(tmp_path / "labelled" / part / f"a{number}.dcm", values, affine)
    found = scan(tmp_path)
    assert found.problems == ()
    assert [item.name for item in found.dataset.labelled] == [f"a{number}" for number in range(num)]
    assert {item.grid.shape for item in found.dataset.labelled} == {(6, 7, 8)}


def test_an_element_of_an_unknown_kind_is_told(tmp_path):
    affine = np.diag([2.0, 1.0, 1.5, 1.0])
    first, *_ = write_series(tmp_path / "a", np.zeros((6, 5, 4), np.uint16), affine)
    content = first.read_bytes()
    place = content.index(b"\x20\x00\x0e\x00UI") + 4
    first.write_bytes(content[:place] + b"U\xec" + content[place + 2 :])
    with pytest.raises(IncmaskError, match=r"is broken or truncated"):
        read_raster(tmp_path / "a")
