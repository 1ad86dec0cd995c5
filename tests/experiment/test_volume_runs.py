"""Runs on volumes from end to end."""

import nibabel
import numpy as np
import pytest

import incmask
from incmask.base.errors import IncmaskError
from incmask.base.tables import csv_lines
from nightly import AT_NIGHT
from runs import HERE
from volume_scenes import TINY, scene, write_nifti, write_volumes

OF_TIME = (
    "environment.json",
    ".lock",
    "history.csv",
    "manifest.jsonl",
    "manifest.end",
    "progress.jsonl",
    "together.json",
)
"""Files that tell of times, and differ."""


def run(root, recipe="im", **settings):
    return incmask.run(
        root / "data", out=root / "run", recipe=recipe, time=None, settings=TINY | settings, report=False, executor=HERE
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("volumes")
    write_volumes(root / "data")
    return root, run(root)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in OF_TIME}


@pytest.mark.slow
def test_masks_lie_on_the_volumes_own_grids(finished):
    root, _ = finished
    for number in range(3):
        name = f"unlabelled_{number}.nii.gz"
        image = nibabel.load(root / "data" / "unlabelled" / "images" / name)
        for folder in ("masks", "inconsistent", "disagreement"):
            made = nibabel.load(root / "run" / folder / name)
            assert made.shape == image.shape
            assert np.array_equal(made.affine, image.affine)
            assert made.get_data_dtype() == np.uint8
    header, *_ = csv_lines((root / "run" / "scores.csv").read_text())
    assert {"hd95/class_1", "surface_distance/class_1"} <= {*header}
    assert "hd95/background" not in header


def test_what_is_lost_is_made_again_with_the_same_bytes(finished):
    root, _ = finished
    before = contents(root / "run")
    for lost in ("masks/unlabelled_1.nii.gz", "scores.csv"):
        (root / "run" / lost).unlink()
    run(root)
    assert contents(root / "run") == before


def test_volumes_in_python_are_those_of_files(finished, tmp_path):
    root, result = finished
    image, _, _ = scene(3)
    predicted = result.predict(np.ascontiguousarray(image[::-1, ::-1].transpose(2, 1, 0)))[0]
    assert predicted.label.shape == predicted.inconsistent.shape == (8, 18, 16)
    assert predicted.probability.shape == (3, 8, 18, 16)
    with pytest.raises(IncmaskError, match="expected"):
        result.predict(np.zeros((4, 4)))
    # Of the training's spacing, so that nothing is resampled.
    spacing = result.about.volumes.spacing
    write_nifti(tmp_path / "new" / "a.nii.gz", image, np.diag([*spacing[::-1], 1]))
    done = incmask.predict(root / "run", tmp_path / "new", tmp_path / "out", instances=True, executor=HERE)
    assert done.problems == ()
    made = np.asarray(nibabel.load(tmp_path / "out" / "masks" / "a.nii.gz").dataobj)
    assert np.array_equal(made[::-1, ::-1].transpose(2, 1, 0), predicted.label)


def test_what_is_of_images_alone_is_refused_by_name(finished, tmp_path):
    root, _ = finished
    for refused, named in (
        (lambda: incmask.export(root / "run", tmp_path / "x", format="coco"), "export to coco"),
        (lambda: incmask.import_labels(root / "run", tmp_path, format="png"), "import"),
        (lambda: incmask.correct(root / "run"), "correct"),
        (lambda: incmask.rank(root / "run", crop_px=32), "crop"),
        (lambda: incmask.check(root / "data", fix=tmp_path / "fixed"), "fix"),
        (lambda: incmask.predict(root / "run", root / "data" / "test" / "images", tmp_path, overlays=True), "overlays"),
        (lambda: incmask.mask([root / "run" / each for each in ("masks", "inconsistent")], tmp_path / "m"), "volumes"),
    ):
        with pytest.raises(IncmaskError, match=named):
            refused()
    for settings in ({"size": [32, 32]}, {"net": "efficientnet-lite0"}, {"redraw_positions": True}):
        with pytest.raises(IncmaskError, match="volumes"):
            incmask.run(root / "data", out=tmp_path / "other", time=None, settings=settings)


@pytest.mark.slow
def test_a_team_comes_to_the_same_bytes_again(tmp_path):
    write_volumes(tmp_path / "data")
    run(tmp_path, "im-online")
    before = contents(tmp_path / "run")
    (tmp_path / "run" / "gen-1" / "students" / "2" / "model.safetensors").unlink()
    run(tmp_path, "im-online")
    assert contents(tmp_path / "run") == before


@pytest.mark.slow
def test_the_report_shows_slices(finished):
    root, result = finished
    page = incmask.report(root / "run", executor=HERE).read_text()
    assert page.count("data:image/jpeg") >= 3
    assert f"<dd>{'×'.join(map(str, result.about.volumes.patch))}×1, " in page
    incmask.rank(root / "run", executor=HERE)
    assert len((root / "run" / "ranking.csv").read_text().splitlines()) == 4


@AT_NIGHT
@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["ldt", "strong-ldt", "me", "ie", "cl", "mt", "cps", "fixmatch", "fixmatch+im"])
def test_other_approaches(tmp_path, recipe):
    write_volumes(tmp_path / "data")
    result = run(tmp_path, recipe)
    assert result.chosen in result.stages
