"""What a page and the tables say of a run, found again from its pictures and arrays, without the code that scores."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from test_comparison_page import Page

from finished_runs import copy_of
from incmask.experiment.record.run import read_run
from incmask.insight.report.run_page.write import write_report
from incmask.prediction.ensemble import Ensemble

CLASSES = {
    "growing": ["foreground"],
    "tiles": ["background", "class_1", "class_2"],
    "objects": ["body", "border", "centre"],
}
SCORED = {"growing": [0], "tiles": [0, 1, 2], "objects": [0, 1]}
"""Where a class marks centres it is no part of the score."""


@pytest.fixture(scope="module", params=CLASSES)
def run(request, finished_run, tmp_path_factory):
    """The name of a run, its folder, its data and its page."""
    folder = copy_of(finished_run(request.param), tmp_path_factory.mktemp(request.param))
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    return request.param, folder, finished_run(request.param).parent / "data", page


def lines_of(path):
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def read(path):
    return np.asarray(Image.open(path))


def planes_of(name, label):
    """Give (K, H, W), whether a pixel is of a class."""
    if name == "objects":
        return np.moveaxis(label, -1, 0) > 0
    return np.stack([label == number for number in range(3)]) if name == "tiles" else label[None] > 0


def masks_in(folder, name, image):
    if name == "objects":
        return np.stack([read(folder / each / f"{image}.png") > 0 for each in CLASSES[name]])
    return planes_of(name, read(folder / f"{image}.png"))


def overlaps(ours, theirs):
    """Give the IoU of each class, nan where neither has it."""
    both, either = (ours & theirs).sum((1, 2)), (ours | theirs).sum((1, 2))
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def percent(share, digits=1):
    return f"{100 * share:.{digits}f} %"


@pytest.mark.slow
def test_scores_of_whole_images(run):
    name, folder, data, page = run
    part, table = ("labelled", "validation_image_scores.csv") if name == "tiles" else ("test", "image_scores.csv")
    lines, stage = lines_of(folder / table), read_run(folder).chosen
    images = [read(data / part / "images" / f"{line['name']}.png") for line in lines]
    found = Ensemble.load(folder / "model", device="cpu").predict(images)
    by_class = np.array(
        [
            overlaps(planes_of(name, each.label), masks_in(data / part / "masks", name, line["name"]))
            for each, line in zip(found, lines, strict=True)
        ]
    )
    by_image = np.nanmean(by_class[:, SCORED[name]], axis=1)
    assert by_image.any()
    assert [float(line[f"{stage}/ensemble"]) for line in lines] == pytest.approx(by_image)
    split = "val" if name == "tiles" else "test"
    (row,) = (
        each
        for each in lines_of(folder / "scores.csv")
        if (each["stage"], each["model"], each["split"]) == (stage, "ensemble", split)
    )
    assert float(row["score"]) == pytest.approx(by_image.mean())
    assert f"the models' outlines overlap with yours by {by_image.mean():.3f}: " in page.text
    for each, mean in zip(CLASSES[name], np.nanmean(by_class, axis=0), strict=True):
        if len(CLASSES[name]) > 1:
            assert float(row[f"iou/{each}"]) == pytest.approx(mean)
            assert f"IoU of {each} {mean:.3f} " in page.text


def test_the_verdict(run):
    name, folder, _, page = run
    lines = lines_of(folder / ("validation_image_scores.csv" if name == "tiles" else "image_scores.csv"))
    verdict = json.loads((folder / "verdict.json").read_text())
    single, together = verdict["pairs"]
    best = f"gen-{verdict['best'].removeprefix('generation ')}"
    for side, stage in (("without", "base"), ("with_them", best)):
        models = [each for each in lines[0] if each.startswith(f"{stage}/") and not each.endswith("/ensemble")]
        scores = np.array([[float(line[model]) for model in models] for line in lines])
        assert single[side] == pytest.approx(scores.mean())
        assert together[side] == pytest.approx(np.mean([float(line[f"{stage}/ensemble"]) for line in lines]))
    assert f"{single['with_them'] - single['without']:+.3f}".replace("-", "−") in verdict["answer"]
    assert verdict["answer"] in page.text
    assert single["num_images"] == len(lines)


def test_shares_of_the_unlabelled_images(run):
    name, folder, _, page = run
    shares = {}
    for line in lines_of(folder / "masks.csv"):
        disputed = read(folder / "inconsistent" / f"{line['name']}.png") > 0
        planes = masks_in(folder / "masks", name, line["name"])
        foreground = ~planes[0] if name == "tiles" else planes.any(0)
        of_foreground = disputed.sum() / max(1, (foreground | disputed).sum())
        found = [disputed.mean(), of_foreground, *planes.mean((1, 2))]
        columns = ("inconsistent_fraction", "disputed_of_foreground", *(f"fraction/{each}" for each in CLASSES[name]))
        assert [float(line[each]) for each in columns] == pytest.approx(found, abs=1e-6)
        assert f"{' '.join(line['name'].split())} {' '.join(map(percent, found))} " in page.text
        shares[line["name"]] = disputed.mean()
    most = max(shares, key=shares.__getitem__)
    told = f"disagree on {percent(np.mean([*shares.values()]))} of the pixels of the {len(shares)} unlabelled images"
    assert f"{told}; most on {most}, with {percent(shares[most])}." in page.text


def test_pseudo_labels(run):
    name, folder, _, page = run
    stages = sorted(folder.glob("gen-*/pseudo"))
    assert stages
    for number, stage in enumerate(stages, 1):
        disputed = np.load(stage / "inconsistent.npy")
        labels = zip(np.load(stage / "label.npy"), disputed, strict=True)
        planes = np.array([planes_of(name, label) & ~mask for label, mask in labels])
        lines = lines_of(stage / "index.csv")
        used = sum(line["admitted"] == "True" for line in lines)
        left_out = "–" if used == len(lines) else f"{len(lines) - used} too much disputed"
        shares = [disputed.mean(), *planes.mean((0, 2, 3))]
        told = " ".join(percent(share, digits=2) for share in shares)
        assert f"{number} {used} of {len(lines)} {left_out} {told}" in page.text
        if name == "growing":
            certain = planes[:, 0].sum((1, 2))
            # A binary pair needs more certain foreground than disputed pixels, unless there is nothing of both.
            unsure = disputed.sum((1, 2))
            expected = (certain > unsure) | (certain + unsure == 0)
            assert [line["admitted"] == "True" for line in lines] == expected.tolist()
    assert ("Used and left out are tiles." in page.text) == (name == "tiles")
    labels = np.load(folder / "stacks" / "labelled" / "labels.npy")
    # What lies beyond a small image has no label.
    has_label = np.moveaxis(labels.reshape(*labels.shape[:3], -1) != 255, -1, 1)
    planes = np.array([planes_of(name, label) for label in labels]) & has_label
    labelled = planes.sum((0, 2, 3)) / has_label.sum((0, 2, 3))
    assert f"your labels – – – {' '.join(percent(share, digits=2) for share in labelled)}" in page.text
