"""Runs on OME-Zarr and on series of DICOM from end to end: check, run, predict and rank."""

import nibabel
import numpy as np
import pytest

import incmask
from incmask.base.tables import csv_lines
from incmask.data.volumes.grid import Grid
from incmask.data.volumes.tiff import write_tiff_volume
from incmask.method.sheets import folded
from runs import HERE
from volume_formats import write_frames, write_nifti_of, write_ome_zarr, write_series
from volume_scenes import TINY

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def scene(seed):
    """Give image and label, (X, Y, Z)."""
    rng = np.random.default_rng(seed)
    label = np.zeros((16, 18, 8), np.uint8)
    x, y = rng.integers(2, 6, 2)
    label[x : x + 8, y : y + 9, 2:6] = 1
    return (rng.random(label.shape) * 40 + 100 * label).astype(np.uint16), label


def write_zarr_folder(root):
    for seed in range(4):
        image, label = scene(seed)
        part = "labelled" if seed < 2 else "unlabelled"
        write_ome_zarr(root / part / "images" / f"a{seed}.ome.zarr", image.T, scale=(2.0, 1.0, 1.0))
        if seed < 2:
            write_ome_zarr(root / part / "masks" / f"a{seed}.zarr", label.T, scale=(2.0, 1.0, 1.0), version="0.4")


def write_dicom_folder(root):
    for seed in range(4):
        image, label = scene(seed)
        part = "labelled" if seed < 2 else "unlabelled"
        if seed % 2:
            write_frames(root / part / "images" / f"a{seed}.dcm", image, AFFINE)
        else:
            write_series(root / part / "images" / f"a{seed}", image, AFFINE, ending="")
        if seed < 2:
            write_nifti_of(root / part / "masks" / f"a{seed}.nii.gz", label, AFFINE)


def turned(path):
    """Give a mask along the patient's axes, and where its first voxel lies."""
    made = nibabel.as_closest_canonical(nibabel.load(path))
    return np.asarray(made.dataobj), made.affine


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zarr", "dicom"])
def test_a_whole_run(tmp_path, kind):
    """What comes of a volume is what comes of the same voxels in NIfTI or OME-TIFF."""
    data, run, out = tmp_path / "data", tmp_path / "run", tmp_path / "out"
    (write_zarr_folder if kind == "zarr" else write_dicom_folder)(data)
    assert incmask.check(data).problems == ()
    incmask.run(data, out=run, recipe="ldt", time=None, settings=TINY, report=True, executor=HERE)
    given = data / "unlabelled" / "images"
    for again in (0, 2):
        done = incmask.predict(run, given, out, instances=True, executor=HERE)
        assert (done.problems, done.num_unchanged) == ((), again)
    assert len(incmask.predict(run, sorted(given.iterdir())[0], tmp_path / "one", executor=HERE).shares) == 1
    for seed in (2, 3):
        image, _ = scene(seed)
        if kind == "zarr":
            write_tiff_volume(tmp_path / "same" / f"a{seed}.ome.tif", folded(image.T), Grid((8, 18, 16), (2, 1, 1)))
        else:
            write_nifti_of(tmp_path / "same" / f"a{seed}.nii.gz", image, AFFINE)
    incmask.predict(run, tmp_path / "same", tmp_path / "theirs", executor=HERE)
    for path in (tmp_path / "theirs").rglob("a*.*"):
        folder, name = path.parent.name, path.name
        assert name.endswith(".ome.tif" if kind == "zarr" else ".nii.gz")
        for ours in (out / folder / name, run / folder / name):
            if kind == "zarr":
                assert ours.read_bytes() == path.read_bytes()
            else:
                assert all(map(np.array_equal, turned(ours), turned(path)))
    ranked = incmask.rank(run, executor=HERE)
    assert {row.name for row in ranked.rows} == {"a2", "a3"}
    header, *_ = csv_lines((run / "scores.csv").read_text())
    assert any(each.startswith("hd95/") for each in header)
