"""Numbers of volumes: targets, scores, runs and what is written."""

import nibabel
import numpy as np
import pytest

import incmask
from incmask.base.errors import IncmaskError
from incmask.base.progress import Silent
from incmask.base.tables import csv_lines
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import scan
from incmask.data.volumes.grid import resample_values
from incmask.exchange.models.model import export_model
from incmask.method.augment_volumes import VolumeGeometry, move
from incmask.method.sheets import folded
from incmask.method.value_scores import measure, ssim
from incmask.method.values import SpreadRule, mean_of_values
from runs import HERE
from value_data import tell
from volume_formats import write_nifti_of
from volume_scenes import TINY

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def scene(seed):
    """Give noise on a ball, and what it is without, NaN where nobody knows, (X, Y, Z)."""
    generator = np.random.default_rng(seed)
    places = np.moveaxis(np.indices((16, 18, 8)), 0, -1) - generator.integers(4, 9, 3)
    clean = (50.0 + 100 * (np.linalg.norm(places * [1, 1, 2], axis=-1) < 6)).astype(np.float32)
    noisy = (clean + generator.normal(0, 20, clean.shape)).astype(np.float32)
    clean[:3, :3] = np.nan
    return noisy, clean


def write_folder(root, task="denoise"):
    for place, (part, num) in enumerate({"labelled": 3, "unlabelled": 2, "val": 1, "test": 2}.items()):
        for number in range(num):
            noisy, target = scene(10 * place + number)
            write_nifti_of(root / part / "images" / f"{part}{number}.nii.gz", noisy, AFFINE)
            if part != "unlabelled":
                write_nifti_of(root / part / "targets" / f"{part}{number}.nii.gz", target, AFFINE)
    return tell(root, task)


def test_similarity_in_three_dimensions_is_that_of_others():
    metrics = pytest.importorskip("skimage.metrics")
    generator = np.random.default_rng(0)
    true = generator.random((14, 13, 12))
    said = true + generator.normal(0, 0.1, true.shape)
    _, whole = metrics.structural_similarity(
        said, true, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(said, true, span=1) == pytest.approx(whole[5:-5, 5:-5, 5:-5].mean(), abs=1e-9)
    errors = measure(folded(said)[None], folded(true)[None], span=1, depth=14)
    assert errors.ssim[0] == pytest.approx(ssim(said, true, span=1))
    assert errors.squared[0] == pytest.approx(np.mean((said - true) ** 2))


def test_missing_voxels_stay_missing():
    values = np.full((4, 4, 4), 3, np.float32)
    values[:2] = np.nan
    small = resample_values(values, (2, 2, 2))
    assert np.isnan(small[0]).all()
    assert np.allclose(small[1], 3)
    turn = np.array([[1, 0, 0], [0, 0.98, -0.17], [0, 0.17, 0.98]])
    moved = move(np.arange(64, dtype=np.float32).reshape(4, 4, 4), VolumeGeometry(matrix=turn * 1.3))
    assert {*moved[~np.isnan(moved)].tolist()} <= {*range(64)}
    assert np.isnan(moved).any()


def test_disputed_voxels_grow_in_cubes():
    members = np.zeros((2, 1, 5 * 5, 5))
    members[1, 0, 2 * 5 + 2, 2] = 1
    found = mean_of_values(members, SpreadRule(0.1, "range"), dilate_px=3, depth=5)
    inside = np.zeros((5, 5, 5), bool)
    inside[1:4, 1:4, 1:4] = True
    assert np.array_equal(found.inconsistent[0], folded(inside))


def test_targets_lie_on_the_grid_of_their_image(tmp_path):
    root = write_folder(tmp_path)
    _, target = scene(0)
    write_nifti_of(root / "labelled" / "targets" / "labelled0.nii.gz", target, AFFINE @ np.diag([1, 1, 2, 1]))
    (problem,) = scan(root, DataOptions(task="denoise")).problems
    assert "export the mask on the grid of its image" in str(problem)


@pytest.fixture(scope="module", params=["denoise", pytest.param("depth", marks=pytest.mark.slow)])
def finished(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    write_folder(root / "data", request.param)
    result = incmask.run(
        root / "data", out=root / "run", recipe="im", time=None, settings=TINY, report=True, executor=HERE
    )
    return root, request.param, result


def test_predictions_are_numbers_on_the_volumes_own_grid(finished):
    root, _, result = finished
    for folder, kind in (("predictions", np.float32), ("disagreement", np.float32), ("inconsistent", np.uint8)):
        made = nibabel.load(root / "run" / folder / "unlabelled0.nii.gz")
        assert made.shape == (16, 18, 8)
        assert np.array_equal(made.affine, AFFINE)
        assert made.get_data_dtype() == kind
    noisy, _ = scene(10)
    (found,) = result.predict(noisy.transpose(2, 1, 0), spacing=(2.0, 1.0, 1.0))
    written = np.asarray(nibabel.load(root / "run" / "predictions" / "unlabelled0.nii.gz").dataobj)
    assert np.allclose(written.transpose(2, 1, 0), found.label, atol=1e-2)


def test_scores_are_those_of_the_written_numbers(finished, tmp_path):
    root, task, result = finished
    incmask.predict(root / "run", root / "data" / "test" / "images", tmp_path, executor=HERE)
    errors = []
    for number in range(2):
        said = np.asarray(nibabel.load(tmp_path / "predictions" / f"test{number}.nii.gz").dataobj)
        _, true = scene(30 + number)
        errors.append(np.sqrt(np.nanmean((said - true) ** 2)))
    header, *lines = csv_lines((root / "run" / "scores.csv").read_text())
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    wanted = (result.chosen, "ensemble", "test")
    (row,) = [each for each in rows if (each["stage"], each["model"], each["split"]) == wanted]
    assert float(row["rmse"]) == pytest.approx(np.mean(errors), rel=1e-3)
    assert ("ssim" if task == "denoise" else "abs_rel") in header
    assert not any(each.startswith("hd95") for each in header)


def test_the_page_shows_slices(finished):
    root, *_ = finished
    page = (root / "run" / "report.html").read_text()
    assert page.count("data:image/jpeg") >= 3
    assert "RMSE, in the targets" in page


def test_what_numbers_of_volumes_do_not_have_is_told(finished, tmp_path):
    root, *_ = finished
    with pytest.raises(IncmaskError, match="export of models of volumes"):
        export_model(root / "run", tmp_path / "a.onnx", target="onnx", progress=Silent())
