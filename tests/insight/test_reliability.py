import json
import math
import shutil

import numpy as np
import pytest

from finished_runs import finish, write_to
from incmask.base.errors import IncmaskError
from incmask.base.pool import HerePool
from incmask.base.tables import read_rows
from incmask.experiment.record.run import open_run
from incmask.insight.reliability import measure
from incmask.insight.reliability.counting import ALL, BACKGROUND
from incmask.insight.reliability.measure import measure_reliability, write_reliability
from incmask.insight.reliability.rows import ErrorRow, ImageReliability
from incmask.insight.report.plots_reliability import reliability_picture, reliability_pictures
from incmask.prediction.ensemble import Ensemble
from runs import PARTS

TASKS = ("binary", "multilabel", "multiclass")


def measured(run):
    return measure_reliability(open_run(run), HerePool(1))


@pytest.mark.slow
@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("task", TASKS)
def test_errors_are_those_of_what_predict_says(finished_run, task, split):
    found = measured(finished_run(task))
    stack = finished_run(task) / "stacks" / split
    truth = np.load(stack / "labels.npy")
    predictions = list(Ensemble.load(finished_run(task)).predict(list(np.load(stack / "images.npy"))))
    label = np.stack([each.label for each in predictions])
    share = np.stack([each.disagreement for each in predictions])
    differs = (label != truth).any(-1) if task == "multilabel" else label != truth
    rows = [row for row in found.errors if (row.split, row.name) == (split, ALL)]
    assert sum(row.num_pixels for row in rows) == share.size
    for row in rows:
        there = np.isclose(share, row.disagreement)
        assert (row.num_pixels, row.num_wrong) == (there.sum(), differs[there].sum())
        # Of three images.
        assert np.isnan([row.low, row.high]).all()
    run = open_run(finished_run(task))
    stored = run.image_scores if split == "test" else run.validation_scores
    images = [row for row in found.images if row.split == split]
    assert [row.name for row in images] == [f"{split} {index}" for index in range(3)]
    # Of whole images at their own size, as everywhere.
    assert [row.score for row in images] == list(stored.scores[f"{run.chosen}/ensemble"])
    np.testing.assert_allclose([row.inconsistent_fraction for row in images], (share > 0).mean((1, 2)))


def test_images_of_one_subject_are_one(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run("binary"), run)
    data = json.loads((run / "data.json").read_text())
    for item in data["parts"]["test"].values():
        item["group"] = "the only one"
    write_to(run, "data.json", json.dumps(data))
    assert measured(run).num_subjects == {"val": 3, "test": 1}


@pytest.mark.parametrize("task", TASKS)
def test_every_predicted_class_has_rows_of_its_own(finished_run, task):
    found = measured(finished_run(task))
    known = (
        {BACKGROUND, "foreground"}
        if task == "binary"
        else {each.name for each in open_run(finished_run(task)).scheme.classes}
    )
    assert {row.name for row in found.errors} <= {ALL, BACKGROUND, *known}
    if task != "multilabel":
        for split in ("val", "test"):
            pixels = {
                name: sum(row.num_pixels for row in found.errors if (row.split, row.name) == (split, name))
                for name in (ALL, *known)
            }
            assert pixels.pop(ALL) == sum(pixels.values())


def test_everything_is_written_and_entered(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run("binary"), run)
    found = write_reliability(run, open_pool=HerePool)
    entered = (run / "manifest.jsonl").read_text()
    names = ("error_vs_disagreement.csv", "image_reliability.csv", "reliability.json")
    assert all((run / name).exists() and name in entered for name in names)
    assert len(read_rows(run / names[0], ErrorRow)) == len(found.errors)
    assert len(read_rows(run / names[1], ImageReliability)) == 6
    assert json.loads((run / names[2]).read_text())["sentence"] == found.sentence()
    # Three images carry no curve.
    assert not (run / "error_vs_disagreement.svg").exists()
    assert found.sentence().startswith("how often disputed pixels are wrong takes 3 more images")


@pytest.mark.slow
def test_curves_are_of_what_has_an_interval():
    rows = [
        ErrorRow("val", ALL, level / 2, 90, 9, 0.1, low, low + 0.1, 6) for level, low in enumerate((0.05, math.nan))
    ]
    images = [ImageReliability("val", str(index), index / 10, 0.1, 1 - index / 10) for index in range(10)]
    picture = reliability_picture(rows, images, score_name="IoU")
    assert "on validation images 10.0% at 0; correlation with the IoU -1.00." in picture.alt
    assert "validation: 10 images, r = -1.00, rank r = -1.00" in picture.svg
    few = reliability_picture(rows, images[:9], score_name="IoU")
    assert "r =" not in few.svg
    assert reliability_picture(rows[1:], images, score_name="IoU") is None
    pixels, by_image = reliability_pictures(rows, images, score_name="IoU")
    assert pixels.alt == "Share of wrong pixels by disagreement on validation images: 10.0% at 0."
    told = "10 validation images by the disputed share of their foreground; correlation with the IoU -1.00."
    assert by_image.alt == f"IoU of {told}"
    (alone,) = reliability_pictures(rows, [], score_name="IoU")
    assert alone.svg == pixels.svg
    assert reliability_pictures(rows[1:], images, score_name="IoU") == []


def test_without_matplotlib_the_tables_are_there(finished_run, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(finished_run("binary"), run)

    def lacks(*_, **__):
        raise IncmaskError([])

    monkeypatch.setattr(measure, "reliability_picture", lacks)
    write_reliability(run, open_pool=HerePool)
    assert (run / "error_vs_disagreement.csv").exists()
    assert not (run / "error_vs_disagreement.svg").exists()


@pytest.mark.slow
def test_images_set_aside_are_the_validation(tmp_path):
    run = finish(tmp_path, parts=PARTS | {"labelled": 30, "val": 0})
    found = measured(run)
    record = open_run(run)
    names = [record.stack("labelled").names[row] for row in record.folds[0].validation]
    assert len(names) == 6
    assert sorted(row.name for row in found.images if row.split == "val") == sorted(names)


@pytest.mark.slow
def test_of_folds_only_models_count_that_have_not_seen_the_image(tmp_path):
    # Two folds, two models each.
    run = finish(tmp_path, parts=PARTS | {"val": 0, "test": 0}, num_base=4, num_students=2)
    found = measured(run)
    assert [row.split for row in found.images] == ["val"] * 2
    ((first, rows), (second, others)) = measure._held_out(open_run(run))[0].unseen_by
    assert [path.parent.name for path in (*first, *second)] == ["1", "3", "2", "4"]
    assert (rows, others) == tuple(fold.validation for fold in open_run(run).folds)
    assert len({*rows, *others}) == 2


def test_where_no_two_models_have_left_the_same_images_unseen_that_is_said(tmp_path):
    run = finish(tmp_path, parts=PARTS | {"val": 0})
    found = measured(run)
    assert {row.split for row in found.images} == {"test"}
    assert found.notes == (
        "no two models have left the same labelled images unseen, so nothing is known of validation images",
    )


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(IncmaskError, match=r"is no run folder"):
        write_reliability(tmp_path, open_pool=HerePool)
