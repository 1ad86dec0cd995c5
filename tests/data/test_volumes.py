"""Volumes from files and back: orientations, spacings, patches, and what is refused."""

import gzip
import itertools
import sys

import nibabel
import numpy as np
import pytest
import tifffile

from incmask.base.errors import IncmaskError
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import scan
from incmask.data.images.decode import decode, read_bytes
from incmask.data.images.readers import read_label, read_network_image
from incmask.data.volumes.grid import Grid, VolumeFormat, format_of, resample, resample_label
from incmask.data.volumes.nifti import header_of, write_nifti
from incmask.data.volumes.patches import check_memory, image_patches, join_patches, stack_of
from incmask.data.volumes.tiff import write_tiff_volume
from incmask.method.sheets import folded, unfolded
from volume_scenes import scene, write_volumes
from volume_scenes import write_nifti as write_file

ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
    if (sum(order[:2]) + sum(signs)) % 3 == 0
]


def raster_of(path):
    return decode(path, read_bytes(path), volumes=True)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_all_orientations_show_the_same_and_go_back(tmp_path, order, signs):
    """A body in world coordinates, stored along any axes, gives one sheet; what is written lies on the file's own."""
    body = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)  # x, y, z towards right, front, top
    sizes = (0.5, 1.0, 3.0)
    stored, affine = body.transpose(order), np.zeros((4, 4))
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = sign * sizes[world]
        if sign < 0:
            stored = np.flip(stored, axis)
    affine[3, 3] = 1
    path = tmp_path / "a.nii.gz"
    write_file(path, np.ascontiguousarray(stored), affine)
    raster = raster_of(path)
    assert raster.grid == Grid((4, 3, 2), (3.0, 1.0, 0.5))
    # Slices upwards, rows to the back, columns to the left.
    assert np.array_equal(unfolded(raster.values, 4), body[::-1, ::-1].transpose(2, 1, 0))
    write_nifti(tmp_path / "b.nii.gz", raster.values, header_of(path))
    back = nibabel.load(tmp_path / "b.nii.gz")
    assert np.array_equal(np.asarray(back.dataobj), stored)
    assert np.array_equal(back.affine, affine)
    assert back.get_data_dtype() == np.uint8


def test_headers_go_back_as_they_were(tmp_path):
    image = nibabel.Nifti1Image(np.ones((4, 5, 6), np.int16), np.diag([2.0, 2, 2, 1]))
    image.header["descrip"] = b"from a scanner"
    image.header.set_slope_inter(2.5, 7)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(image.affine, code=4)
    nibabel.save(image, tmp_path / "a.nii")
    write_nifti(tmp_path / "b.nii.gz", np.full((6 * 5, 4), 3, np.uint8), header_of(tmp_path / "a.nii"))
    back = nibabel.load(tmp_path / "b.nii.gz")
    assert bytes(back.header["descrip"]).startswith(b"from a scanner")
    assert back.header["sform_code"] == 4
    assert back.header.get_xyzt_units() == ("mm", "sec")
    assert np.unique(np.asarray(back.dataobj)).tolist() == [3]
    assert (tmp_path / "b.nii.gz").read_bytes() == gzip.compress(
        gzip.decompress((tmp_path / "b.nii.gz").read_bytes()), 6, mtime=0
    )


def test_many_objects_keep_their_numbers(tmp_path):
    write_file(tmp_path / "a.nii.gz", np.zeros((4, 5, 6), np.uint8), np.diag([2.0, 2, 2, 1]))
    ids = np.arange(120, dtype=np.uint16).reshape(6 * 5, 4) * 7
    write_nifti(tmp_path / "b.nii.gz", ids, header_of(tmp_path / "a.nii.gz"))
    assert np.array_equal(raster_of(tmp_path / "b.nii.gz").values, ids)


def test_what_a_header_says_is_checked_before_memory_is_taken(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30_000, 30_000, 30_000))
    header.set_data_dtype(np.uint8)
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(header.binaryblock + bytes(4) + bytes(10_000)))
    with pytest.raises(IncmaskError, match="30000×30000×30000 voxels"):
        raster_of(bomb)
    short = tmp_path / "short.nii"
    header.set_data_shape((50, 50, 50))
    short.write_bytes(header.binaryblock + bytes(4) + bytes(10_000))
    with pytest.raises(IncmaskError, match="broken or truncated"):
        raster_of(short)
    (tmp_path / "none.nii.gz").write_bytes(b"no volume at all")
    with pytest.raises(IncmaskError, match="does not begin as NIfTI"):
        raster_of(tmp_path / "none.nii.gz")
    write_file(tmp_path / "five.nii", np.zeros((2, 2, 2, 2, 2), np.uint8), np.eye(4))
    with pytest.raises(IncmaskError, match="5 axes"):
        raster_of(tmp_path / "five.nii")


def test_where_images_are_meant_volumes_are_refused(tmp_path):
    write_file(tmp_path / "a.nii.gz", np.zeros((2, 2, 2), np.uint8), np.eye(4))
    with pytest.raises(IncmaskError, match="is a volume, where an image is expected"):
        decode(tmp_path / "a.nii.gz", read_bytes(tmp_path / "a.nii.gz"))


def test_without_nibabel_the_extra_is_named(tmp_path, monkeypatch):
    write_file(tmp_path / "a.nii.gz", np.zeros((2, 2, 2), np.uint8), np.eye(4))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(IncmaskError, match=r"pip install 'incmask\[volumes\]'"):
        raster_of(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("task", [None, "depth"])
def test_without_nibabel_a_folder_is_told_once(tmp_path, monkeypatch, task):
    write_volumes(tmp_path)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    (problem,) = scan(tmp_path, DataOptions(task=task)).problems
    assert str(problem).endswith(
        ".nii.gz: is a volume of NIfTI, which the package nibabel reads; install it: pip install 'incmask[volumes]'"
    )


def test_channels_are_the_fourth_axis(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 2), dtype=np.uint8)
    write_file(tmp_path / "a.nii.gz", values, np.diag([-1.0, -1, 1, 1]))
    raster = raster_of(tmp_path / "a.nii.gz")
    assert np.array_equal(unfolded(raster.values, 5), values.transpose(2, 1, 0, 3))


def test_tiffs_that_call_their_pages_slices(tmp_path):
    volume = np.random.default_rng(0).integers(0, 255, (3, 5, 4), dtype=np.uint8)
    grid = Grid((3, 5, 4), (2.0, 0.5, 0.25))
    write_tiff_volume(tmp_path / "a.ome.tif", folded(volume), grid)
    write_tiff_volume(tmp_path / "b.ome.tif", folded(volume), grid)
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b.ome.tif").read_bytes()
    tifffile.imwrite(
        tmp_path / "c.tif",
        volume,
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "ZYX", "spacing": 2.0},
    )
    for name in ("a.ome.tif", "c.tif"):
        raster = raster_of(tmp_path / name)
        assert raster.grid == grid
        assert np.array_equal(raster.values, folded(volume))
    tifffile.imwrite(tmp_path / "d.tif", volume, photometric="minisblack", metadata={"axes": "ZYX"})
    assert raster_of(tmp_path / "d.tif").grid == Grid((3, 5, 4), (1.0, 1.0, 1.0))
    assert np.array_equal(raster_of(tmp_path / "d.tif").values, folded(volume))
    for metadata in (None, {}):
        tifffile.imwrite(tmp_path / "e.tif", volume, photometric="minisblack", metadata=metadata)
        with pytest.raises(IncmaskError, match=r"pages; .* or as OME-TIFF with the axes ZYX, where pages are slices"):
            raster_of(tmp_path / "e.tif")


def test_patches_have_the_median_size_and_thick_slices_are_pooled_last():
    assert format_of([Grid((35, 50, 35), (1.0, 1.0, 1.0))]).patch == (40, 56, 40)
    thick = format_of([Grid((10, 128, 128), (6.0, 1.0, 1.0))])
    assert thick.poolings == ((1, 2, 2), (1, 2, 2), (2, 2, 2), (1, 2, 2))
    assert thick.patch == (10, 128, 128)
    large = format_of([Grid((400, 500, 600), (1.0, 1.0, 1.0))])
    assert np.prod(large.patch) <= 128 * 64 * 64
    assert max(large.patch) <= 2 * min(large.patch)
    assert all(side % 16 == 0 for side in large.patch)
    chosen = format_of([Grid((35, 50, 35), (1.0, 1.0, 1.0))], spacing=(2.0, 1.0, 1.0), patch=(9, 32, 30))
    assert chosen.spacing == (2.0, 1.0, 1.0)
    assert chosen.patch[0] >= 9


def test_resampling_keeps_planes_and_nearest_labels():
    ramp = np.broadcast_to(np.arange(8.0), (3, 4, 8))
    fine = resample(ramp, (6, 4, 16))
    # Between the outermost voxels' middles, a plane stays a plane.
    assert np.allclose(fine[0, 0, 1:-1], (np.arange(16) + 0.5)[1:-1] / 2 - 0.5, atol=1e-6)
    assert np.allclose(resample(fine, (3, 4, 8))[1, 1, 2:-2], ramp[1, 1, 2:-2], atol=1e-5)
    assert resample(ramp, (3, 4, 8)).dtype == np.float32
    label = np.arange(6).reshape(1, 2, 3)
    assert np.array_equal(resample_label(resample_label(label, (3, 4, 9)), (1, 2, 3)), label)


def test_overlapping_patches_put_together_are_the_volume():
    grid = Grid((9, 12, 7), (1.0, 1.0, 1.0))
    shown = VolumeFormat((1.0, 1.0, 1.0), (4, 8, 8), ((1, 1, 1),) * 4)
    sheet = np.random.default_rng(0).integers(0, 255, (9 * 12, 7, 1), dtype=np.uint8)
    patches = image_patches(sheet, grid, shown, overlapping=True)
    assert len(patches) == 3 * 2
    outputs = (np.moveaxis(each, -1, 0)[None].astype(np.float32) for each in patches)
    assert np.allclose(join_patches(outputs, grid, shown)[0, 0], sheet[..., 0], atol=1e-4)
    with pytest.raises(IncmaskError, match="GiB of memory"):
        check_memory("a.nii.gz", Grid((10**4, 10**4, 10**4), grid.spacing), shown, num_numbers=6)


def test_a_folder_of_volumes(tmp_path):
    found = scan(write_volumes(tmp_path))
    assert found.problems == ()
    dataset = found.dataset
    assert dataset.task == "multiclass"
    assert dataset.volumes.spacing == (2.2, 1.0, 1.0)
    assert dataset.depth == dataset.volumes.patch[0]
    item = dataset.labelled[1]
    _, label, _ = scene(1)
    assert item.grid.shape == (8, 18, 17)
    assert np.array_equal(np.bincount(read_label(item, dataset).ravel()), np.bincount(label.ravel()))
    stack = stack_of(dataset.labelled, dataset, size=dataset.volumes.sheet, fit="resize", folder=tmp_path / "stack")
    images, labels = np.load(stack.images), np.load(stack.labels)
    assert images.shape == (len(stack), *dataset.volumes.sheet, 1)
    assert set(np.unique(labels)) <= {0, 1, 2, 255}
    # Voxels of a class are brighter by the same, whatever unit a scanner has.
    pairs = list(zip(images, labels, strict=True))
    means = [[float(image[..., 0][own == value].mean()) for value in range(3)] for image, own in pairs]
    assert np.ptp(means, axis=0).max() < 25


def test_normalisation_knows_no_unit(tmp_path):
    image, _, affine = scene(0)
    for factor in (1e-2, 1.0, 1e4):
        write_file(tmp_path / f"{factor}.nii.gz", (image * factor).astype(np.float32), affine)
    seen = [read_network_image(tmp_path / f"{factor}.nii.gz", channels=1).astype(int) for factor in (1e-2, 1.0, 1e4)]
    assert all(np.abs(each - seen[0]).max() <= 1 for each in seen)


def test_masks_on_other_grids_and_mixed_folders_are_told(tmp_path):
    write_volumes(tmp_path)
    _, label, affine = scene(0)
    write_file(tmp_path / "labelled" / "masks" / "labelled_0.nii.gz", label, affine @ np.diag([1, 1, 2, 1]))
    write_file(tmp_path / "labelled" / "masks" / "labelled_1.nii.gz", label[:10], affine)
    tifffile.imwrite(tmp_path / "unlabelled" / "images" / "flat.tif", np.zeros((20, 20), np.uint8))
    told = "\n".join(map(str, scan(tmp_path, DataOptions()).problems))
    assert told.count("export the mask on the grid of its image") == 2
    assert "has images and volumes" in told
